"""The network by hand: forward pass, backward pass and update in NumPy, no autograd.

Layer k of L turns activations A_k (batch, fan_in) into A_k+1 (batch, fan_out):

    X_k = A_k ⊙ M_k        Z_k = X_k W_k + b_k        A_k+1 = f(Z_k)

with W_k (fan_in, fan_out), b_k (fan_out,), and M_k the dropout mask, absent without dropout. A_0
is the batch of images; the last layer's Z is the logits and goes to the loss.

The bias is the weight of an input that is always 1, so weights and bias are one matrix and the
arrays of inputs have a last column of ones:

    Θ_k = [W_k; b_k]       Z_k = [X_k 1] Θ_k          ∂L/∂Θ_k = [X_k 1]ᵀ ∂L/∂Z_k

One product then does what a product and a sum over the batch did: 20 of 290 µs a step at
784-50-10, batch 100. All Θ_k lie one after the other in one flat vector θ, and all gradients in
another of the same layout, so an optimizer is a few operations on vectors.

`torch.nn.Linear` keeps W_kᵀ, and so do files; in here the product of two matrices as they lie
takes 138 µs where one with a transposed factor takes 172 (64 x 784 times 784 x 128).
"""

from collections.abc import Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats, Labels, Rows, Tensors
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.pixels import GreyLevels
from mlpwatch.core.network.activations import ACTIVATIONS
from mlpwatch.core.network.dropout import DropoutMasks, Masks
from mlpwatch.core.network.engine import EngineState, check_state
from mlpwatch.core.network.losses import LossScratch, by_class, loss_for
from mlpwatch.core.network.optimizers import optimizer_for
from mlpwatch.core.scheduling import set_numpy_threads

READ_CHUNK = 1_000
"""Images per forward pass outside training: at 784-128-10 its buffers stay in the L2 cache."""


@dataclass(frozen=True, slots=True)
class _Buffers:
    """Arrays for one batch size, made once: a step allocates no array of the batch's size."""

    images: NDArray[np.number]
    """(batch, features), as stored."""
    pixels: Floats
    """A_0 (batch, features)."""
    activations: list[Floats]
    """[A_0 1] (batch, features + 1) … [A_L-1 1] (batch, width + 1)."""
    ones: list[Floats]
    """Their last columns (batch,), in which 1 stands."""
    inputs: list[Floats]
    """[X_k 1] (batch, fan_in + 1): what enters each layer, after dropout; without it, [A_k 1]."""
    sums: list[Floats]
    """Z_0 … Z_L-1 (batch, fan_out): where A_k+1 will stand; the last one the logits."""
    slopes: list[Floats]
    """f'(Z_k) (batch, width of hidden layer k + 1), the last column unused."""
    wide_deltas: list[Floats]
    """∂L/∂Z_k of the hidden layers (batch, width + 1), the last column unused."""
    deltas: list[Floats]
    """∂L/∂Z_k (batch, fan_out): of the above, without that column, and of the logits."""
    labels: Labels
    """(batch,)"""
    loss: LossScratch


