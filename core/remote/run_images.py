"""The images of a saved run, and the predictions of its newest checkpoints."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Event as Flag
from threading import Lock, Thread

import numpy as np

from mlpwatch.core.analysis.gradient_comparison import GradientComparison, compare_gradients
from mlpwatch.core.analysis.inference import (
    Answer,
    evaluate_images,
    inference_engine,
)
from mlpwatch.core.analysis.step_trace import StepTrace, trace_step
from mlpwatch.core.analysis.weight_store import WeightSnapshot, WeightStore
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset, dataset_for
from mlpwatch.core.data.registry import normalisation_for
from mlpwatch.core.epochs import Evaluation
from mlpwatch.core.errors import DataError, MlpwatchError
from mlpwatch.core.events import CheckpointEvaluated, Event, Notice
from mlpwatch.core.network.engine import Engine, EngineState
from mlpwatch.core.runs.checkpoints import checkpoint_path
from mlpwatch.core.runs.manifest import DatasetInfo
from mlpwatch.core.runs.networks import with_unchanged_sources
from mlpwatch.core.runs.run import Run

LOOK_SECONDS = 1.0
"""Time between two checks for a newer checkpoint; one is written every 30 s."""


class RunImages:
    """Loads the images and evaluates them with each new checkpoint, in its own thread.

    A NumPy network predicts for both engines, so that PyTorch is not imported: their logits differ
    only by rounding. A user's own network predicts itself, as where it trains, if its file is still
    what it was.

    Args:
        run: its checkpoints are used.
        config: of the run.
        weight_store: receives the weights.
        send: receives the evaluations and notices, in that thread.
    """

    def __init__(
        self, run: Run, config: RunConfig, weight_store: WeightStore, send: Callable[[Event], None]
    ) -> None:
        self._run, self._config, self._weight_store, self._send = run, config, weight_store, send
        self.dataset = without_images(run.dataset)
        """Shape and classes are known from the start; the images come later, or not at all."""
        self.missing = f"loading {config.data}"
        """Why there is nothing to show, in one line; empty if there is."""
        self._seen: dict[EngineName, tuple[int, int, int]] = {}
        self._closing, self._comparing = Flag(), Lock()
        self._thread = Thread(target=self._work, name="run-images", daemon=True)

    def start(self) -> None:
        """Start to load."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking for checkpoints; returns at once."""
        self._closing.set()

    def compare_gradients(self) -> GradientComparison:
        """Compare both engines on the weights of the first one's checkpoint; imports PyTorch.

        Raises:
            DataError: the images are not there.
        """
        data = self._loaded()
        # One at a time: if two overlap, the one with the older weights might end last.
        with self._comparing:
            latest = self._weight_store.latest(self._config.engine_names[0])
            return compare_gradients(self._config, data, latest.weights if latest else None)

    def trace_step(self, previous: StepTrace | None = None) -> StepTrace:
        """Compute each engine's step after its newest checkpoint part by part; imports PyTorch.

        Raises:
            DataError: the images or a checkpoint are not there.
            MlpwatchError: a checkpoint can't be read.
        """
        data, states = self._loaded(), dict[EngineName, EngineState]()
        rates: dict[EngineName, float] = {}
        for name in self._config.engine_names:
            latest = self._run.read_latest(name)
            if latest is None:
                raise DataError(f"no checkpoint of {self._config.title(name)} yet")
            states[name] = latest.checkpoint.state
            usual = self._config.of(name).learning_rate
            rates[name] = latest.checkpoint.position.learning_rate or usual
        return trace_step(self._config, data, states, previous, rates=rates)

    def evaluate_test(self) -> dict[EngineName, Evaluation]:
        """Evaluate the test images with each engine's newest saved weights; takes 0.1 s.

        Raises:
            DataError: the images are not there.
        """
        data, config = self._loaded(), self._config
        images, labels = data.test_images, data.test_labels
        shown = [self._weight_store.latest(name) for name in config.engine_names]
        return {
            one.engine: evaluate_images(
                config, one.engine, one.weights, images, labels, classes=data.classes
            )
            for one in shown
            if one is not None
        }

    def ask(self, name: EngineName, question: Callable[[Engine], Answer]) -> Future[Answer]:
        """Ask a NumPy network with an engine's newest saved weights a question; returns at once.

        Args:
            name: of the engine.
            question: must not change the engine.

        Returns:
            A future with the answer, or with a `DataError` if no checkpoint has been read.
        """
        answer: Future[Answer] = Future()

        def reply() -> None:
            try:
                answer.set_result(question(self._engine(name)))
            except Exception as error:  # raised by `answer.result()`
                answer.set_exception(error)

        Thread(target=reply, name=f"ask-{name}", daemon=True).start()
        return answer

    def _engine(self, name: EngineName) -> Engine:
        shown = self._weight_store.latest(name)
        if shown is None:
            raise DataError(self.missing or f"no checkpoint of {self._config.title(name)} yet")
        data = self.dataset
        return inference_engine(self._config, name, shown.weights, data.features, data.classes)

    def _loaded(self) -> Dataset:
        if not self.dataset.train_count:
            raise DataError(self.missing)
        return self.dataset

    def _work(self) -> None:
        self._config, notes = with_unchanged_sources(self._config, self._run.path)
        for note in notes:
            self._send(Notice(note, is_bad=True))
        try:
            dataset = dataset_for(self._config, self._run.dataset.classes)
        except (MlpwatchError, OSError) as error:
            self._give_up(str(error))
            return
        if dataset.sha256 != self._run.dataset.sha256:
            self._give_up(f"{self._config.data} holds other data than this run was trained on")
            return
        self.dataset = dataset
        self.missing = "no checkpoint has read the images yet; the next one will"
        while True:
            for name in self._config.engine_names:
                self._look(name)
            if self._closing.wait(LOOK_SECONDS):
                return

    def _give_up(self, why: str) -> None:
        self.missing = f"no images: {why}"
        self._send(Notice(self.missing, is_bad=True))

    def _look(self, name: EngineName) -> None:
        """Evaluate the images if an engine has a new checkpoint."""
        try:
            found = checkpoint_path(self._run.path, name).stat()
        except OSError:
            return
        signature = (found.st_ino, found.st_mtime_ns, found.st_size)
        if signature == self._seen.get(name):
            return
        self._seen[name] = signature
        try:
            self._read(name)
        except (MlpwatchError, OSError, MemoryError) as error:
            self._send(Notice(f"no mistakes of {self._config.title(name)}: {error}", is_bad=True))

    def _read(self, name: EngineName) -> None:
        latest = self._run.read_latest(name)
        if latest is None:
            return
        state, at = latest.checkpoint.state, latest.checkpoint.position
        shown = WeightSnapshot(name, at.epoch, at.step, state.weights)
        self._weight_store.publish(shown, evaluated=True)
        images, labels = self.dataset.validation_images, self.dataset.validation_labels
        classes = self.dataset.classes
        validation = evaluate_images(
            self._config, name, state.weights, images, labels, classes=classes
        )
        self.missing = ""
        self._send(CheckpointEvaluated(name, at.epoch, at.step, validation))


def without_images(info: DatasetInfo) -> Dataset:
    """Return a data set of the right shape that holds no images."""
    features = int(np.prod(info.image_shape))
    no_images, no_labels = np.empty((0, features), np.float32), np.empty(0, np.int64)
    height, width = info.image_shape
    return Dataset(
        name=info.name,
        normalisation=normalisation_for(info.name),
        image_shape=(height, width),
        classes=info.classes,
        names=info.names,
        images=no_images,
        labels=no_labels,
        train_count=0,
        source_rows=np.empty(0, np.intp),
        test_images=no_images,
        test_labels=no_labels,
        sha256=info.sha256,
    )
