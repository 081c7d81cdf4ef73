"""The protocol of both engines, and the state that either can load."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from mlpwatch.core.arrays import Floats, Rows, Tensors
from mlpwatch.core.config import EngineName
from mlpwatch.core.network.activations import ActivationRule
from mlpwatch.core.network.step_norms import LayerNorms


@dataclass(frozen=True, slots=True)
class EngineState:
    """A copy of everything an engine has learned; both use the same names and shapes."""

    weights: dict[str, Floats]
    """`layers.K.weight` (fan_out, fan_in) and `layers.K.bias` (fan_out,)."""

    slots: dict[str, Floats] = field(default_factory=dict)
    """Optimizer memory: `momentum.layers.K.weight`; `adam_mean.…`, `adam_square.…`; and so on."""

    updates: int = 0
    """Optimizer updates so far; Adam's bias correction depends on it."""


class Engine(Protocol):
    """One network with its optimizer, bound to the training images.

    Not thread-safe: one thread trains it. While it waits, other threads may call `logits` and
    `state`.
    """

    @property
    def name(self) -> EngineName:
        """`numpy` or `torch`."""

    @property
    def activation(self) -> ActivationRule | None:
        """Of the hidden layers; None if they can't be computed from `weights()`."""

    def use_threads(self, threads: int) -> None:
        """Set the BLAS or OpenMP threads; called by the thread that trains."""

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the next updates."""

    def train_batch(self, rows: Rows, *, measured: bool = False) -> tuple[LayerNorms, ...]:
        """Forward, backward and update on the training images of `rows` (batch,).

        Returns:
            If `measured`, the norms of each layer, input side first; else nothing. The weights are
            the same to the bit.
        """

    def take_losses(self) -> list[float]:
        """Return the losses of the batches since the last call, oldest first."""

    def loss_and_gradient(self, rows: Rows) -> tuple[float, dict[str, Floats]]:
        """Return the loss on `rows` (batch,) and its gradient by tensor name; no update."""

    def forward_pass(self, rows: Rows) -> list[Floats]:
        """Return A_0 … A_L-1 and the logits, each (batch, width), of the next step.

        Uses the training images of `rows` (batch,) and the step's dropout masks; A_k is taken
        before its mask. Returns copies; changes nothing that is learned.
        """

    def logits(self, images: Floats, weights: Tensors | None = None) -> Floats:
        """Return the output layer's sums (samples, classes) for images (samples, features).

        Args:
            images: scaled like the training images.
            weights: used instead of the engine's own, in the form of `weights()`; then one other
                thread may call this while the engine trains.
        """

    def first_nonfinite_tensor(self) -> str | None:
        """Return the name of the first weight array with a NaN or infinity, or None."""

    def weights(self) -> dict[str, Floats]:
        """Return a copy of the weights, in the form of `EngineState.weights`."""

    def state(self) -> EngineState:
        """Return a copy of weights and optimizer slots, C-contiguous, of the run's dtype."""

    def load_state(self, state: EngineState) -> None:
        """Load weights and slots of either engine.

        Raises:
            ValueError: a tensor is missing, or its shape or dtype differs.
        """


class Exchange(Protocol):
    """Sums one engine's gradient over all processes that train the run; see `core.training.ranks`.

    Each process computes its share of the rows of a batch.
    """

    spare: int
    """Numbers that are summed along with the gradient, behind it."""

    def share(self, count: int) -> slice:
        """Return which of a batch's `count` rows are this process's; perhaps none."""

    def sum(self, loss: float, learning_rate: float) -> tuple[float, float]:
        """Sum gradient and loss over all processes, in place; wait for the others.

        Args:
            loss: of the own share, divided by the rows of the whole batch.
            learning_rate: of the next update; the one of the first process holds for all.

        Returns:
            The loss of the whole batch, and the learning rate of the update.

        Raises:
            Exception: there is no such update: the run ends, or a process is lost.
        """


@runtime_checkable
class SharedEngine(Engine, Protocol):
    """An engine that can train together with the same engine in other processes."""

    def exchange_with(self, exchange: Exchange) -> object:
        """Compute only a share of each batch from now on; call it before the first batch.

        Returns:
            The vector to sum, in the engine's dtype: ∂L/∂θ (parameters,), then the exchange's
            numbers (spare,). A NumPy array, or PyTorch's tensor on the engine's device.
        """


def check_state(given: EngineState, own: EngineState) -> None:
    """Check that `given` has every weight and slot of `own`, with the same shape and dtype.

    Raises:
        ValueError: a tensor is missing or differs; the message names the first.
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
