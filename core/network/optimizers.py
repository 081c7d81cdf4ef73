"""Optimizers of the NumPy network, on flat vectors of all parameters; learning rate schedules.

A new optimizer needs its name, and that of its class in `torch.optim`, in `core.specification`,
its class here, and its counterpart in `torch_mlp.UPDATES`. A new schedule needs its name in
`core.config.Schedule` and its function here.
"""

import math
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

RHO = 0.99
"""ρ, the share of the mean square that RMSprop keeps; the default of `torch.optim.RMSprop`."""


_FAR_ABOVE = 30
"""So many times the usual rate is warned of."""

_GRADIENT = "    with g = ∂L/∂θ"


class Optimizer(ABC):
    """Computes updates from gradients.

    Args:
        learning_rate: η.
        theta: the parameters (parameters,), for shape and dtype.
        momentum: μ of `Momentum` and `Nesterov`.
        weight_decay: λ; see `_decay`.
    """

    formulas: ClassVar[tuple[str, ...]]
    """The formulas of `update`, as text; `{momentum}` stands for μ."""

    by_hand: ClassVar[str]
    """The same in Python, for a notebook: theta, rate, g; m and v are remembered vectors."""

    decouples: ClassVar[bool] = False
    """Whether weight decay shrinks θ itself; otherwise it adds to the gradient."""

    slot_names: ClassVar[tuple[str, ...]] = ()
    """Names of the vectors kept between steps, in both engines and in files."""

    torch_slots: ClassVar[tuple[str, ...]] = ()
    """The names of the same in the state of `torch.optim`."""

    usual_rate: ClassVar[float | None] = None
    """η that people begin with, where it does not depend on the size of the gradients."""

    torch_settings: ClassVar[Mapping[str, bool]] = {}
    """Settings of the class in `torch.optim`; μ, η, λ and its own defaults are not among them."""

    def __init__(
        self,
        learning_rate: float,
        theta: Vector,
        *,
        momentum: float = MOMENTUM,
        weight_decay: float = 0.0,
    ) -> None:
        self.learning_rate, self.momentum, self.weight_decay = learning_rate, momentum, weight_decay
        self.updates = 0
        self.slots = {name: aligned_empty(theta.size, theta.dtype) for name in self.slot_names}
        for slot in self.slots.values():
            slot.fill(0)
        """By name, each (parameters,); initially zeros; may be written to."""
        self._scratch = aligned_empty(theta.size, theta.dtype)

    @classmethod
    def has_momentum(cls) -> bool:
        """Return whether it uses μ."""
        return any("{momentum}" in formula for formula in cls.formulas)

    def update(self, theta: Vector, gradient: Vector) -> None:
        """Change theta (parameters,) in place by one step along -gradient (parameters,).

        The gradient is overwritten: it is used as scratch space.
        """
        self.updates += 1
        if self.weight_decay:
            self._decay(theta, gradient)
        self._step(theta, gradient)

    @abstractmethod
    def _step(self, theta: Vector, gradient: Vector) -> None:
        """See `update`; `updates` counts this one already."""

    def _decay(self, theta: Vector, gradient: Vector) -> None:
        """Weight decay, coupled: the gradient of λ/2 ‖θ‖² is added, as in `torch.optim`."""
        # g ← g + λ θ
        np.multiply(theta, self.weight_decay, out=self._scratch)
        np.add(gradient, self._scratch, out=gradient)


class SGD(Optimizer):
    """Stochastic gradient descent."""

    formulas = (f"θ ← θ − η g{_GRADIENT}",)
    by_hand = "theta -= rate * g"

    def _step(self, theta: Vector, gradient: Vector) -> None:
        # θ ← θ - η g
        np.multiply(gradient, self.learning_rate, out=gradient)
        np.subtract(theta, gradient, out=theta)


class Momentum(Optimizer):
    """SGD with momentum, as in `torch.optim.SGD(momentum=μ)`."""

    formulas = (f"v ← {{momentum}} v + g    θ ← θ − η v{_GRADIENT}",)
    by_hand = "v[...] = config.momentum * v + g\ntheta -= rate * v"
    slot_names, torch_slots = ("momentum",), ("momentum_buffer",)

    def _step(self, theta: Vector, gradient: Vector) -> None:
        g, v = gradient, self.slots["momentum"]
        # v ← μ v + g
        np.multiply(v, self.momentum, out=v)
        np.add(v, g, out=v)
        # θ ← θ - η v
        np.multiply(v, self.learning_rate, out=g)
        np.subtract(theta, g, out=theta)


