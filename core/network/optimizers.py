"""Optimizers of the NumPy network, on flat vectors of all parameters; learning rate schedules.

A new optimizer needs its name in `core.config.OptimizerName`, its class here, and its counterpart
in `torch_mlp.UPDATES`. A new schedule needs its name in `core.config.Schedule` and its function
here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import aligned_empty
from mlpwatch.core.config import OptimizerName, RunConfig, Schedule
from mlpwatch.core.network.tables import complete

Vector = NDArray[np.floating]

MOMENTUM = 0.9
"""μ of Sutskever et al. 2013; the usual default."""

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
"""Kingma and Ba 2015, section 2; also the defaults of `torch.optim.Adam`."""


class Optimizer(ABC):
    """Computes updates from gradients.

    Args:
        learning_rate: η.
        theta: the parameters (parameters,), for shape and dtype.
    """

    formulas: ClassVar[tuple[str, ...]]
    """The formulas of `update`, as text."""

    slot_names: ClassVar[tuple[str, ...]] = ()
    """Names of the vectors kept between steps, in both engines and in files."""

    def __init__(self, learning_rate: float, theta: Vector) -> None:
        self.learning_rate = learning_rate
        self.updates = 0
        self.slots = {name: aligned_empty(theta.size, theta.dtype) for name in self.slot_names}
        for slot in self.slots.values():
            slot.fill(0)
        """By name, each (parameters,); initially zeros; may be written to."""

    @abstractmethod
    def update(self, theta: Vector, gradient: Vector) -> None:
        """Change theta (parameters,) in place by one step along -gradient (parameters,).

        The gradient is overwritten: it is used as scratch space.
        """


class SGD(Optimizer):
    """Stochastic gradient descent."""

    formulas = ("θ ← θ − η g    with g = ∂L/∂θ",)

    def update(self, theta: Vector, gradient: Vector) -> None:
        """See `Optimizer`."""
        self.updates += 1
        # θ ← θ - η g
        np.multiply(gradient, self.learning_rate, out=gradient)
        np.subtract(theta, gradient, out=theta)


class Momentum(Optimizer):
    """SGD with momentum, as in `torch.optim.SGD(momentum=μ)`."""

    formulas = ("v ← 0.9 v + g    θ ← θ − η v    with g = ∂L/∂θ",)
    slot_names = ("momentum",)

    def update(self, theta: Vector, gradient: Vector) -> None:
        """See `Optimizer`."""
        self.updates += 1
        g, v = gradient, self.slots["momentum"]
        # v ← μ v + g
        np.multiply(v, MOMENTUM, out=v)
        np.add(v, g, out=v)
        # θ ← θ - η v
        np.multiply(v, self.learning_rate, out=g)
        np.subtract(theta, g, out=theta)


class Adam(Optimizer):
    """Adam with bias correction, Kingma and Ba 2015, algorithm 1."""

    formulas = (
        "m ← 0.9 m + 0.1 g    v ← 0.999 v + 0.001 g²    with g = ∂L/∂θ",
        "θ ← θ − η (m / (1 − 0.9ᵗ)) / (√(v / (1 − 0.999ᵗ)) + 1e-8)",
    )
    slot_names = ("adam_mean", "adam_square")

    def __init__(self, learning_rate: float, theta: Vector) -> None:
        super().__init__(learning_rate, theta)
        self._scratch = aligned_empty(theta.size, theta.dtype)

    def update(self, theta: Vector, gradient: Vector) -> None:
        """See `Optimizer`."""
        self.updates += 1
        g, scratch, t = gradient, self._scratch, self.updates
        m, v = self.slots.values()
        # v ← β₂ v + (1 - β₂) g²
        np.multiply(g, g, out=scratch)
        np.multiply(scratch, 1 - BETA_2, out=scratch)
        np.multiply(v, BETA_2, out=v)
        np.add(v, scratch, out=v)
        # m ← β₁ m + (1 - β₁) g
        np.multiply(g, 1 - BETA_1, out=g)
        np.multiply(m, BETA_1, out=m)
        np.add(m, g, out=m)
        # θ ← θ - η m̂ / (√v̂ + ε), m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ)
        np.sqrt(v, out=scratch)
        np.multiply(scratch, (1 - BETA_2**t) ** -0.5, out=scratch)
        np.add(scratch, EPSILON, out=scratch)
        np.divide(m, scratch, out=scratch)
        np.multiply(scratch, self.learning_rate / (1 - BETA_1**t), out=scratch)
        np.subtract(theta, scratch, out=theta)


OPTIMIZERS: Mapping[OptimizerName, type[Optimizer]] = complete(
    OptimizerName, {"sgd": SGD, "momentum": Momentum, "adam": Adam}
)

SCHEDULES: Mapping[Schedule, Callable[[float], float]] = complete(
    Schedule,
    {
        "constant": lambda _done: 1.0,
        # reaches 0 one step after the last update
        "linear": lambda done: 1 - done,
    },
)
"""By name: a function from the share of the run's updates done, 0 to 1, to η / η₀."""


def learning_rate_at(step: int, total_steps: int, config: RunConfig) -> float:
    """Return η of the update after `step` updates, of `total_steps` in the whole run."""
    return config.learning_rate * SCHEDULES[config.schedule](step / total_steps)
