"""One training step, part by part: forward, loss, backward, update, with a run's own numbers.

Copies of both networks compute the step on the CPU; the networks that train are not touched. Each
copy uses the next batch and the weights of its own network. Only the comparison of the hand-written
gradient with autograd's uses the same batch for both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.features import FLAT
from mlpwatch.core.arrays import Floats, Rows, Tensors
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset, batch_order, steps_per_epoch
from mlpwatch.core.network.activations import activation_of
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.dropout import DropoutMasks, Masks
from mlpwatch.core.network.engine import Engine, EngineState
from mlpwatch.core.network.layers import Network, Parameters
from mlpwatch.core.network.losses import loss_for
from mlpwatch.core.network.optimizers import learning_rate_at

States = Mapping[EngineName, EngineState]


@dataclass(frozen=True, slots=True)
class LayerOutput:
    """The output of one layer for one batch; the images count as the output of layer -1."""

    shape: tuple[int, int]
    """(batch, width)"""
    mean: float
    std: float
    """Standard deviation over the whole array."""
    saturated: int | None
    """Units whose derivative is near 0 on every image of the batch; None for images and logits."""


@dataclass(frozen=True, slots=True)
class BatchPass:
    """One engine's forward and backward pass on one batch, at one state of its weights."""

    outputs: tuple[LayerOutput, ...]
    """The images, each hidden layer's activations, the logits."""
    activations: tuple[Floats, ...]
    """The same arrays in full: A_0 … A_L-1 and the logits, each (batch, width), before dropout."""
    loss: float
    label_probabilities: NDArray[np.floating]
    """(batch,) probability of the true class, with the step's dropout masks."""
    image_losses: NDArray[np.floating]
    """(batch,) loss of each image; their mean is the loss."""
    gradient_norms: tuple[float, ...]
    """‖∂L/∂W_k‖, input side first: the root of the sum of squares."""
    bias_gradient_norms: tuple[float, ...]
    """‖∂L/∂b_k‖"""
    gradient: Tensors
    """∂L/∂W_k (fan_out, fan_in) and ∂L/∂b_k (fan_out,) by tensor name, as the engine found them."""


@dataclass(frozen=True, slots=True)
class EngineTrace:
    """One engine's next step, or the step that it has just taken."""

    state: EngineState
    """Before the step."""
    epoch: int
    """Counted from 0."""
    batch: int
    """Number within the epoch, counted from 0."""
    learning_rate: float
    rows: Rows
    """(batch,) rows of the training images."""
    labels: NDArray[np.int64]
    """(batch,)"""
    masks: Masks
    """Dropout of the step."""
    before: BatchPass
    after: BatchPass | None
    """The same batch and masks with the weights after the step; None until it is taken."""
    weight_norms: tuple[float, ...]
    """‖W_k‖ before the step."""
    update_norms: tuple[float, ...]
    """‖ΔW_k‖: the change by the optimizer."""
    updated: EngineState
    """After the step: taken by the run, or by the copy."""
    newest: EngineState
    """The state that the next step starts from: `state`, or the state after the step."""

    @property
    def worst_first(self) -> list[int]:
        """Places in the batch by falling loss before the step; equal losses keep their order."""
        return [int(n) for n in np.argsort(-self.before.image_losses, kind="stable")]


@dataclass(frozen=True, slots=True)
class StepTrace:
    """One step of every engine of a run."""

    engines: Mapping[EngineName, EngineTrace]
    differences: tuple[float, ...]
    """Per layer, max |∂L/∂W_k by hand - by autograd| at NumPy's weights and batch; empty with
    one engine. If autograd's loss is averaged over the classes too, its gradient is multiplied by
    their number first."""

    @property
    def newest(self) -> States:
        """The state that each engine's next step starts from."""
        return {name: trace.newest for name, trace in self.engines.items()}


def trace_step(
    config: RunConfig,
    dataset: Dataset,
    states: States,
    previous: StepTrace | None = None,
    *,
    rates: Mapping[EngineName, float] = MappingProxyType({}),
) -> StepTrace:
    """Compute the next step of each engine, or the step that it has taken since `previous`.

    Args:
        config: of the run.
        dataset: of the run.
        states: the current state of every engine.
        previous: an earlier trace; if an engine is one step further, its step is shown with the
            numbers before and after.
        rates: η₀ of engines whose learning rate was changed while they trained.
    """
    if previous is not None and not _moved(states, previous):
        return previous
    traces: dict[EngineName, EngineTrace] = {}
    # A diverged network gives NaN; that is not an error here.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for name, state in states.items():
            own = config.of(name)
            own = replace(own, learning_rate=rates.get(name, own.learning_rate))
            then = previous.newest.get(name) if previous else None
            if previous is not None and then is not None and then.updates == state.updates:
                traces[name] = previous.engines[name]
            elif then is not None and then.updates + 1 == state.updates:
                traces[name] = _trace(name, own, dataset, then, state)
            else:
                traces[name] = _trace(name, own, dataset, state, None)
        return StepTrace(traces, _differences(config, dataset, traces))


def _moved(states: States, previous: StepTrace) -> bool:
    newest = previous.newest
    return any(newest[name].updates != state.updates for name, state in states.items())