class Nesterov(Optimizer):
    """SGD with Nesterov's momentum, as in `torch.optim.SGD(momentum=μ, nesterov=True)`.

    Sutskever et al. 2013, section 2, written so that the gradient is taken at θ.
    """

    formulas = (f"v ← {{momentum}} v + g    θ ← θ − η (g + {{momentum}} v){_GRADIENT}",)
    by_hand = "v[...] = config.momentum * v + g\ntheta -= rate * (g + config.momentum * v)"
    slot_names, torch_slots = ("momentum",), ("momentum_buffer",)
    torch_settings: ClassVar[Mapping[str, bool]] = {"nesterov": True}

    def _step(self, theta: Vector, gradient: Vector) -> None:
        g, v, scratch = gradient, self.slots["momentum"], self._scratch
        # v ← μ v + g
        np.multiply(v, self.momentum, out=v)
        np.add(v, g, out=v)
        # θ ← θ - η (g + μ v)
        np.multiply(v, self.momentum, out=scratch)
        np.add(scratch, g, out=scratch)
        np.multiply(scratch, self.learning_rate, out=scratch)
        np.subtract(theta, scratch, out=theta)


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton 2012, lecture 6e), as in `torch.optim.RMSprop`."""

    formulas = (f"v ← 0.99 v + 0.01 g²{_GRADIENT}", "θ ← θ − η g / (√v + 1e-8)")
    by_hand = "v[...] = 0.99 * v + 0.01 * g**2\ntheta -= rate * g / (np.sqrt(v) + 1e-8)"
    slot_names, torch_slots = ("rmsprop_square",), ("square_avg",)
    usual_rate = 0.001

    def _step(self, theta: Vector, gradient: Vector) -> None:
        g, v, scratch = gradient, self.slots["rmsprop_square"], self._scratch
        # v ← ρ v + (1 - ρ) g²
        np.multiply(g, g, out=scratch)
        np.multiply(scratch, 1 - RHO, out=scratch)
        np.multiply(v, RHO, out=v)
        np.add(v, scratch, out=v)
        # θ ← θ - η g / (√v + ε)
        np.sqrt(v, out=scratch)
        np.add(scratch, EPSILON, out=scratch)
        np.divide(g, scratch, out=scratch)
        np.multiply(scratch, self.learning_rate, out=scratch)
        np.subtract(theta, scratch, out=theta)


class Adam(Optimizer):
    """Adam with bias correction, Kingma and Ba 2015, algorithm 1."""

    formulas = (
        f"m ← 0.9 m + 0.1 g    v ← 0.999 v + 0.001 g²{_GRADIENT}",
        "θ ← θ − η (m / (1 − 0.9ᵗ)) / (√(v / (1 − 0.999ᵗ)) + 1e-8)",
    )
    by_hand = """\
m[...] = 0.9 * m + 0.1 * g
v[...] = 0.999 * v + 0.001 * g**2
m_hat, v_hat = m / (1 - 0.9**step), v / (1 - 0.999**step)
theta -= rate * m_hat / (np.sqrt(v_hat) + 1e-8)"""
    slot_names, torch_slots = ("adam_mean", "adam_square"), ("exp_avg", "exp_avg_sq")
    usual_rate = 0.001

    def _step(self, theta: Vector, gradient: Vector) -> None:
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


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), as in `torch.optim.AdamW`."""

    decouples = True

    def _decay(self, theta: Vector, gradient: Vector) -> None:  # noqa: ARG002 - as coupled ones
        # θ ← θ - η λ θ
        np.multiply(theta, 1 - self.learning_rate * self.weight_decay, out=theta)


OPTIMIZERS: Mapping[OptimizerName, type[Optimizer]] = complete(
    OptimizerName,
    {
        "sgd": SGD,
        "momentum": Momentum,
        "nesterov": Nesterov,
        "rmsprop": RMSprop,
        "adam": Adam,
        "adamw": AdamW,
    },
)


def optimizer_named(name: str) -> type[Optimizer] | None:
    """Return the optimizer with this name; None if there is none."""
    return next((rule for own, rule in OPTIMIZERS.items() if own == name), None)


def optimizer_for(config: RunConfig, theta: Vector) -> Optimizer:
    """Return the config's optimizer for parameters theta (parameters,)."""
    return OPTIMIZERS[config.optimizer](
        config.learning_rate, theta, momentum=config.momentum, weight_decay=config.weight_decay
    )


def rate_note(config: RunConfig) -> str:
    """Return a warning of a learning rate that seldom learns anything; empty for others.

    A recipe's rate is for its own optimizer: `twin` with Adam in place of SGD, at 0.3, reads 28 %
    of the bundled digits right after two epochs, at 0.001 79 %.
    """
    usual = OPTIMIZERS[config.optimizer].usual_rate
    if usual is None or config.learning_rate < _FAR_ABOVE * usual:
        return ""
    return (
        f"{config.optimizer} seldom learns at learning rate {config.learning_rate:g}; "
        f"--learning-rate {usual:g} is usual"
    )


def optimizer_formulas(config: RunConfig) -> list[str]:
    """Return the formulas of an update, with this config's numbers."""
    rule, decay = OPTIMIZERS[config.optimizer], config.weight_decay
    formulas = [text.format(momentum=f"{config.momentum:g}") for text in rule.formulas]
    if not decay:
        return formulas
    if rule.decouples:
        return [f"θ ← θ − η {decay:g} θ", *formulas]
    return [f"g = ∂L/∂θ + {decay:g} θ", *(text.replace(_GRADIENT, "") for text in formulas)]


SCHEDULES: Mapping[Schedule, Callable[[float], float]] = complete(
    Schedule,
    {
        "constant": lambda _done: 1.0,
        # reaches 0 one step after the last update
        "linear": lambda done: 1 - done,
        # Loshchilov and Hutter 2017, equation 5, without restarts; also 0 one step after the last
        "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
        # 1, 0.1, 0.01 in each third
        "step": lambda done: 0.1 ** int(3 * done),
    },
)
"""By name: a function from the share of the run's updates done, 0 to 1, to η / η₀."""


def learning_rate_at(step: int, total_steps: int, config: RunConfig) -> float:
    """Return η of the update after `step` updates, of `total_steps` in the whole run.

    With a warm-up of W steps η rises from η₀ / (W + 1) along a line and reaches η₀ after them; the
    schedule begins there, and stretches over the other steps.
    """
    warmup = config.warmup
    if step < warmup:
        return config.learning_rate * (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, total_steps - warmup)
    return config.learning_rate * SCHEDULES[config.schedule](done)
