"""The `RunSource` of a watched loop: the dashboard and the mistakes show it like a run of ours."""

import math
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.gradient_comparison import GradientComparison
from mlpwatch.core.analysis.inference import Prediction
from mlpwatch.core.analysis.step_trace import StepTrace
from mlpwatch.core.analysis.weight_store import WeightStore
from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.data.source import MAX_CLASSES
from mlpwatch.core.epochs import Evaluation
from mlpwatch.core.errors import DataError, RunError
from mlpwatch.core.events import CheckpointEvaluated, Event, LogRewritten, Mailbox, Notice
from mlpwatch.core.limits import MAX_EPOCHS, check_new_rate
from mlpwatch.core.monitor.follower import LoopFollower
from mlpwatch.core.monitor.loop_events import LOOP_ENGINE, LoopEvents
from mlpwatch.core.monitor.predictions import EpochPredictions, read_predictions
from mlpwatch.core.monitor.records import LoopLine
from mlpwatch.core.network_file import SHA256_DIGITS, NetworkFile
from mlpwatch.core.remote.client import CommandClient
from mlpwatch.core.remote.protocol import Command, Status
from mlpwatch.core.runs.checkpoints import Checkpoint
from mlpwatch.core.runs.history import History
from mlpwatch.core.runs.layout import HISTORY_NAME, IMAGES_NAME, PREDICTIONS_NAME
from mlpwatch.core.text import printable

FOLLOW_SECONDS = 0.5
"""Time between two reads of the log, which is written as often."""

FEWEST_CLASSES = 2

NO_WEIGHTS = "a watched loop keeps its weights to itself"

NO_IMAGES = "no images: the loop gives none; run.epoch(labels=…, probabilities=…, images=…) does"

TINY = 1e-12
"""Least probability in -log p."""


class LoopFolder:
    """The folder of a watched loop as a `RunFolder`: nobody resumes it here."""

    host = ""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, printable(path.name)
        self.history = History(path / HISTORY_NAME)

    def read_past(self, engine: EngineName, epoch: int) -> Checkpoint:
        """Raise RunError: no weights are kept."""
        raise RunError(f"epoch {epoch} of {engine}: {NO_WEIGHTS}")

    def acquire(self) -> str:
        """Raise RunError: only its own program trains it."""
        raise RunError(f"{self.name}: only its own program trains it; start that again")

    def release(self) -> None:
        """No effect: the lock is its program's."""


