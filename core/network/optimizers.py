"""Optimizers of the NumPy network: each updates one flat vector of all parameters in place."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import OptimizerName, RunConfig

Vector = NDArray[np.floating]

MOMENTUM = 0.9
"""Sutskever et al. 2013; the usual default."""

ADAM_MEAN_DECAY = 0.9
ADAM_SQUARE_DECAY = 0.999
ADAM_EPSILON = 1e-8
"""Kingma and Ba 2015, section 2; the defaults of `torch.optim.Adam` too."""

SLOTS: Mapping[OptimizerName, Sequence[str]] = MappingProxyType(
    {"sgd": (), "momentum": ("momentum",), "adam": ("adam_mean", "adam_square")}
)
"""The vectors that an optimizer remembers from step to step, in both engines and in files."""


class Optimizer(Protocol):
    """Turns a gradient into an update."""

    learning_rate: float

    updates: int
    """Updates so far."""

    @property
    def gradient_scale(self) -> float:
        """What `update` wants the gradient multiplied by."""

    @property
    def slots(self) -> Mapping[str, Vector]:
        """The memory between steps, by name, each (parameters,); may be written to."""

    def update(self, theta: Vector, gradient: Vector) -> None:
        """Change theta (parameters,) in place by one step along -gradient (parameters,).

        The gradient is used up: it serves as scratch space.
        """


class SGD:
    """θ ← θ - η g.

    It asks for η g instead of g: the backward pass is linear in the loss's gradient, so η
    multiplied into that small array costs nothing, and a pass over all parameters is saved
    (9 of 24 µs at 784-128-10).

    Args:
        learning_rate: η.
    """

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.updates = 0
        self.slots: Mapping[str, Vector] = {}

    @property
    def gradient_scale(self) -> float:
        """See `Optimizer`: η."""
        return self.learning_rate

    def update(self, theta: Vector, gradient: Vector) -> None:
        """See `Optimizer`."""
        self.updates += 1
        # θ ← θ - η g
        np.subtract(theta, gradient, out=theta)


class Momentum:
    """v ← μ v + g, then θ ← θ - η v; as `torch.optim.SGD(momentum=μ)` has it.

    Args:
        learning_rate: η.
        theta: the parameters (parameters,), for shape and dtype.
    """

    gradient_scale = 1.0

    def __init__(self, learning_rate: float, theta: Vector) -> None:
        self.learning_rate = learning_rate
        self.updates = 0
        self.slots = _zeros("momentum", theta)
        (self._velocity,) = self.slots.values()

    def update(self, theta: Vector, gradient: Vector) -> None:
        """See `Optimizer`."""
        self.updates += 1
        g, v = gradient, self._velocity
        # v ← μ v + g
        np.multiply(v, MOMENTUM, out=v)
        np.add(v, g, out=v)
        # θ ← θ - η v
        np.multiply(v, self.learning_rate, out=g)
        np.subtract(theta, g, out=theta)


class Adam:
    """Adam with bias correction, Kingma and Ba 2015, algorithm 1.

    m ← β₁ m + (1 - β₁) g
    s ← β₂ s + (1 - β₂) g²
    θ ← θ - η (m / (1 - β₁ᵗ)) / (√(s / (1 - β₂ᵗ)) + ε)

    It asks for (1 - β₁) g, as m needs it, and takes √(1 - β₂ᵗ) out of the fraction: 11
    operations over all parameters instead of 13.

    Args:
        learning_rate: η.
        theta: the parameters (parameters,), for shape and dtype.
    """

    gradient_scale = 1 - ADAM_MEAN_DECAY

    def __init__(self, learning_rate: float, theta: Vector) -> None:
        self.learning_rate = learning_rate
        self.updates = 0
        self.slots = _zeros("adam", theta)
        self._mean, self._square = self.slots.values()
        self._root = np.empty_like(theta)

    def update(self, theta: Vector, gradient: Vector) -> None:
        """See `Optimizer`."""
        self.updates += 1
        g, m, s, root = gradient, self._mean, self._square, self._root
        # m ← β₁ m + (1 - β₁) g
        np.multiply(m, ADAM_MEAN_DECAY, out=m)
        np.add(m, g, out=m)
        # s ← β₂ s + (1 - β₂) g²
        np.multiply(g, g, out=root)
        np.multiply(root, (1 - ADAM_SQUARE_DECAY) / self.gradient_scale**2, out=root)
        np.multiply(s, ADAM_SQUARE_DECAY, out=s)
        np.add(s, root, out=s)
        # θ ← θ - η c/(1 - β₁ᵗ) m / (√s + c ε), c = √(1 - β₂ᵗ)
        correction = (1 - ADAM_SQUARE_DECAY**self.updates) ** 0.5
        step_size = self.learning_rate * correction / (1 - ADAM_MEAN_DECAY**self.updates)
        np.sqrt(s, out=root)
        np.add(root, ADAM_EPSILON * correction, out=root)
        np.divide(m, root, out=root)
        np.multiply(root, step_size, out=root)
        np.subtract(theta, root, out=theta)


def optimizer_for(config: RunConfig, theta: Vector) -> Optimizer:
    """Return the optimizer that the config names, for parameters theta (parameters,)."""
    if config.optimizer == "adam":
        return Adam(config.learning_rate, theta)
    if config.optimizer == "momentum":
        return Momentum(config.learning_rate, theta)
    return SGD(config.learning_rate)


def _zeros(optimizer: OptimizerName, theta: Vector) -> Mapping[str, Vector]:
    """Return what an optimizer remembers before its first step, each (parameters,)."""
    return {name: np.zeros_like(theta) for name in SLOTS[optimizer]}


def learning_rate_at(step: int, total_steps: int, config: RunConfig) -> float:
    """Return η of the update after `step` updates, of `total_steps` in the whole run.

    `linear`: η₀ (1 - step / total_steps), which would reach 0 just after the last update.
    """
    if config.schedule == "linear":
        return config.learning_rate * (1 - step / total_steps)
    return config.learning_rate
