"""Writes checkpoints and log lines in its own thread, so that training does not wait."""

from collections import deque
from threading import Condition, Thread
from time import monotonic
from typing import Protocol

from mlpwatch.core.config import EngineName
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.errors import MlpwatchError
from mlpwatch.core.events import CheckpointSaved, Mailbox, Notice, RateChanged, SaveFailed
from mlpwatch.core.machine.recorder import MachineRecorder
from mlpwatch.core.runs.checkpoints import Checkpoint, write_checkpoint
from mlpwatch.core.runs.event_writer import EventWriter
from mlpwatch.core.runs.layout import best_name
from mlpwatch.core.runs.run import FolderGoneError, Run
from mlpwatch.core.training.rates import append_rates

FLUSH_SECONDS = 10.0
"""Longest wait for the disk at the end of a run."""


class Recorder(Protocol):
    """Saves a trainer's checkpoints and epochs; the trainer does not wait."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint soon; a newer one of the same engine may replace it."""

    def save_best(self, checkpoint: Checkpoint) -> None:
        """Write the best checkpoint of an engine so far soon, first as its newest; no message."""

    def record(self, epoch: EpochRecord) -> None:
        """Append an epoch to the metrics soon."""

    def record_rate(self, change: RateChanged) -> None:
        """Append a change of the learning rate to `rates.jsonl` soon, before later checkpoints."""

    def flush(self) -> None:
        """Wait until everything handed over is on disk or has failed."""


