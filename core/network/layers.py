"""The network by hand: layers with a forward and a backward pass, no autograd.

For a batch of images X_0 (batch, features), layer k computes

    Z_k = X_k W_k + b_k        A_k+1 = f(Z_k)        X_k+1 = A_k+1 ⊙ M_k+1

with W_k (fan_in, fan_out), b_k (fan_out,) and the dropout mask M, absent without dropout. The
last Z is the logits, the input of the loss.

A layer is made for one batch size and writes into its own arrays: a step allocates none.
`torch.nn.Linear` and the files store W_kᵀ. Here W_k is stored: a product without a transposed
factor takes 138 µs, with one 172 µs (64 x 784 times 784 x 128).
"""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats, Tensors, aligned_empty
from mlpwatch.core.network.activations import AnyActivation, rule_of
from mlpwatch.core.network.dropout import Masks

Vector = NDArray[np.floating]


class Layer(Protocol):
    """One operation, forward and backward."""

    def forward(self, x: Floats) -> Floats:
        """Return the output (batch, fan_out) for x (batch, fan_in); the next call overwrites it."""

    def backward(self, gradient: Floats) -> Floats | None:
        """Return ∂L/∂input for ∂L/∂output, shaped as in `forward`; may overwrite its argument.

        The first layer of a network in training returns None: ∂L/∂pixels is not needed.
        """


class Linear:
    """Z = X W + b.

    Args:
        weights: W (fan_in, fan_out) and b (fan_out,), views into θ.
        gradients: ∂L/∂W and ∂L/∂b, of the same shapes, views into ∂L/∂θ; `backward` fills them.
        batch: images per batch.
        order: memory order of Z; `F` for logits: sums and maxima over 10 classes then run over 100
            images at a time, and the softmax of a batch takes 14 µs instead of 23 µs.
        is_first: whether to skip ∂L/∂X.
    """

    def __init__(
        self,
        weights: Sequence[Floats],
        gradients: Sequence[Floats],
        batch: int,
        *,
        order: Literal["C", "F"] = "C",
        is_first: bool = False,
    ) -> None:
        self.W, self.b = weights
        self.dW, self.db = gradients
        fan_in, fan_out = self.W.shape
        self._z = aligned_empty((batch, fan_out), self.W.dtype, order)
        self._dx = None if is_first else aligned_empty((batch, fan_in), self.W.dtype)
        self._ones = np.ones(batch, self.W.dtype)
        self._x = self._z

    def forward(self, x: Floats) -> Floats:
        """See `Layer`."""
        self._x = x
        # Z = X W + b                                               (batch, fan_out)
        np.matmul(x, self.W, self._z)
        np.add(self._z, self.b, self._z)
        return self._z

    def backward(self, gradient: Floats) -> Floats | None:
        """See `Layer`."""
        # ∂L/∂W = Xᵀ ∂L/∂Z                                          (fan_in, fan_out)
        np.matmul(self._x.T, gradient, self.dW)
        # ∂L/∂b = Σ_batch ∂L/∂Z; a product takes half of a sum's time (fan_out,)
        np.matmul(self._ones, gradient, self.db)
        if self._dx is not None:
            # ∂L/∂X = ∂L/∂Z Wᵀ                                      (batch, fan_in)
            np.matmul(gradient, self.W.T, self._dx)
        return self._dx


class LinearWithoutBias(Linear):
    """Z = X W; b and ∂L/∂b stay 0, so that the files have the same tensors."""

    def forward(self, x: Floats) -> Floats:
        """See `Layer`."""
        self._x = x
        # Z = X W                                                   (batch, fan_out)
        return np.matmul(x, self.W, self._z)

    def backward(self, gradient: Floats) -> Floats | None:
        """See `Layer`."""
        passed = super().backward(gradient)
        self.db.fill(0)
        return passed


class Activation:
    """A = f(Z), in place.

    Args:
        activation: f.
        shape: (batch, width)
        dtype: of the arithmetic.
    """

    def __init__(
        self,
        activation: AnyActivation,
        shape: tuple[int, int],
        dtype: np.dtype[np.floating],
    ) -> None:
        self._rule = rule_of(activation)
        batch, width = shape
        self._kept = aligned_empty((self._rule.arrays_kept * batch, width), dtype)
        self.output: Floats = self._kept[:batch]
        """A (batch, width) of the last `forward`."""

    def forward(self, x: Floats) -> Floats:
        """See `Layer`."""
        # A = f(Z)                                                  (batch, width)
        self._rule.forward(x, self._kept)
        self.output = x
        return x

    def backward(self, gradient: Floats) -> Floats:
        """See `Layer`."""
        # ∂L/∂Z = ∂L/∂A ⊙ f'(Z)                                     (batch, width)
        self._rule.backward(gradient, self.output, self._kept)
        return gradient

    def relative_derivative(self) -> Floats:
        """Return f'(Z) / max f' (batch, width) of the last `forward`: near 0 if saturated."""
        return self.backward(np.full_like(self.output, 1 / self._rule.steepest))


class Dropout:
    """X = A ⊙ M; the mask M (batch, width) is set before each step, and is 1 until then.

    Args:
        shape: (batch, width)
        dtype: of the arithmetic.
    """

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[np.floating]) -> None:
        self.mask: Floats = np.ones(shape, dtype)
        self._x = aligned_empty(shape, dtype)

    def forward(self, x: Floats) -> Floats:
        """See `Layer`."""
        # X = A ⊙ M                                                 (batch, width)
        return np.multiply(x, self.mask, out=self._x)

    def backward(self, gradient: Floats) -> Floats:
        """See `Layer`."""
        # ∂L/∂A = ∂L/∂X ⊙ M                                         (batch, width)
        return np.multiply(gradient, self.mask, out=gradient)