def _trace(
    name: EngineName,
    config: RunConfig,
    dataset: Dataset,
    state: EngineState,
    after: EngineState | None,
) -> EngineTrace:
    epoch_steps = steps_per_epoch(dataset.train_count, config.batch_size)
    epoch, batch = divmod(state.updates, epoch_steps)
    order = batch_order(config.seed, epoch, dataset.train_count)
    rows = order[batch * config.batch_size : (batch + 1) * config.batch_size]
    rate = learning_rate_at(state.updates, config.epochs * epoch_steps, config)
    # A run that has ended has no next step: one more is computed, at a rate not below 0.
    rate = max(0.0, rate)
    engine = _copy_of(name, config, dataset, rows)
    before = _pass(engine, config, dataset.train_labels[rows], state)
    then = None
    if after is not None:
        # The masks belong to the step, not to the weights: the same step's masks are drawn again.
        same_masks = EngineState(after.weights, state.slots, state.updates)
        then = _pass(engine, config, dataset.train_labels[rows], same_masks)
    else:
        engine.load_state(state)
        engine.set_learning_rate(rate)
        engine.train_batch(np.arange(len(rows)))
    updated = after or engine.state()
    changes = {key: updated.weights[key] - array for key, array in state.weights.items()}
    return EngineTrace(
        state=state,
        epoch=epoch,
        batch=batch,
        learning_rate=rate,
        rows=rows,
        labels=dataset.train_labels[rows],
        masks=_masks(config, state, len(rows)),
        before=before,
        after=then,
        weight_norms=_norms(state.weights, "weight"),
        update_norms=_norms(changes, "weight"),
        updated=updated,
        newest=after or state,
    )


def _copy_of(name: EngineName, config: RunConfig, dataset: Dataset, rows: Rows) -> Engine:
    images, labels = dataset.train_images[rows], dataset.train_labels[rows]
    engine = build_engine(name, replace(config, device="cpu"), images, labels, dataset.classes)
    if config.kind(name) == "torch":
        # The trainers use the cores. NumPy's thread count belongs to the process: unchanged.
        engine.use_threads(1)
    return engine


def _pass(
    engine: Engine, config: RunConfig, labels: NDArray[np.int64], state: EngineState
) -> BatchPass:
    rows = np.arange(len(labels))
    engine.load_state(state)
    *activations, logits = engine.forward_pass(rows)
    loss, gradient = engine.loss_and_gradient(rows)
    rule = loss_for(config, engine.name)
    saturated = [None, *_saturated(config, activations[0], state), None]
    outputs = zip([*activations, logits], saturated, strict=True)
    return BatchPass(
        outputs=tuple(_output(array, units) for array, units in outputs),
        activations=(*activations, logits),
        loss=loss,
        label_probabilities=rule.probabilities(logits)[rows, labels],
        image_losses=rule.per_image(logits, labels),
        gradient_norms=_norms(gradient, "weight"),
        bias_gradient_norms=_norms(gradient, "bias"),
        gradient=gradient,
    )


def _masks(config: RunConfig, state: EngineState, batch: int) -> Masks:
    """Return the dropout masks of the step that starts from this state."""
    matrices = [array for key, array in state.weights.items() if key.endswith(".weight")]
    return DropoutMasks(config, [w.shape[1] for w in matrices]).draw(state.updates, batch)


def _saturated(config: RunConfig, pixels: Floats, state: EngineState) -> list[int]:
    """Return how many units are saturated on this batch, per hidden layer."""
    parameters = Parameters(state.weights)
    masks = _masks(config, state, len(pixels))
    drops = [mask is not None for mask in masks]
    network = Network(parameters, activation_of(config), len(pixels), drops=drops)
    network.set_masks(masks)
    network.forward(pixels)
    return [
        int((layer.relative_derivative().max(axis=0) < FLAT).sum()) for layer in network.activations
    ]


def _output(a: Floats, saturated: int | None) -> LayerOutput:
    batch, width = a.shape
    # float64: a float32 mean over 50,000 numbers has only four correct digits.
    return LayerOutput(
        (batch, width), float(a.mean(dtype=np.float64)), float(a.std(dtype=np.float64)), saturated
    )


def _norms(tensors: Tensors, kind: str) -> tuple[float, ...]:
    return tuple(
        float(np.linalg.norm(array)) for key, array in tensors.items() if key.endswith(f".{kind}")
    )


def _differences(
    config: RunConfig, dataset: Dataset, traces: Mapping[EngineName, EngineTrace]
) -> tuple[float, ...]:
    if len(traces) < 2 or config.treatment is not None:  # noqa: PLR2004 - it needs two engines
        return ()
    first = next(iter(traces.values()))
    gradients = []
    for name in traces:
        engine = _copy_of(name, config, dataset, first.rows)
        # Optimizer memory does not affect a gradient; the update counter selects the masks.
        own = engine.state()
        engine.load_state(EngineState(first.state.weights, own.slots, first.state.updates))
        gradients.append(engine.loss_and_gradient(np.arange(len(first.rows)))[1])
    one, other = gradients
    # A known factor is not an error of either backward pass.
    factor = dataset.classes if config.means_differ else 1
    return tuple(
        float(np.abs(array - factor * other[key]).max())
        for key, array in one.items()
        if key.endswith(".weight")
    )
