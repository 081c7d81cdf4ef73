"""A network that was never trained, and a step taken apart with numbers that only it decides."""

from collections.abc import Mapping

import numpy as np

from mlpwatch.core.analysis.inference import Prediction
from mlpwatch.core.analysis.step_trace import BatchPass, EngineTrace, LayerOutput, StepTrace
from mlpwatch.core.arrays import Floats, Rows, Tensors
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset, batch_order
from mlpwatch.core.network.build import initial_weights, layer_sizes
from mlpwatch.core.network.engine import EngineState
from mlpwatch.core.network.layers import Network, Parameters
from mlpwatch.core.network.losses import loss_for
from mlpwatch.core.network.optimizers import OPTIMIZERS


def played_prediction(
    name: EngineName, config: RunConfig, dataset: Dataset, images: Floats
) -> Prediction:
    """Return a prediction as networks make them: the class whose mean is nearest."""
    known, labels = dataset.train_images, dataset.train_labels
    # The two differ a little, as trained networks would.
    means = np.stack(
        [known[labels == n][name == "torch" :: 2].mean(axis=0) for n in range(dataset.classes)]
    )
    squares: Floats = np.square(images[:, None, :] - means[None]).sum(axis=2)
    return Prediction(loss_for(config, name).probabilities(-squares))


def sample_trace(
    config: RunConfig,
    dataset: Dataset,
    steps: Mapping[EngineName, int],
    previous: StepTrace | None,
) -> StepTrace:
    """Return a trace as `analysis.step_trace.trace_step` does, without training anything."""
    traces: dict[EngineName, EngineTrace] = {}
    for name, step in steps.items():
        then = previous.newest[name].updates if previous else step
        before = then if then + 1 == step else step
        if previous is not None and then == step:
            traces[name] = previous.engines[name]
        else:
            traces[name] = _trace(config, dataset, before, step)
    return StepTrace(traces, (3.2e-8, 1.5e-8) if len(traces) > 1 else ())


def _trace(config: RunConfig, dataset: Dataset, step: int, now: int) -> EngineTrace:
    sizes = layer_sizes(dataset.features, config.hidden, dataset.classes)
    weights = initial_weights(sizes, config)
    epoch, batch = divmod(step, -(-dataset.train_count // config.batch_size))
    order = batch_order(config.seed, epoch, dataset.train_count)
    rows = order[batch * config.batch_size : (batch + 1) * config.batch_size]
    slots = {
        f"{slot}.{name}": np.zeros_like(array)
        for slot in OPTIMIZERS[config.optimizer].slot_names
        for name, array in weights.items()
    }
    done = _pass(config, dataset, rows, weights, 0.5 + 0.001 * step)
    rate = np.float32(config.learning_rate)
    after = {name: array - rate * done.gradient[name] for name, array in weights.items()}
    return EngineTrace(
        state=EngineState(weights, slots, step),
        epoch=epoch,
        batch=batch,
        learning_rate=config.learning_rate,
        rows=rows,
        labels=dataset.train_labels[rows],
        masks=[None] * (len(sizes) - 1),
        before=done,
        after=_pass(config, dataset, rows, after, 0.4 + 0.001 * step) if now > step else None,
        weight_norms=(8.25, 4.5)[: len(sizes) - 1],
        update_norms=(0.125, 0.0625)[: len(sizes) - 1],
        updated=EngineState(after, slots, step + 1),
        newest=EngineState(weights, slots, now),
    )


def _pass(
    config: RunConfig, dataset: Dataset, rows: Rows, weights: Tensors, loss: float
) -> BatchPass:
    """Statistics that the step decides; activations and gradients are those of the weights."""
    parameters, batch = Parameters(weights, has_bias=config.bias), len(rows)
    network = Network(parameters, config.activation, batch)
    x, labels = dataset.train_images[rows], dataset.train_labels[rows]
    logits = network.forward(x)
    activations = [x, *(layer.output.copy() for layer in network.activations), logits.copy()]
    rule = loss_for(config, "numpy")
    rule.forward(logits, labels)
    network.backward(rule.backward())
    gradient = parameters.by_name(parameters.gradient)
    sizes = [array.shape[1] for array in activations]
    last = len(sizes) - 1
    outputs = [
        LayerOutput(
            (batch, width), 0.125 * (k + loss), 0.25 * (k + loss), k if 0 < k < last else None
        )
        for k, width in enumerate(sizes)
    ]
    losses = loss * (1 + 0.25 * np.cos(np.arange(batch)))
    return BatchPass(
        outputs=tuple(outputs),
        loss=loss,
        label_probabilities=np.exp(-losses),
        image_losses=losses,
        gradient_norms=tuple(loss / (k + 1) for k in range(last)),
        bias_gradient_norms=tuple(loss / (k + 3) for k in range(last)),
        activations=tuple(activations),
        gradient={name: array.T.copy() for name, array in gradient.items()},
    )
