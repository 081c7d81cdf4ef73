"""Work that a trainer hands over: done in a thread of its own, one job after the other."""

from collections.abc import Callable
from threading import Condition, Thread

from mlpwatch.core.scheduling import stand_back

Job = Callable[[], None]


class Background:
    """Does one job at a time; its error is raised where the next job is handed over.

    The thread is a daemon, so that leaving at once need not wait for it, and starts with the
    first job.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = Condition()
        self._job: Job | None = None
        self._error: BaseException | None = None
        self._thread: Thread | None = None
        self._closing = False

    def submit(self, job: Job) -> None:
        """Wait for the job before, if it is not done, and hand over this one.

        Raises:
            Exception: what the job before has raised; this one is not done then.
        """
        self.wait()
        with self._changed:
            self._job = job
            self._changed.notify_all()
        if self._thread is None:
            self._thread = Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Wait until no job is left.

        Raises:
            Exception: what the last job has raised; once.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._job is None)
            error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """Do what is left, then end the thread; an error that nobody has asked for is dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        stand_back()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._job is not None or self._closing)
                job = self._job
            if job is None:
                return
            error: BaseException | None = None
            try:
                job()
            except Exception as raised:  # raised again by `wait`
                error = raised
            with self._changed:
                self._job, self._error = None, error
                self._changed.notify_all()
