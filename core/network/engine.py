"""What both networks have in common: the protocol, the initial weights, the factory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats, Labels, Rows, Tensors
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.pixels import GreyLevels


@dataclass(frozen=True, slots=True)
class EngineState:
    """A copy of all that an engine has learned, in names and shapes that both share."""

    weights: dict[str, Floats]
    """`layers.K.weight` (fan_out, fan_in) and `layers.K.bias` (fan_out,)."""

    slots: dict[str, Floats] = field(default_factory=dict)
    """Optimizer memory: `momentum.layers.K.weight`, or `adam_mean.…` and `adam_square.…`."""

    updates: int = 0
    """Optimizer updates so far; Adam's bias correction depends on it."""


class Engine(Protocol):
    """One network with its optimizer, bound to the training images.

    Not thread-safe: one thread trains it. While it waits, `logits` and `state` are safe elsewhere.
    """

    @property
    def name(self) -> EngineName:
        """`numpy` or `torch`."""

    def use_threads(self, threads: int) -> None:
        """Set the BLAS or OpenMP threads; called by the thread that trains."""

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the next updates."""

    def train_batch(self, rows: Rows) -> None:
        """Forward, backward and update on the training images of `rows` (batch,)."""

    def take_losses(self) -> list[float]:
        """Return the losses of the batches since the last call, oldest first."""

    def loss_and_gradient(self, rows: Rows) -> tuple[float, dict[str, Floats]]:
        """Return the loss on `rows` (batch,) and its gradient by tensor name; no update."""

    def forward_pass(self, rows: Rows) -> list[Floats]:
        """Return A_0 … A_L-1 and the logits, each (batch, width), as the next step has them.

        On the training images of `rows` (batch,), with the step's dropout masks drawn but A_k
        taken before them. Copies; changes nothing that is learned.
        """

    def logits(self, images: Floats, weights: Tensors | None = None) -> Floats:
        """Return the output layer's sums (samples, classes) for images (samples, features).

        Args:
            images: scaled as the training images.
            weights: read with these instead of the engine's own, as `weights()` returns them;
                then one other thread may do so while the engine trains.
        """

    def first_nonfinite_tensor(self) -> str | None:
        """Return the name of the first weight array with a NaN or infinity, or None."""

    def weights(self) -> dict[str, Floats]:
        """Return a copy of the weights, as `state` has them."""

    def state(self) -> EngineState:
        """Return a copy of weights and optimizer slots, C-contiguous, of the run's dtype."""

    def load_state(self, state: EngineState) -> None:
        """Take over weights and slots, from either engine.

        Raises:
            ValueError: a tensor is missing, or its shape or dtype differs.
        """


def check_state(given: EngineState, own: EngineState) -> None:
    """Check that `given` holds every weight and slot of `own`, in shape and dtype.

    Raises:
        ValueError: naming the first tensor that is missing or differs.
    """
    _check_tensors(given.weights, own.weights)
    _check_tensors(given.slots, own.slots)


def _check_tensors(given: Tensors, expected: Tensors) -> None:
    for name, own in expected.items():
        array = given.get(name)
        if array is None:
            raise ValueError(f"tensor {name!r} is missing: expected shape {own.shape}")
        if array.shape != own.shape or array.dtype != own.dtype:
            raise ValueError(
                f"tensor {name!r} is {array.dtype} {array.shape}: expected {own.dtype} {own.shape}"
            )


def layer_sizes(features: int, hidden: Sequence[int], classes: int) -> tuple[int, ...]:
    """Return the widths from input to output, both included."""
    return (features, *hidden, classes)


def parameter_count(sizes: Sequence[int]) -> int:
    """Return the number of weights and biases between layers of these widths."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))


def initial_weights(sizes: Sequence[int], config: RunConfig) -> dict[str, Floats]:
    """Return the weights that both engines start from; biases are zero.

    `scaled` for ReLU: He et al. 2015, normal with standard deviation sqrt(2 / fan_in);
    for sigmoid and tanh: Glorot and Bengio 2010, uniform within
    sqrt(6 / (fan_in + fan_out)). `normal`: standard deviation 0.1, as in the notebook.

    Args:
        sizes: widths from input to output.
        config: its seed, activation, initialization and dtype are used.
    """
    # A stream of its own: the split and the batch order draw from others.
    random = np.random.default_rng([config.seed, 1])
    weights: dict[str, Floats] = {}
    for k, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        w = _draw_weights(random, fan_in, fan_out, config)
        weights[f"layers.{k}.weight"] = w.astype(config.dtype)
        weights[f"layers.{k}.bias"] = np.zeros(fan_out, config.dtype)
    return weights


def _draw_weights(
    random: np.random.Generator, fan_in: int, fan_out: int, config: RunConfig
) -> NDArray[np.float64]:
    shape = (fan_out, fan_in)
    if config.initialization == "normal":
        return random.normal(0.0, 0.1, shape)
    if config.activation == "relu":
        return random.normal(0.0, np.sqrt(2.0 / fan_in), shape)
    bound = np.sqrt(6.0 / (fan_in + fan_out))
    return random.uniform(-bound, bound, shape)


def build_engine(
    name: EngineName,
    config: RunConfig,
    images: Floats,
    labels: Labels,
    classes: int,
    *,
    grey_levels: GreyLevels | None = None,
) -> Engine:
    """Build one engine on training images (samples, features) and labels (samples,).

    PyTorch is imported here, and only when asked for: it takes about a second.

    Args:
        name: which one.
        config: of the run.
        images: scaled, float32.
        labels: int64.
        classes: how many the labels may name.
        grey_levels: the same images as bytes, if there are any; the NumPy engine reads them.

    Raises:
        ConfigError: the device that the config names is absent.
    """
    weights = initial_weights(layer_sizes(images.shape[1], config.hidden, classes), config)
    if name == "numpy":
        from mlpwatch.core.network.numpy_mlp import NumpyMLP  # noqa: PLC0415

        return NumpyMLP(config, images, labels, weights, grey_levels)
    from mlpwatch.core.network.torch_mlp import TorchMLP  # noqa: PLC0415

    return TorchMLP(config, images, labels, weights)