class DiskRecorder:
    """Writes into one run folder; sends `CheckpointSaved` or `SaveFailed` to the mailbox.

    Lines that could not be written are kept and tried again with the next ones.

    Args:
        run: the run folder.
        mailbox: receives the events.
        event_writer: its `flush` is called before each checkpoint is written.
    """

    def __init__(self, run: Run, mailbox: Mailbox, event_writer: EventWriter | None = None) -> None:
        self._run, self._event_writer = run, event_writer
        self._mailbox = mailbox
        self._changed = Condition()
        self._checkpoints: dict[EngineName, Checkpoint] = {}
        self._best: dict[EngineName, Checkpoint] = {}
        self._lines: deque[EpochRecord] = deque()
        self._rates: deque[RateChanged] = deque()
        self._busy = False
        self._closing = False
        self._failed: dict[EngineName, tuple[Checkpoint, str, bool]] = {}
        """Checkpoint, reason, and whether the reason is a deleted folder."""
        self._may_replace_folder = False
        self._unwritten_lines = 0
        self._saved_steps: dict[EngineName, int] = {}
        self._handed_over_at: dict[EngineName, float] = {}
        self._saved_as_of: dict[EngineName, float] = {}
        self._machine = MachineRecorder(run.path, lambda: run.folder)
        self._thread = Thread(target=self._work, name="recorder", daemon=True)

    def start(self) -> None:
        """Start to write, and to sample the machine."""
        self._thread.start()
        self._machine.start()

    @property
    def unsaved(self) -> dict[EngineName, str]:
        """Engines whose newest checkpoint could not be written, with the reason."""
        with self._changed:
            return {engine: reason for engine, (_, reason, _) in self._failed.items()}

    @property
    def unwritten_lines(self) -> int:
        """Number of lines of the metrics that could not be written so far."""
        return self._unwritten_lines

    @property
    def saved_steps(self) -> dict[EngineName, int]:
        """Step of each engine's newest checkpoint that this process has written."""
        with self._changed:
            return dict(self._saved_steps)

    @property
    def saved_as_of(self) -> dict[EngineName, float]:
        """When each engine's checkpoint on disk was handed over, on the monotonic clock."""
        with self._changed:
            return dict(self._saved_as_of)

    @property
    def is_idle(self) -> bool:
        """Whether everything handed over is on disk or has failed."""
        with self._changed:
            return not self._has_work() and not self._busy

    def save(self, checkpoint: Checkpoint) -> None:
        """See `Recorder`."""
        if self._event_writer:
            self._event_writer.close_group(checkpoint.engine)
        with self._changed:
            self._checkpoints[checkpoint.engine] = checkpoint
            self._handed_over_at[checkpoint.engine] = monotonic()
            self._changed.notify_all()

    def save_best(self, checkpoint: Checkpoint) -> None:
        """See `Recorder`."""
        if self._event_writer:
            self._event_writer.close_group(checkpoint.engine)
        with self._changed:
            self._best[checkpoint.engine] = checkpoint
            self._handed_over_at[checkpoint.engine] = monotonic()
            self._changed.notify_all()

    def retry(self) -> None:
        """Try again to write the failed checkpoints; make a new folder if the run's was deleted."""
        with self._changed:
            self._may_replace_folder = True
            self._put_back_failed()
            self._changed.notify_all()

    def replace_gone_folder(self) -> None:
        """Make a new folder if the run's was deleted, and write the failed checkpoints there.

        Raises:
            RunError: the folder can't be made.
        """
        if line := self._run.replace_gone_folder():
            self._mailbox.put(Notice(line, is_bad=True))
            with self._changed:
                self._put_back_failed()
                self._changed.notify_all()

    def record(self, epoch: EpochRecord) -> None:
        """See `Recorder`."""
        with self._changed:
            self._lines.append(epoch)
            self._changed.notify_all()

    def record_rate(self, change: RateChanged) -> None:
        """See `Recorder`."""
        with self._changed:
            self._rates.append(change)
            self._changed.notify_all()

    def flush(self) -> None:
        """See `Recorder`; gives up after `FLUSH_SECONDS`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._has_work() and not self._busy, FLUSH_SECONDS)

    def close(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Write the rest, then end the thread; False if that takes longer than `seconds`."""
        with self._changed:
            self._closing = True
            if any(is_gone for *_, is_gone in self._failed.values()):
                self._may_replace_folder = True
                self._put_back_failed()
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(seconds)
            self._machine.close()
        return not self._thread.is_alive()

    def _has_work(self) -> bool:
        return bool(self._checkpoints or self._best or self._lines or self._rates)

    def _put_back_failed(self) -> None:
        failed = {engine: checkpoint for engine, (checkpoint, *_) in self._failed.items()}
        self._checkpoints = failed | self._checkpoints

    def _work(self) -> None:
        lines: deque[EpochRecord] = deque()
        rates: deque[RateChanged] = deque()
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._has_work() or self._closing)
                if not self._has_work():
                    return
                checkpoints, self._checkpoints = self._checkpoints, {}
                best, self._best = self._best, {}
                moments = dict(self._handed_over_at)
                lines.extend(self._lines)
                self._lines.clear()
                rates.extend(self._rates)
                self._rates.clear()
                self._busy = True
                may_replace, self._may_replace_folder = self._may_replace_folder, False
            news = self._find_folder(may_replace=may_replace)
            self._write_lines(lines)
            self._write_rates(rates)
            for engine, checkpoint in checkpoints.items():
                self._write_checkpoint(checkpoint, moments[engine])
            for engine, checkpoint in best.items():
                # As the newest too: a run never resumes from before its best checkpoint.
                newest = checkpoints.get(engine)
                if newest is None or newest.position.step < checkpoint.position.step:
                    self._write_checkpoint(checkpoint, moments[engine], announced=False)
                self._write_best(checkpoint)
            if news:
                # After the saves: the screen has one line for both messages.
                self._mailbox.put(Notice(news, is_bad=True))

    def _find_folder(self, *, may_replace: bool) -> str:
        """Return a line if the run's folder was renamed or replaced, else an empty text."""
        try:
            return self._run.follow_folder() or (
                self._run.replace_gone_folder() if may_replace else ""
            )
        except MlpwatchError as error:
            return str(error)

    def _write_checkpoint(
        self, checkpoint: Checkpoint, handed_over_at: float, *, announced: bool = True
    ) -> None:
        engine, step = checkpoint.engine, checkpoint.position.step
        try:
            if self._event_writer:
                self._event_writer.flush()
            path = self._run.write_checkpoint(checkpoint)
        except Exception as error:  # after any error training continues, and the screen shows it
            reason = failure_text(error)
            with self._changed:
                self._failed[engine] = (checkpoint, reason, isinstance(error, FolderGoneError))
            self._mailbox.put(SaveFailed(engine, step, str(self._run.path), reason))
            return
        with self._changed:
            self._failed.pop(engine, None)
            self._saved_steps[engine] = step
            self._saved_as_of[engine] = handed_over_at
        if announced:
            self._mailbox.put(CheckpointSaved(engine, step, str(path)))

    def _write_best(self, checkpoint: Checkpoint) -> None:
        """Write a best checkpoint; if that fails, the one before stays, and the next is tried."""
        run, name = self._run, checkpoint.engine
        try:
            write_checkpoint(
                run.path / best_name(name), checkpoint, run.config.seed,
                folder=run.folder, keeps_previous=False,
            )  # fmt: skip
        except Exception as error:  # as above
            path = str(run.path)
            self._mailbox.put(
                SaveFailed(name, checkpoint.position.step, path, f"best: {failure_text(error)}")
            )

    def _write_lines(self, lines: deque[EpochRecord]) -> None:
        """Append all lines in one write; if it fails, they stay in `lines`.

        One sync is enough for all: small epochs end 100 times a second, and a sync of a hard disk
        takes 10 ms.
        """
        if not lines:
            return
        try:
            self._run.append_metrics(*lines)
        except Exception as error:  # as above
            self._unwritten_lines = len(lines)
            path, first = str(self._run.path), lines[0]
            self._mailbox.put(SaveFailed(first.engine, first.step, path, failure_text(error)))
            return
        lines.clear()
        self._unwritten_lines = 0

    def _write_rates(self, rates: deque[RateChanged]) -> None:
        """Append all changes; if that fails they stay in `rates`, and each checkpoint has its own.

        Before the checkpoints: a resume from one of them makes the changes up to it.
        """
        if not rates:
            return
        try:
            append_rates(self._run.path, rates, folder=self._run.folder)
        except Exception as error:  # as above
            first, path = rates[0], str(self._run.path)
            self._mailbox.put(SaveFailed(first.engine, first.step, path, failure_text(error)))
            return
        rates.clear()


def failure_text(error: Exception) -> str:
    """Return why something could not be written, in one line."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error) if isinstance(error, MlpwatchError) else f"{type(error).__name__}: {error}"
