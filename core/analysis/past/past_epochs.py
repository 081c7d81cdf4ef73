"""The kept epochs of a run, read back: weights, predictions, what was wrong then."""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import Literal, Protocol

from mlpwatch.core.analysis.gradient_comparison import GradientComparison, compare_gradients
from mlpwatch.core.analysis.inference import Prediction, evaluate, past_engine
from mlpwatch.core.analysis.step_trace import StepTrace, trace_step
from mlpwatch.core.analysis.weight_store import WeightSnapshot, WeightStore
from mlpwatch.core.arrays import Floats, Labels
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.epochs import Evaluation
from mlpwatch.core.errors import DataError
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.network.losses import loss_for
from mlpwatch.core.runs.checkpoints import Checkpoint
from mlpwatch.core.runs.history import History

Split = Literal["validation", "test"]

MOST_EVALUATIONS = 8
"""Evaluations kept of each engine: 0.4 MB each for the 10,000 test images of MNIST."""


class KeptRun(Protocol):
    """A run whose past epochs can be read."""

    @property
    def history(self) -> History:
        """Its kept epochs."""

    def read_past(self, engine: EngineName, epoch: int) -> Checkpoint:
        """Read an engine's checkpoint of a kept epoch; see `Run.read_past`."""


@dataclass(frozen=True, slots=True, eq=False)
class PastEpoch:
    """The end of one epoch, of the engines that have done it and whose checkpoint is kept."""

    epoch: int
    checkpoints: Mapping[EngineName, Checkpoint]
    store: WeightStore
    """The same weights, for what reads the newest ones of a store."""


class Networks:
    """Networks that predict with given weights. Thread-safe: one prediction at a time.

    Args:
        config: of the run.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._engines: dict[EngineName, Engine] = {}
        self._lock = Lock()

    def logits(self, past: PastEpoch, name: EngineName, dataset: Dataset, images: Floats) -> Floats:
        """Return an engine's logits (images, classes) at a past epoch.

        Raises:
            UserCodeError: the user's own network raises.
            MemoryError, RuntimeError: memory ran out; PyTorch raises the second.
        """
        with self._lock:
            if name not in self._engines:
                self._engines[name] = past_engine(self._config, name, dataset)
            weights = past.checkpoints[name].state.weights
            return self._engines[name].logits(images, weights)


class PastEpochs:
    """Reads the kept epochs of a run, and predicts with them. Thread-safe.

    Each method is too slow for an event loop: a read takes 1 to 20 ms, a slow disk any time.

    Args:
        run: its history is read.
        config: of the run.
    """

    def __init__(self, run: KeptRun, config: RunConfig) -> None:
        self._run, self._config = run, config
        self._networks = Networks(config)
        self._evaluations: OrderedDict[Hashable, dict[EngineName, Evaluation]] = OrderedDict()
        self._lock = Lock()

    def kept(self) -> dict[EngineName, list[int]]:
        """Return the kept epochs of each engine of the run, oldest first."""
        kept = self._run.history.kept()
        return {name: kept[name] for name in self._config.engine_names}

    def read(self, epoch: int) -> PastEpoch:
        """Read the checkpoints of an epoch, of all engines that have it.

        Raises:
            CheckpointError: one is damaged, or was thinned out meanwhile.
            DataError: no engine has it.
        """
        names = [name for name, epochs in self.kept().items() if epoch in epochs]
        if not names:
            raise DataError(f"epoch {epoch} is not kept any more")
        found = {name: self._run.read_past(name, epoch) for name in names}
        store = WeightStore()
        for name, one in found.items():
            snapshot = WeightSnapshot(name, epoch, one.position.step, one.state.weights)
            store.publish(snapshot, evaluated=True)
        return PastEpoch(epoch, found, store)

    def evaluate(
        self, past: PastEpoch, dataset: Dataset, split: Split
    ) -> dict[EngineName, Evaluation]:
        """Compare what each engine predicted then for a split with the true labels.

        Raises:
            UserCodeError: the user's own network raises.
            MemoryError, RuntimeError: memory ran out.
        """
        # A resumed run writes an epoch again, at another time.
        times = tuple((name, one.position.seconds) for name, one in past.checkpoints.items())
        key = (past.epoch, split, times)
        with self._lock:
            if (known := self._evaluations.get(key)) is not None:
                self._evaluations.move_to_end(key)
                return known
        images, labels = split_of(dataset, split)
        found = {
            name: evaluate(
                self._networks.logits(past, name, dataset, images),
                labels,
                loss_for(self._config, name),
            )
            for name in past.checkpoints
        }
        with self._lock:
            self._evaluations[key] = found
            while len(self._evaluations) > MOST_EVALUATIONS:
                self._evaluations.popitem(last=False)
        return found

    def predict(
        self, past: PastEpoch, dataset: Dataset, images: Floats
    ) -> dict[EngineName, Prediction]:
        """Predict images (images, features), scaled as in training, with each engine of then.

        Raises:
            UserCodeError: the user's own network raises.
            MemoryError, RuntimeError: memory ran out.
        """
        return {
            name: Prediction(
                loss_for(self._config, name).probabilities(
                    self._networks.logits(past, name, dataset, images)
                )
            )
            for name in past.checkpoints
        }

    def compare_gradients(self, past: PastEpoch, dataset: Dataset) -> GradientComparison:
        """Compare both engines on the weights that the first one had then; imports PyTorch."""
        first = next(iter(past.checkpoints.values()))
        return compare_gradients(self._config, dataset, first.state.weights)

    def trace_step(self, past: PastEpoch, dataset: Dataset) -> StepTrace:
        """Compute the step that came after the epoch, part by part; imports PyTorch.

        Raises:
            DataError: an engine has not done this epoch.
        """
        for name in self._config.engine_names:
            if name not in past.checkpoints:
                title = self._config.title(name)
                raise DataError(f"epoch {past.epoch} of {title} is not kept: no step to compare")
        found = past.checkpoints.items()
        states = {name: one.state for name, one in found}
        usual = {name: self._config.of(name).learning_rate for name, _ in found}
        rates = {name: one.position.learning_rate or usual[name] for name, one in found}
        # The schedule of then: a resume may have made the run longer since.
        planned = next(iter(past.checkpoints.values())).position.planned_epochs
        config = replace(self._config, epochs=planned or self._config.epochs)
        return trace_step(config, dataset, states, rates=rates)


def split_of(dataset: Dataset, split: Split) -> tuple[Floats, Labels]:
    """Return the images (samples, features) and labels (samples,) of a split."""
    if split == "test":
        return dataset.test_images, dataset.test_labels
    return dataset.validation_images, dataset.validation_labels
