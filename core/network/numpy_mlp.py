"""The engine by hand in NumPy: it combines batches, layers, loss and optimizer."""

from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats, Labels, Rows, Tensors, aligned_empty
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.pixels import GreyLevels
from mlpwatch.core.network.activations import activation_of
from mlpwatch.core.network.dropout import DropoutMasks
from mlpwatch.core.network.engine import EngineState, Exchange, check_state
from mlpwatch.core.network.layers import (
    Network,
    Parameters,
    Vector,
    overflow_allowed,
    predict_chunks,
)
from mlpwatch.core.network.losses import loss_for
from mlpwatch.core.network.optimizers import optimizer_for
from mlpwatch.core.network.step_norms import LayerNorms, StepMeter
from mlpwatch.core.scheduling import set_numpy_threads


@dataclass(frozen=True, slots=True)
class _Batch:
    """A network for one batch size, and the arrays for its input."""

    network: Network
    images: NDArray[np.number]
    """(batch, features), as stored."""
    pixels: Floats
    """(batch, features), scaled."""
    labels: Labels
    """(batch,)"""


class NumpyMLP:
    """Satisfies `core.network.engine.Engine`.

    Args:
        config: activation, bias, loss, optimizer, dtype, dropout are used.
        images: training images (samples, features), float32; shared, never copied as a whole.
        labels: (samples,) true classes.
        weights: the initial weights, `layers.K.weight` and `layers.K.bias`.
        grey_levels: the same images as bytes; used instead of `images` in float32 arithmetic.
    """

    name: EngineName = "numpy"

    def __init__(
        self,
        config: RunConfig,
        images: Floats,
        labels: Labels,
        weights: Tensors,
        grey_levels: GreyLevels | None = None,
    ) -> None:
        self._labels = labels
        self.activation = activation_of(config)
        self._loss = loss_for(config, "numpy")
        self._parameters = Parameters(weights, has_bias=config.bias)
        self._weights = self._parameters.by_name(self._parameters.theta)
        self._dtype = self._parameters.theta.dtype
        self._optimizer = optimizer_for(config, self._parameters.theta)
        self._grey_levels = grey_levels if self._dtype == images.dtype else None
        self._stored = images if self._grey_levels is None else self._grey_levels.levels
        shapes = [w.shape for w, _ in self._parameters.by_layer(self._parameters.theta)]
        self._classes = shapes[-1][1]
        self._dropout = DropoutMasks(config, [fan_in for fan_in, _ in shapes])
        self._batches: dict[int, _Batch] = {}
        self._losses: list[float] = []
        self._meter: StepMeter | None = None
        self._exchange: Exchange | None = None
        self._context = copy_context()  # entered in 0.2 µs, `np.errstate` in 2.5 of a step's 260 µs
        self._context.run(np.seterr, over="ignore", invalid="ignore", divide="ignore")

    def use_threads(self, threads: int) -> None:
        """Set the number of threads of NumPy's BLAS."""
        set_numpy_threads(threads)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set η of the next updates."""
        self._optimizer.learning_rate = learning_rate

    def train_batch(self, rows: Rows, *, measured: bool = False) -> tuple[LayerNorms, ...]:
        """See `Engine.train_batch`."""
        return self._context.run(self._train_batch, rows, measured)

    def exchange_with(self, exchange: Exchange) -> Vector:
        """See `SharedEngine.exchange_with`."""
        self._exchange = exchange
        return self._parameters.extend_gradient(exchange.spare)

    def take_losses(self) -> list[float]:
        """Return the losses since the last call, oldest first."""
        losses, self._losses = self._losses, []
        return losses

    def loss_and_gradient(self, rows: Rows) -> tuple[float, dict[str, Floats]]:
        """Return the loss on `rows` (batch,) and its gradient by tensor name; no update."""
        with overflow_allowed():
            loss = self._forward_and_backward(rows)
        return loss, _copies(self._parameters.by_name(self._parameters.gradient))

    def forward_pass(self, rows: Rows) -> list[Floats]:
        """Return A_0 … A_L-1 and the logits (batch, width) of the next step; copies."""
        batch = self._gather(rows)
        with overflow_allowed():
            logits = self._forward(batch)
        hidden = [layer.output for layer in batch.network.activations]
        return [array.copy() for array in (batch.pixels, *hidden, logits)]

    def logits(self, images: Floats, weights: Tensors | None = None) -> Floats:
        """See `Engine.logits`."""
        parameters = self._parameters if weights is None else Parameters(weights)
        out = np.empty((len(images), self._classes), self._dtype)
        chunks = predict_chunks(parameters, self.activation, images, lambda _, z: z.copy())
        return np.concatenate(chunks, out=out) if chunks else out

    def first_nonfinite_tensor(self) -> str | None:
        """Return the first weight array with a NaN or infinity, input side first."""
        nonfinite = (name for name, a in self._weights.items() if not np.isfinite(a).all())
        return next(nonfinite, None)

    def weights(self) -> dict[str, Floats]:
        """Return a copy of the weights."""
        return _copies(self._weights)

    def state(self) -> EngineState:
        """Return a copy of weights and optimizer slots."""
        return EngineState(self.weights(), _copies(self._slots()), self._optimizer.updates)

    def load_state(self, state: EngineState) -> None:
        """Load weights and slots of either engine.

        Raises:
            ValueError: a tensor is missing, or its shape or dtype differs.
        """
        check_state(state, self.state())
        for name, array in self._weights.items():
            if self._parameters.has_bias or name.endswith(".weight"):
                np.copyto(array, state.weights[name].T)
        for name, array in self._slots().items():
            np.copyto(array, state.slots[name].T)
        self._optimizer.updates = state.updates

    def _train_batch(self, rows: Rows, measured: bool) -> tuple[LayerNorms, ...]:
        if self._exchange is None:
            self._losses.append(self._forward_and_backward(rows))
        else:
            self._losses.append(self._shared_gradient(rows, self._exchange))
        theta, gradient = self._parameters.theta, self._parameters.gradient
        if not measured:
            self._optimizer.update(theta, gradient)
            return ()
        if self._meter is None:
            self._meter = StepMeter(self._parameters)
        self._meter.before_update()
        self._optimizer.update(theta, gradient)
        return self._meter.after_update()

    def _forward_and_backward(self, rows: Rows) -> float:
        batch = self._gather(rows)
        loss = self._loss.forward(self._forward(batch), batch.labels)
        batch.network.backward(self._loss.backward())
        return loss

    def _shared_gradient(self, rows: Rows, exchange: Exchange) -> float:
        """Compute ∂L/∂θ of a batch together with other processes; return L."""
        share, part = exchange.share(len(rows)), 0.0
        if own := len(rows[share]):
            batch = self._gather(rows[share])
            # L is a mean over the batch: of its B rows, b own ones have b/B of L and of ∂L/∂θ.
            weight = own / len(rows)
            part = weight * self._loss.forward(self._forward(batch, len(rows), share), batch.labels)
            gradient = self._loss.backward()
            batch.network.backward(np.multiply(gradient, weight, out=gradient))
        else:
            self._parameters.gradient.fill(0)
        loss, self._optimizer.learning_rate = exchange.sum(part, self._optimizer.learning_rate)
        return loss

    def _forward(self, batch: _Batch, drawn: int = 0, share: slice | None = None) -> Floats:
        """Return the logits; masks are drawn for `drawn` rows, of which `share` is the batch."""
        if self._dropout.active:
            masks = self._dropout.draw(self._optimizer.updates, drawn or len(batch.labels), share)
            batch.network.set_masks(masks)
        return batch.network.forward(batch.pixels)

    def _gather(self, rows: Rows) -> _Batch:
        if (batch := self._batches.get(len(rows))) is None:
            batch = self._batches[len(rows)] = self._make_batch(len(rows))
        # mode="clip" writes directly to `out`; the default mode uses a second buffer.
        self._labels.take(rows, out=batch.labels, mode="clip")
        self._stored.take(rows, axis=0, out=batch.images, mode="clip")
        np.copyto(batch.pixels, batch.images)
        if self._grey_levels is not None:
            self._grey_levels.scale.apply(batch.pixels)
        return batch

    def _make_batch(self, size: int) -> _Batch:
        shape = (size, self._stored.shape[1])
        return _Batch(
            network=Network(self._parameters, self.activation, size, drops=self._dropout.drops),
            images=np.empty(shape, self._stored.dtype),
            pixels=aligned_empty(shape, self._dtype),
            labels=np.empty(size, np.int64),
        )

    def _slots(self) -> dict[str, Floats]:
        return {
            f"{slot}.{name}": array
            for slot, vector in self._optimizer.slots.items()
            for name, array in self._parameters.by_name(vector).items()
        }


def _copies(tensors: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return copies in the layout of `torch.nn.Linear`, weights (fan_out, fan_in)."""
    return {name: array.T.copy(order="C") for name, array in tensors.items()}
