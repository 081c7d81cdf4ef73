"""`mlpwatch.watch()`: a few lines around anybody's training loop, which a screen can then watch."""

import atexit
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from threading import Lock
from time import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakSet

from mlpwatch.core.errors import InputError, RunError, error_text
from mlpwatch.core.files.scratch import make_folder
from mlpwatch.core.limits import MAX_EPOCHS
from mlpwatch.core.machine.recorder import MachineRecorder
from mlpwatch.core.monitor.orders import LoopOrders, rate_setter
from mlpwatch.core.monitor.records import (
    MOST_CLASSES,
    LineKind,
    LoopEnd,
    LoopLine,
    LoopManifest,
    script_name,
)
from mlpwatch.core.monitor.writer import LogWriter, say_on_stderr
from mlpwatch.core.remote.server import LineServer
from mlpwatch.core.runs.layout import MAX_STEPS, TAIL_ALPHABET, WATCH_NAME, check_run_name
from mlpwatch.core.runs.lock import RunLock, remove_owner, write_owner
from mlpwatch.core.scheduling import own_rank
from mlpwatch.core.text import excerpt, one_line

if TYPE_CHECKING:
    from mlpwatch.core.monitor.predictions import EpochPredictions, PredictionFiles

Batch = TypeVar("Batch")

_OPEN: "WeakSet[WatchedLoop]" = WeakSet()
"""Those that write, in this process."""


class StopOrder(BaseException):
    """Ends the `with` block of a loop that was asked to stop; the block swallows it.

    No `Exception`, so that a loop's own `except Exception` does not go on.
    """