class LoopRunSource:
    """Follows a watched loop by its folder; orders go through the socket in it.

    Args:
        path: of the folder.

    Raises:
        RunError: it is no folder of a watched loop, or is damaged.
    """

    notes: tuple[str, ...] = ()
    lockstep = False
    save_error: str | None = None

    def __init__(self, path: Path) -> None:
        self._follower = LoopFollower(path)
        manifest = self._follower.manifest
        self.run, self.mailbox, self.weight_store = LoopFolder(path), Mailbox(), WeightStore()
        network = NetworkFile(manifest.script or "loop", "0" * SHA256_DIGITS)
        self.config = RunConfig(
            only=LOOP_ENGINE, epochs=manifest.epochs or 1, batch_size=1, network=network
        )
        self.epoch_steps = manifest.steps_per_epoch or 1
        self._guesses_steps = manifest.steps_per_epoch is None
        self._classes = max(FEWEST_CLASSES, min(manifest.classes or 0, MAX_CLASSES))
        self._begin_again()
        self._first: list[Event] = []
        self._first += (one for one in self._read() if not isinstance(one, LogRewritten))
        self.images_missing = NO_IMAGES
        self._seen: tuple[float, float] = (0.0, 0.0)
        self._client = CommandClient(path, self._on_failure)
        self._limit: float | None = None
        self._limit_until = -math.inf
        self._closing = Flag()
        self._thread = Thread(target=self._follow, name="loop-follower", daemon=True)

    @property
    def ended(self) -> bool:
        """Whether the following has ended."""
        return self._closing.is_set()

    @property
    def is_off_dashboard(self) -> bool:
        """Whether the dashboard has a place for none of the numbers that the loop logs."""
        return self._events.has_numbers and not self._events.has_known

    @property
    def _status(self) -> Status | None:
        return self._client.status

    @property
    def steps_per_second(self) -> float | None:
        """The speed limit from the last order or answer, or None."""
        if monotonic() < self._limit_until or self._status is None:
            return self._limit
        return self._status.steps_per_second

    def threads(self, engine: EngineName) -> int:  # noqa: ARG002 - as in RunSource
        """Return 0: a loop does not say how many it has."""
        return 0

    def paused(self, engine: EngineName) -> bool:  # noqa: ARG002
        """Return whether the loop has been asked to pause."""
        if self._status is not None and self._status.loop is not None:
            return self._status.loop.is_paused
        return self._follower.state.state == "paused"

    def past_events(self) -> list[Event]:
        """Return the events so far; call it before `start`."""
        past = list(self._first)
        self._first.clear()
        return past

    def compare_gradients(self) -> GradientComparison:
        """Raise DataError: there are no weights."""
        raise DataError(NO_WEIGHTS)

    def predict(self, name: EngineName, images: Floats) -> Future[Prediction]:  # noqa: ARG002
        """Return a future that has failed: there are no weights."""
        answer: Future[Prediction] = Future()
        answer.set_exception(DataError(NO_WEIGHTS))
        return answer

    def trace_step(self, previous: StepTrace | None = None) -> StepTrace:  # noqa: ARG002
        """Raise DataError: there are no weights."""
        raise DataError(NO_WEIGHTS)

    def evaluate_test(self) -> dict[EngineName, Evaluation]:
        """Raise DataError: a loop gives one set of images."""
        raise DataError("a watched loop gives one set of images, its validation images")

    def ask_for_weights(self) -> None:
        """No effect: there are none."""

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()
        self._client.start()

    def pause(self, *_engines: EngineName) -> None:
        """Ask the loop to pause before its next step."""
        self._order(Command("pause"))

    def resume(self, *_engines: EngineName) -> None:
        """Ask the loop to go on."""
        self._order(Command("resume"))

    def step(self) -> None:
        """Ask for one step while paused."""
        self._order(Command("step"))

    def save(self) -> None:
        """Ask the loop to save."""
        self._order(Command("save"))

    def stop(self) -> None:
        """Ask the loop to end."""
        self._order(Command("stop"))

    def set_steps_per_second(self, limit: float | None) -> None:
        """Limit the speed; None lifts the limit."""
        self._limit, self._limit_until = limit, monotonic() + 2.0
        self._order(Command("limit", steps_per_second=limit))

    def set_lockstep(self, lockstep: bool) -> None:
        """No effect: there is only one loop."""

    def learning_rate(self, engine: EngineName) -> float:  # noqa: ARG002
        """Return the rate as ordered or logged last; NaN if neither."""
        loop = self._status.loop if self._status else None
        if loop is not None and loop.learning_rate is not None:
            return loop.learning_rate
        return self._events.rate

    def set_learning_rate(self, rate: float, *_engines: EngineName) -> None:
        """Ask for another learning rate.

        Raises:
            ConfigError: it is out of range.
        """
        check_new_rate(rate)
        self._order(Command("set", learning_rate=rate))

    def leave(self) -> None:
        """End the following; the loop trains on."""
        self._closing.set()
        self._client.close()

    def join(self, seconds: float) -> bool:
        """Wait until orders are sent and the thread has ended; False if that took longer."""
        self._client.join(seconds)
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _order(self, order: Command) -> None:
        if self._follower.state.has_ended:
            self._on_failure(f"{order.name}: this loop has ended; start its program again")
        else:
            self._client.send(order)

    def _on_failure(self, why: str) -> None:
        self.mailbox.put(Notice(why, is_bad=True))

    def _follow(self) -> None:
        while True:
            self._look_at_predictions()
            for event in self._read():
                self.mailbox.put(event)
            if self._closing.wait(FOLLOW_SECONDS):
                return

    def _begin_again(self) -> None:
        self._follower = LoopFollower(self.run.path)
        began = self._follower.manifest.created.timestamp()
        self._events = LoopEvents(began, self._classes)
        self.dataset, self._seen = dataset_of(None, self._classes), (0.0, 0.0)

    def _read(self) -> list[Event]:
        found: list[Event] = [] if self._events.has_started else [self._events.started()]
        while lines := self._follower.read():
            if self._outgrows(lines):
                self._begin_again()
                return [LogRewritten(self.config.epochs, self.epoch_steps), *self._read()]
            found += [event for line in lines for event in self._events.of(line)]
            if self._follower.state.has_ended:
                return found
        if self._follower.lost_end:
            found.append(self._events.lost())
        return found

    def _outgrows(self, lines: list[LoopLine]) -> bool:
        """Make room for more epochs, steps or classes than were planned; return whether it had to.

        All matrices of a run have the same classes, and its charts the same length: the log is
        then read again. A loop that has not said its length gets twice as much each time.
        """
        sizes = [len(one.confusion) for one in lines if one.confusion is not None]
        epoch, step = max(one.epoch for one in lines), max(one.step for one in lines)
        planned = self._classes, self.config.epochs, self.epoch_steps
        self._classes = max(self._classes, *sizes, 0)
        if epoch > self.config.epochs:
            self.config = replace(self.config, epochs=min(2 * epoch, MAX_EPOCHS))
        if step > self.config.epochs * self.epoch_steps or (epoch and self._guesses_steps):
            self.epoch_steps = math.ceil(step / epoch) if epoch else 2 * step
            self._guesses_steps = not epoch
        return planned != (self._classes, self.config.epochs, self.epoch_steps)

    def _look_at_predictions(self) -> None:
        """Read the predictions and images if one of both files is new."""
        seen = (_changed(self.run.path / PREDICTIONS_NAME), _changed(self.run.path / IMAGES_NAME))
        if seen == self._seen:
            return
        self._seen = seen
        try:
            read = read_predictions(self.run.path)
        except (RunError, OSError, MemoryError) as error:
            self._on_failure(f"no mistakes: {error}")
            return
        if read is None:
            return
        found, epoch, step = read
        missing = why_no_images(found)
        if not missing and found.classes > self._classes:
            self._seen = 0.0, 0.0  # the line of its epoch is not read yet
            return
        if not missing:
            self.dataset = dataset_of(found, self._classes)
            shown = evaluation_of(found, len(self.dataset.labels), self._classes)
            self.mailbox.put(CheckpointEvaluated(LOOP_ENGINE, epoch, step, shown))
        # Last: who sees that nothing is missing finds the event in the mailbox.
        self.images_missing = missing