class Parameters:
    """All W_k and b_k, one after the other in one flat θ, and ∂L/∂θ in the same layout.

    With them an optimizer needs only a few operations on vectors.

    Args:
        weights: `layers.K.weight` (fan_out, fan_in) and `layers.K.bias`; copied.
        has_bias: whether the layers use their b_k; else it stays 0.
    """

    def __init__(self, weights: Tensors, *, has_bias: bool = True) -> None:
        self.has_bias = has_bias
        self._shapes = {name: array.T.shape for name, array in weights.items()}
        flat = np.concatenate([array.T.ravel() for array in weights.values()])
        self.theta: Vector = aligned_empty(flat.size, flat.dtype)
        self.theta[:] = flat
        self.gradient: Vector = aligned_empty(flat.size, flat.dtype)

    def extend_gradient(self, spare: int) -> Vector:
        """Move ∂L/∂θ to the start of a longer vector (parameters + spare,), and return that."""
        longer: Vector = aligned_empty(self.theta.size + spare, self.theta.dtype)
        self.gradient = longer[: self.theta.size]
        return longer

    def by_name(self, vector: Vector) -> dict[str, Floats]:
        """Return the W (fan_in, fan_out) and b (fan_out,) in a vector like θ, as views."""
        views, start = {}, 0
        for name, shape in self._shapes.items():
            size = int(np.prod(shape))
            views[name] = vector[start : start + size].reshape(shape)
            start += size
        return views

    def by_layer(self, vector: Vector) -> list[tuple[Floats, Floats]]:
        """Return the views as (W, b) per layer, input side first."""
        views = list(self.by_name(vector).values())
        return list(zip(views[::2], views[1::2], strict=True))


class Network:
    """The layers of one network, for batches of one size.

    Several networks may share parameters.

    Args:
        parameters: `forward` reads them, `backward` fills their gradient.
        activation: of the hidden layers.
        batch: images per batch.
        drops: whether each linear layer's input has dropout, input side first; empty for none.
        to_pixels: whether `backward` computes ∂L/∂pixels too, which costs as much as the first
            layer.
    """

    def __init__(
        self,
        parameters: Parameters,
        activation: AnyActivation,
        batch: int,
        *,
        drops: Sequence[bool] = (),
        to_pixels: bool = False,
    ) -> None:
        weights = parameters.by_layer(parameters.theta)
        gradients = parameters.by_layer(parameters.gradient)
        dtype, last = parameters.theta.dtype, len(weights) - 1
        linear = Linear if parameters.has_bias else LinearWithoutBias
        self.layers: list[Layer] = []
        self.activations: list[Activation] = []
        self.dropouts: dict[int, Dropout] = {}
        for k, (w, b) in enumerate(weights):
            fan_in, fan_out = w.shape
            if drops and drops[k]:
                self.dropouts[k] = Dropout((batch, fan_in), dtype)
                self.layers.append(self.dropouts[k])
            is_first = k == 0 and not to_pixels
            order: Literal["C", "F"] = "F" if k == last else "C"
            self.layers.append(linear((w, b), gradients[k], batch, order=order, is_first=is_first))
            if k < last:
                self.activations.append(Activation(activation, (batch, fan_out), dtype))
                self.layers.append(self.activations[-1])

    def set_masks(self, masks: Masks) -> None:
        """Set the dropout masks of the next `forward` and `backward`."""
        for k, dropout in self.dropouts.items():
            if (mask := masks[k]) is not None:
                dropout.mask = mask

    def forward(self, x: Floats) -> Floats:
        """Return the logits (batch, classes) of pixels x (batch, features).

        The next call overwrites them.
        """
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, gradient: Floats) -> Floats | None:
        """Fill the parameters' gradient from ∂L/∂logits (batch, classes).

        Returns:
            ∂L/∂pixels (batch, features) of a network made with `to_pixels`, else None.
        """
        passed: Floats | None = gradient
        for layer in reversed(self.layers):
            if passed is not None:
                passed = layer.backward(passed)
        return passed


PREDICT_CHUNK = 1_000
"""Images per forward pass outside training: at 784-128-10 its arrays fit in the L2 cache."""

Taken = TypeVar("Taken")


def overflow_allowed() -> np.errstate:
    """Ignore overflow: it gives an infinite loss, which ends the run as diverged."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


def predict_chunks(
    parameters: Parameters,
    activation: AnyActivation,
    images: Floats,
    take: Callable[[Network, Floats], Taken],
) -> list[Taken]:
    """Pass images through the network chunk by chunk, without dropout.

    Args:
        parameters: of the network.
        activation: of the hidden layers.
        images: (samples, features), scaled as in training.
        take: called after each chunk with the network and the logits (chunk, classes), which the
            next chunk overwrites; returns what to keep of them.
    """
    network, taken, size = None, [], -1
    with overflow_allowed():
        for start in range(0, len(images), PREDICT_CHUNK):
            chunk = images[start : start + PREDICT_CHUNK]
            if network is None or len(chunk) != size:
                size = len(chunk)
                network = Network(parameters, activation, size)
            x = chunk.astype(parameters.theta.dtype, copy=False)
            taken.append(take(network, network.forward(x)))
    return taken