class WatchedLoop:
    """One training loop. Two threads may log; only the process that opened it writes.

    Where nothing can be written (no folder, another rank, a forked or spawned process), every
    method does nothing and the loop runs as without it.
    """

    def __init__(self, opened: "_Opened | None" = None) -> None:
        self._opened = opened
        self._writer = opened.writer if opened else None
        self._orders = opened.orders if opened else None
        self._closing = Lock()
        self._has_ended = False
        if opened:
            _OPEN.add(self)

    @property
    def path(self) -> Path | None:
        """Folder of the run; None where nothing is written."""
        return self._opened.path if self._opened else None

    @property
    def save_requested(self) -> bool:
        """Whether `mlpwatch order RUN save` has asked for a checkpoint; until `saved`."""
        return self._orders is not None and self._orders.save_requested

    @property
    def stop_requested(self) -> bool:
        """Whether the loop was asked to end, and `step` has said so."""
        return self._orders is not None and self._orders.stopped

    def steps(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the batches; obey orders before each of them.

        Raises:
            StopOrder: the loop was asked to stop; the `with` block ends, and swallows it.
        """
        for batch in batches:
            orders = self._orders
            if orders is not None:
                if not orders.before_step():
                    raise StopOrder
                orders.step += 1
            yield batch

    def step(self, /, **scalars: Any) -> bool:  # noqa: ANN401 - of any library
        """Count a step that is done, log its numbers, obey orders; for loops without `steps`.

        Returns:
            False if the loop must end.
        """
        orders = self._orders
        if orders is None:
            return True
        orders.step += 1
        if scalars and self._writer is not None:
            self._writer.add(orders.step, scalars)
        return orders.before_step()

    def log(self, /, **scalars: Any) -> None:  # noqa: ANN401 - of any library
        """Log numbers of this step, by any names: floats, or scalars of NumPy, PyTorch or JAX.

        It takes 1 µs and never waits; what is no number is said on stderr once, and left out. Of a
        thousand steps a second about 128 are kept.
        """
        writer, orders = self._writer, self._orders
        if writer is not None and orders is not None and scalars:
            writer.add(orders.step, scalars)

    def saved(self, path: object) -> None:
        """Say that a checkpoint is on disk: the request is done."""
        if self._opened is not None and self._orders is not None:
            self._opened.saved(path)

    def epoch(
        self,
        /,
        *,
        labels: Any = None,  # noqa: ANN401 - arrays of any library
        predictions: Any = None,  # noqa: ANN401
        probabilities: Any = None,  # noqa: ANN401
        images: Any = None,  # noqa: ANN401
        **scalars: Any,  # noqa: ANN401
    ) -> None:
        """End an epoch: its numbers, and what the network predicts for the validation images.

        Args:
            labels: (images,) true classes, from 0.
            predictions: (images,) predicted classes; by default the most probable ones.
            probabilities: (images, classes).
            images: (images, height, width), or with one or three channels first or last; given
                again only if they change.
            scalars: numbers by name.
        """
        writer, orders = self._writer, self._orders
        if writer is None or orders is None:
            return
        orders.epoch += 1
        writer.hold(scalars)
        found = None
        if labels is not None and self._opened is not None:
            given = (labels, predictions, probabilities, images)
            found = self._opened.take(given, orders.epoch, orders.step)
        confusion = found.confusion if found is not None else None
        writer.put(
            LoopLine("epoch", orders.step, time(), scalars, orders.epoch, confusion=confusion)
        )

    def close(self, end: LoopEnd = "finished", reason: str = "") -> None:
        """End the run, and wait at most 2 s for the disk. No effect after the first call."""
        with self._closing:
            if self._has_ended or self._opened is None:
                return
            self._has_ended = True
        opened, self._writer, self._orders = self._opened, None, None
        _OPEN.discard(self)
        opened.close(end, one_line(reason))

    def __enter__(self) -> Self:
        """Return the loop itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> bool:
        """Record how the loop ended; swallow `StopOrder` alone."""
        self.close(*end_of(error))
        return kind is not None and issubclass(kind, StopOrder)

    def __reduce__(self) -> tuple[Callable[[], "WatchedLoop"], tuple[()]]:
        """Be one that does nothing in a spawned process."""
        return WatchedLoop, ()

    def leave_to_parent(self) -> None:
        """Do nothing from now on, in a forked process: its parent writes."""
        opened, self._opened, self._writer, self._orders = self._opened, None, None, None
        self._closing = Lock()
        if opened is not None:
            opened.server.forget()
            opened.lock.release()


class _Opened:
    """What the process has open that writes."""

    def __init__(
        self,
        path: Path,
        optimizer: object,
        classes: int | None,
        save: Callable[[], object] | None,
    ) -> None:
        self._classes = classes
        self._files: PredictionFiles | None = None
        self.path, self.lock = path, RunLock(path, WATCH_NAME)
        set_rate = rate_setter(optimizer)
        folder = self.lock.acquire()
        self._folder = folder
        write_owner(path, folder)
        self.writer = LogWriter(path, folder)
        self._save = save
        self.orders = LoopOrders(
            self._note, self.writer.complain, set_rate, self._save_now if save else None
        )
        self.server = LineServer(self.orders.answer, path, folder)
        self.machine = MachineRecorder(path, lambda: folder)
        self.writer.start()
        self.server.start()
        self.machine.start()

    def _note(self, kind: LineKind, values: dict[str, float]) -> None:
        self.writer.put(LoopLine(kind, self.orders.step, time(), values))

    def saved(self, path: object) -> None:
        """Say that a checkpoint is on disk."""
        self.orders.save_requested = False
        self.writer.put(LoopLine("saved", self.orders.step, time(), text=one_line(path)))

    def _save_now(self) -> None:
        if self._save is not None:
            self.saved(self._save())

    def take(
        self, given: tuple[object, object, object, object], epoch: int, step: int
    ) -> "EpochPredictions | None":
        """Check the predictions of an epoch and have them written; None if they are no good."""
        # NumPy is imported by the first loop that gives any.
        from mlpwatch.core.monitor.predictions import (  # noqa: PLC0415
            PredictionFiles,
            take_predictions,
        )

        try:
            found = take_predictions(*given, self._classes)
        except Exception as error:
            self.writer.complain(f"epoch: {excerpt(error)}; its predictions are left out")
            return None
        files = self._files = self._files or PredictionFiles(self.path, self._folder)
        self.writer.call(lambda: files.write(found, epoch, step))
        return found

    def close(self, end: LoopEnd, reason: str) -> None:
        orders = self.orders
        self.writer.put(
            LoopLine("ended", orders.step, time(), epoch=orders.epoch, text=reason, end=end)
        )
        self.writer.close()
        self.machine.close()
        self.server.close()
        remove_owner(self.path, self._folder)
        self.lock.release()


def watch(
    name: str | None = None,
    *,
    saved: str | Path = "saved",
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    classes: int | None = None,
    optimizer: object = None,
    save: Callable[[], object] | None = None,
) -> WatchedLoop:
    """Open a run for a training loop; `mlpwatch attach NAME` shows it, `mlpwatch order` steers it.

    A name that is taken gets a number: `my-cnn-2`. Where no folder can be made, a line on stderr
    says why, and the loop runs unwatched. Among processes that train together, only rank 0 writes.

    Args:
        name: of the run; None for the date, the program's name and a random tail.
        saved: the folder of all runs; it is made if there is none.
        epochs: planned.
        steps_per_epoch: planned.
        classes: of the labels.
        optimizer: PyTorch's or Keras', or a function of the rate: `mlpwatch order NAME set
            --learning-rate F` changes its learning rate.
        save: writes a checkpoint and returns its path: called between two steps, also while the
            loop is paused. Without it the loop looks at `save_requested`.

    Raises:
        InputError: a value is out of range; the message says which, and what was expected.
    """
    if name is not None:
        check_run_name(name)
    sizes = (("epochs", epochs, MAX_EPOCHS), ("steps_per_epoch", steps_per_epoch, MAX_STEPS))
    for what, value, most in (*sizes, ("classes", classes, MOST_CLASSES)):
        if value is not None and (type(value) is not int or not 1 <= value <= most):
            raise InputError(f"{what}={value!r:.40}: expected a whole number from 1 to {most:,}")
    try:
        rate_setter(optimizer)
    except TypeError as error:
        raise InputError(str(error)) from None
    if own_rank():
        return WatchedLoop()
    manifest = LoopManifest(datetime.now(UTC), script_name(), epochs, steps_per_epoch, classes)
    try:
        path = _make(Path(saved), name, manifest)
        run = WatchedLoop(_Opened(path, optimizer, classes, save))
    except (OSError, RunError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        say_on_stderr(f"watch {name or ''}: {why} ({saved}); the loop runs unwatched")
        return WatchedLoop()
    return run


def end_of(error: BaseException | None) -> tuple[LoopEnd, str]:
    """Return how a loop ended that an error has left."""
    match error:
        case None:
            return "finished", ""
        case StopOrder():
            return "stopped", "by an order"
        case KeyboardInterrupt():
            return "stopped", "interrupted"
        case GeneratorExit():
            return "stopped", "abandoned"
        case SystemExit():
            is_good = error.code in (None, 0)
            return ("finished", "") if is_good else ("failed", f"exit status {error.code}")
        case Exception():
            return "failed", error_text(error)
    return "failed", type(error).__name__


def _make(saved: Path, name: str | None, manifest: LoopManifest) -> Path:
    """Make the folder, under the first free name, and return its path.

    Raises:
        OSError: for example a full disk.
    """
    tail = "".join(secrets.choice(TAIL_ALPHABET) for _ in range(4))
    stem = "".join(c if c.isalnum() else "-" for c in Path(manifest.script).stem)[:40]
    wanted = name or f"{manifest.created:%Y-%m-%d}-{stem or 'python'}-{tail}"
    for number in count(1):
        path = saved / (wanted if number == 1 else f"{wanted}-{number}")
        if os.path.lexists(path):
            continue
        try:
            make_folder(path, manifest.write)
        except OSError:
            if not os.path.lexists(path):
                raise
            continue  # another process has just made one
        if number > 1:
            say_on_stderr(f"watch {wanted}: {wanted} is taken, so this is {path.name}")
        return path
    raise AssertionError("count has no end")


def _leave_all() -> None:
    for one in list(_OPEN):
        one.leave_to_parent()
    _OPEN.clear()


def _close_all() -> None:
    """Record the end of loops without a `with` block, at the end of the process."""
    # The interpreter has kept the error that nobody caught.
    error = getattr(sys, "last_value", None)
    for one in list(_OPEN):
        one.close(*end_of(error))


os.register_at_fork(after_in_child=_leave_all)
atexit.register(_close_all)