def why_no_images(found: EpochPredictions) -> str:
    """Return why the mistakes can't be shown; empty if they can."""
    if found.classes > MAX_CLASSES:
        return f"{found.classes} classes: mistakes are shown for up to {MAX_CLASSES}"
    return NO_IMAGES if found.images is None else ""


def dataset_of(found: EpochPredictions | None, classes: int) -> Dataset:
    """Return the images that a loop has given, as validation images; without any at first."""
    given = found.images if found is not None else None
    images = np.empty((0, 2, 2), np.uint8) if given is None else given
    count, height, width = images.shape
    no_images, no_labels = np.empty((0, height * width), np.float32), np.empty(0, np.int64)
    return Dataset(
        name="watched loop",
        image_shape=(height, width),
        classes=classes,
        images=images.reshape(count, height * width).astype(np.float32) / np.float32(255),
        labels=no_labels if found is None else found.labels[:count],
        train_count=0,
        source_rows=np.arange(count),
        test_images=no_images,
        test_labels=no_labels,
        sha256="",
    )


def evaluation_of(found: EpochPredictions, count: int, classes: int) -> Evaluation:
    """Return the predictions of the first `count` images; their loss is -log p of the true class.

    Args:
        found: of one epoch.
        count: of images that were kept.
        classes: of the data set, at least as many as found.
    """
    labels, said, given = found.labels[:count], found.predictions[:count], found.probabilities
    given = given[:count]
    shares: NDArray[np.float32] = np.pad(given, ((0, 0), (0, classes - given.shape[1])))
    losses = -np.log(np.maximum(shares[np.arange(count), labels], TINY)).astype(np.float32)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, said), 1)
    return Evaluation(
        loss=float(losses.mean()) if count else math.nan,
        accuracy=float((labels == said).mean()) if count else 0.0,
        confusion=confusion,
        probabilities=shares,
        losses=losses,
        predictions=said.astype(np.intp),
    )


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
