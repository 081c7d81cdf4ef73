"""One step of an engine, repeated by the other from the same weights, memory and batch."""

from dataclasses import dataclass, replace
from math import nan

import numpy as np

from mlpwatch.core.arrays import Rows, Tensors
from mlpwatch.core.checking.live.rounding import StepInput, bounded_step
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.events import StepCompared
from mlpwatch.core.network.engine import Engine, EngineState
from mlpwatch.core.network.optimizers import OPTIMIZERS


@dataclass(frozen=True, slots=True)
class TakenStep:
    """A step that an engine has taken; all arrays are copies."""

    engine: EngineName
    step: int
    """Steps done after it."""
    seconds: float
    """Training time after it."""
    rows: Rows
    """(batch,) rows of the training images."""
    learning_rate: float
    before: EngineState
    after: Tensors
    """Weights."""

    def input_from(self, dataset: Dataset) -> StepInput:
        """Return what the step was made of."""
        return StepInput(
            self.before,
            dataset.train_images[self.rows],
            dataset.train_labels[self.rows],
            self.learning_rate,
            dataset.classes,
        )


def compare_step(
    config: RunConfig, dataset: Dataset, other: Engine, taken: TakenStep, *, guard: float = 0.0
) -> StepCompared | None:
    """Repeat a step with another engine, and hold the difference against what rounding can change.

    The masks of dropout depend on the seed and the step only, so they are the same.

    Args:
        config: of the run.
        dataset: of the run.
        other: an engine of the run's settings on the training images; it is overwritten.
        taken: the step.
        guard: see `bounded_step`.

    Returns:
        None if the weights were not finite before the step: then there is nothing to compare.
    """
    if not all(np.isfinite(w).all() for w in taken.before.weights.values()):
        return None
    other.load_state(with_memory(taken.before, other))
    other.set_learning_rate(taken.learning_rate)
    other.train_batch(taken.rows)
    other.take_losses()
    repeated = other.weights()
    bounds = bounded_step(config, taken.input_from(dataset), dtype=config.dtype, guard=guard)
    difference = share = 0.0
    with np.errstate(all="ignore"):
        for name, one in bounds.weights.items():
            apart = np.abs(taken.after[name] - repeated[name])
            difference = float(np.maximum(difference, apart.max(initial=0.0)))
            # Each of the two engines may be off by the bound.
            shares = _shares(apart, 2 * one.error)
            share = float(np.maximum(share, shares.max(initial=0.0)))
    if _nothing_is_finite(taken.after, repeated):
        return None
    rounding = difference / share if share else nan
    return StepCompared(taken.engine, taken.step, taken.seconds, difference, rounding, share)


def knows_memory(config: RunConfig, taken: TakenStep) -> bool:
    """Return whether the optimizer's memory before a step is known.

    It is not if a user's own network keeps it to itself, except before the first update.
    """
    has_memory = bool(OPTIMIZERS[config.optimizer].slot_names)
    return not (has_memory and taken.before.updates and not taken.before.slots)


def with_memory(state: EngineState, engine: Engine) -> EngineState:
    """Return a state with all of an engine's optimizer slots; those that are missing are 0."""
    empty = {name: np.zeros_like(slot) for name, slot in engine.state().slots.items()}
    return replace(state, slots=empty | state.slots)


def _shares(apart: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Return difference ÷ limit; 0 where both engines have the same number."""
    tiny = np.finfo(limit.dtype).tiny
    return np.where(apart == 0, 0.0, apart / (limit + tiny))


def _nothing_is_finite(one: Tensors, other: Tensors) -> bool:
    """Return whether both engines have diverged in this step."""
    return all(any(not np.isfinite(w).all() for w in weights.values()) for weights in (one, other))