class NumpyMLP:
    """Satisfies `core.engine.Engine`.

    Args:
        config: activation, loss, optimizer, learning rate, dtype, batch size are used.
        images: training images (samples, features), float32; kept, never copied whole.
        labels: (samples,) true classes.
        weights: the initial weights, `layers.K.weight` and `layers.K.bias`.
        grey_levels: the same images as bytes; read instead where the arithmetic is float32.
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
        self._dtype = np.dtype(config.dtype)
        self._grey_levels = grey_levels if self._dtype == images.dtype else None
        self._stored = images if self._grey_levels is None else self._grey_levels.levels
        self._activation = ACTIVATIONS[config.activation]
        self._loss = loss_for(config, "numpy")
        self._shapes = {name: array.T.shape for name, array in weights.items()}
        self._theta = np.concatenate([array.T.ravel() for array in weights.values()])
        self._gradient = np.zeros_like(self._theta)
        self._parameters = self._views(self._theta)
        self._layers = self._layer_views(self._theta)
        self._layer_gradients = self._layer_views(self._gradient)
        self._optimizer = optimizer_for(config, self._theta)
        self._dropout = DropoutMasks(config, [len(layer) - 1 for layer in self._layers])
        self._buffers: dict[int, _Buffers] = {}
        self._losses: list[float] = []
        self._context = copy_context()  # entered in 0.2 µs, `np.errstate` in 2.5 of 260 a step
        self._context.run(np.seterr, over="ignore", invalid="ignore", divide="ignore")

    def use_threads(self, threads: int) -> None:
        """Set the threads of NumPy's BLAS."""
        set_numpy_threads(threads)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set η of the next updates."""
        self._optimizer.learning_rate = learning_rate

    def train_batch(self, rows: Rows) -> None:
        """Forward, backward, update on the training images of `rows` (batch,)."""
        self._context.run(self._train_batch, rows)

    def take_losses(self) -> list[float]:
        """Return the losses since the last call, oldest first."""
        losses, self._losses = self._losses, []
        return losses

    def loss_and_gradient(self, rows: Rows) -> tuple[float, dict[str, Floats]]:
        """Return the loss on `rows` (batch,) and its gradient by tensor name; no update."""
        with _overflow_allowed():
            loss = self._loss_and_gradient(rows, 1.0)
        return loss, _copies(self._views(self._gradient))

    def forward_pass(self, rows: Rows) -> list[Floats]:
        """Return A_0 … A_L-1 and the logits (batch, width) of the next step; copies."""
        buffers = self._gather(rows)
        with _overflow_allowed():
            self._forward(buffers, self._dropout.draw(self._optimizer.updates, len(rows)))
        return [*(a[:, :-1].copy() for a in buffers.activations), buffers.sums[-1].copy()]

    def logits(self, images: Floats, weights: Tensors | None = None) -> Floats:
        """See `Engine.logits`."""
        layers = [(theta[:-1], theta[-1]) for theta in self._layers]
        if weights is not None:
            names = range(len(layers))
            layers = [(weights[f"layers.{k}.weight"].T, weights[f"layers.{k}.bias"]) for k in names]
        out = np.empty((len(images), self._layers[-1].shape[1]), self._dtype)
        with _overflow_allowed():
            for start in range(0, len(images), READ_CHUNK):
                chunk = slice(start, start + READ_CHUNK)
                out[chunk] = self._read(images[chunk].astype(self._dtype, copy=False), layers)
        return out

    def first_nonfinite_tensor(self) -> str | None:
        """Return the first weight array with a NaN or infinity, input side first."""
        unsound = (name for name, a in self._parameters.items() if not np.isfinite(a).all())
        return next(unsound, None)

    def weights(self) -> dict[str, Floats]:
        """Return a copy of the weights."""
        return _copies(self._parameters)

    def state(self) -> EngineState:
        """Return a copy of weights and optimizer slots."""
        return EngineState(self.weights(), _copies(self._slots()), self._optimizer.updates)

    def load_state(self, state: EngineState) -> None:
        """Take over weights and slots, from either engine.

        Raises:
            ValueError: a tensor is missing, or its shape or dtype differs.
        """
        check_state(state, self.state())
        for name, array in self._parameters.items():
            np.copyto(array, state.weights[name].T)
        for name, array in self._slots().items():
            np.copyto(array, state.slots[name].T)
        self._optimizer.updates = state.updates

    def _train_batch(self, rows: Rows) -> None:
        scale = self._optimizer.gradient_scale
        self._losses.append(self._loss_and_gradient(rows, scale))
        self._optimizer.update(self._theta, self._gradient)

    def _loss_and_gradient(self, rows: Rows, scale: float) -> float:
        buffers = self._gather(rows)
        masks = self._dropout.draw(self._optimizer.updates, len(rows))
        self._forward(buffers, masks)
        loss = self._loss.value_and_delta(
            buffers.sums[-1], buffers.labels, buffers.deltas[-1], buffers.loss, scale
        )
        self._backward(buffers, masks)
        return loss

    def _forward(self, buffers: _Buffers, masks: Masks) -> None:
        a, x, z = buffers.activations, buffers.inputs, buffers.sums
        last = len(self._layers) - 1
        for k, theta in enumerate(self._layers):
            # X_k = A_k ⊙ M_k, dropout; the same array without it  (batch, fan_in)
            if (mask := masks[k]) is not None:
                np.multiply(a[k][:, :-1], mask, out=x[k][:, :-1])
            # Z_k = [X_k 1] Θ_k                                     (batch, fan_out)
            np.matmul(x[k], theta, out=z[k])
            # A_k+1 = f(Z_k), in place; the loss takes the last Z   (batch, fan_out)
            if k < last:
                self._activation.apply(a[k + 1], buffers.slopes[k])
                buffers.ones[k + 1].fill(1)

    def _backward(self, buffers: _Buffers, masks: Masks) -> None:
        a, x, delta, wide = buffers.activations, buffers.inputs, buffers.deltas, buffers.wide_deltas
        for k in reversed(range(len(self._layers))):
            # ∂L/∂Θ_k = [X_k 1]ᵀ δ_k                                (fan_in + 1, fan_out)
            np.matmul(x[k].T, delta[k], out=self._layer_gradients[k])
            if k == 0:
                break
            # δ_k-1 = (δ_k W_kᵀ) ⊙ M_k ⊙ f'(Z_k-1)                  (batch, fan_in)
            np.matmul(delta[k], self._layers[k].T, out=wide[k - 1])
            if (mask := masks[k]) is not None:
                np.multiply(delta[k - 1], mask, out=delta[k - 1])
            self._activation.multiply_slope(wide[k - 1], a[k], buffers.slopes[k - 1])

    def _gather(self, rows: Rows) -> _Buffers:
        if (buffers := self._buffers.get(len(rows))) is None:
            buffers = self._buffers[len(rows)] = self._make_buffers(len(rows))
        # mode="clip" writes straight to `out`; the default checks through a second buffer.
        self._labels.take(rows, out=buffers.labels, mode="clip")
        self._stored.take(rows, axis=0, out=buffers.images, mode="clip")
        np.copyto(buffers.pixels, buffers.images)
        if self._grey_levels is not None:
            # The whole array in one go takes 5 µs, without its last column 24.
            self._grey_levels.scale.apply(buffers.activations[0])
            buffers.ones[0].fill(1)
        return buffers

    def _make_buffers(self, batch: int) -> _Buffers:
        *_, classes = [layer.shape[1] for layer in self._layers]
        wide = [np.ones((batch, len(layer)), self._dtype) for layer in self._layers]
        logits = by_class(batch, classes, self._dtype)
        wide_deltas = [np.zeros_like(a) for a in wide[1:]]
        return _Buffers(
            images=np.empty((batch, self._stored.shape[1]), self._stored.dtype),
            pixels=wide[0][:, :-1],
            activations=wide,
            ones=[a[:, -1] for a in wide],
            inputs=[
                np.ones_like(a) if drops else a
                for a, drops in zip(wide, self._dropout.drops, strict=True)
            ],
            sums=[*(a[:, :-1] for a in wide[1:]), logits],
            slopes=[np.empty_like(a) for a in wide[1:]],
            wide_deltas=wide_deltas,
            deltas=[*(delta[:, :-1] for delta in wide_deltas), np.empty_like(logits)],
            labels=np.empty(batch, np.int64),
            loss=LossScratch(batch, classes, self._dtype),
        )

    def _read(self, a: Floats, layers: Sequence[tuple[Floats, Floats]]) -> Floats:
        *hidden, (last_w, last_b) = layers
        for w, b in hidden:
            a = a @ w + b
            self._activation.apply(a, np.empty_like(a))
        logits: Floats = a @ last_w + last_b
        return logits

    def _slots(self) -> dict[str, Floats]:
        return {
            f"{slot}.{name}": array
            for slot, vector in self._optimizer.slots.items()
            for name, array in self._views(vector).items()
        }

    def _views(self, vector: NDArray[np.floating]) -> dict[str, Floats]:
        """Return W_k (fan_in, fan_out) and b_k (fan_out,) by name, as views."""
        views, start = {}, 0
        for name, shape in self._shapes.items():
            size = int(np.prod(shape))
            views[name] = vector[start : start + size].reshape(shape)
            start += size
        return views

    def _layer_views(self, vector: NDArray[np.floating]) -> list[Floats]:
        """Return Θ_k (fan_in + 1, fan_out), as views: a bias lies just behind its weights."""
        views, start = [], 0
        for name, shape in self._shapes.items():
            if name.endswith(".weight"):
                fan_in, fan_out = shape
                stop = start + (fan_in + 1) * fan_out
                views.append(vector[start:stop].reshape(fan_in + 1, fan_out))
                start = stop
        return views


def _overflow_allowed() -> np.errstate:
    """Overflow is no error here: it shows as an infinite loss, which ends the run by name."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


def _copies(tensors: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return copies in the layout of `torch.nn.Linear`, weights (fan_out, fan_in)."""
    return {name: array.T.copy(order="C") for name, array in tensors.items()}
