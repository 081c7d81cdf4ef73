"""What rounding can change in one training step: a running error analysis, number by number.

Each array of the step is computed together with a bound of its rounding error. A sum of n products
is off by at most λ √n u Σ|x w| with a probability that grows with λ (Higham and Mary 2019, "A new
approach to probabilistic rounding error analysis"; u is the unit roundoff). Errors of the factors
are carried on to first order. At ReLU's kink the bound has both derivatives: a sum that is 0 to
rounding may count as positive in one engine and not in the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Labels
from mlpwatch.core.checking.comparison import GUARDS
from mlpwatch.core.checking.reference import (
    loss_per_image,
    nonlinearity,
    output_delta,
    outputs_from,
)
from mlpwatch.core.config import RunConfig
from mlpwatch.core.network.dropout import DropoutMasks
from mlpwatch.core.network.engine import EngineState
from mlpwatch.core.network.optimizers import OPTIMIZERS, optimizer_for
from mlpwatch.core.specification import Specification

Numbers = NDArray[Any]
"""float32 or float64."""

UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}
"""u: largest relative error of one operation."""

CERTAINTY = 4.0
"""λ. In 120 steps of each of 144 kinds of twins (activation, loss, optimizer, dtype, dropout,
depth) no difference was larger than 0.47 of the bound."""

FEW = 8.0
"""Roundings of a function or a product of some factors, each u."""

CURVATURE = 1.2
"""Largest |f''| of sigmoid, tanh and GELU."""

BLOCK = 16_384
"""Weights that are updated together: their 10 arrays stay in the L2 cache. Adam's update of half
a million weights then takes less than half of the time."""

KINKED = ("relu", "leaky-relu")


@dataclass(frozen=True, slots=True)
class Bounded:
    """Numbers, and how far rounding may move each; both of one shape."""

    values: Numbers
    error: Numbers


@dataclass(frozen=True, slots=True)
class BoundedStep:
    """One training step, with what rounding can change in it."""

    outputs: Bounded
    """Probabilities (batch, classes)."""
    loss: Bounded
    """()"""
    gradients: Mapping[str, Bounded]
    """By tensor name, shaped as in `EngineState.weights`."""
    weights: Mapping[str, Bounded]
    """After the update."""


@dataclass(frozen=True, slots=True)
class StepInput:
    """What one step is made of."""

    state: EngineState
    """Before the step."""
    images: Numbers
    """(batch, features), scaled."""
    labels: Labels
    """(batch,)"""
    learning_rate: float
    classes: int


def specification_of(config: RunConfig) -> Specification:
    """Return what a run's settings say of its network, as the reference reads it."""
    return Specification(
        hidden=config.hidden,
        activation=config.activation,
        negative_slope=config.negative_slope,
        bias=config.bias,
        output_activation=config.output_function,
        loss=config.loss,
        # The check adds no weight decay, and without it AdamW is Adam.
        optimizer="adam" if config.optimizer == "adamw" else config.optimizer,
    )


def guard_of(config: RunConfig) -> float:
    """Return what hand-written losses may add to gradients: 0 unless the user's own code trains."""
    is_own = config.network is not None or config.network_torch is not None
    return GUARDS[config.dtype] if is_own else 0.0


def bounded_step(
    config: RunConfig, step: StepInput, *, dtype: str = "float64", guard: float = 0.0
) -> BoundedStep:
    """Compute one step by the reference's formulas, and what rounding can change in each number.

    Args:
        config: of the run; the rounding is that of its dtype.
        step: weights, optimizer memory, batch and learning rate.
        dtype: of this arithmetic. In the run's own dtype the values are no more exact than the
            engines', but the bounds are as good, for a third of the time.
        guard: what a hand-written loss may add, as a share of the largest gradient of a tensor.
    """
    with np.errstate(all="ignore"):
        return _Analysis(config, step, np.dtype(dtype), guard).run()


class _Analysis:
    """The arrays of one step."""

    def __init__(
        self, config: RunConfig, step: StepInput, dtype: np.dtype[np.floating], guard: float
    ) -> None:
        self._config, self._step, self._dtype, self._guard = config, step, dtype, guard
        self._spec = specification_of(config)
        self._unit = UNIT[config.dtype]
        tensors = {n: a.astype(dtype, copy=False) for n, a in step.state.weights.items()}
        self._layers = [
            (tensors[f"layers.{k}.weight"].T, tensors[f"layers.{k}.bias"])
            for k in range(len(tensors) // 2)
        ]
        masks = DropoutMasks(config, [len(w) for w, _ in self._layers])
        self._masks = masks.draw(step.state.updates, len(step.labels))
        self._inputs: list[Bounded] = []
        self._slopes: list[Bounded] = []
        """f'(Z_k) of each hidden layer (batch, width)."""

    def run(self) -> BoundedStep:
        logits = self._forward()
        y = np.eye(self._step.classes, dtype=self._dtype)[self._step.labels]
        outputs = self._outputs(logits)
        delta = self._delta(logits, outputs, y)
        loss = self._loss(logits, outputs, delta, y)
        gradients = self._backward(delta)
        weights = {name: self._updated(name, one) for name, one in gradients.items()}
        return BoundedStep(outputs, loss, gradients, weights)

    def _sum_error(self, terms: int) -> float:
        return CERTAINTY * float(np.sqrt(terms)) * self._unit

    def _forward(self) -> Bounded:
        u, last = self._unit, len(self._layers) - 1
        a = self._step.images.astype(self._dtype, copy=False)
        error = 2 * u * np.abs(a)
        z = Bounded(a, error)
        for k, (w, b) in enumerate(self._layers):
            if (mask := self._masks[k]) is not None:
                a, error = a * mask, (error + u * np.abs(a)) * mask
            self._inputs.append(Bounded(a, error))
            gamma = self._sum_error(len(w) + 1)
            # Z = X W + b                                           (batch, fan_out)
            sums = a @ w + b
            spread = (gamma * np.abs(a) + error) @ np.abs(w) + gamma * np.abs(b)
            z = Bounded(sums, spread)
            if k < last:
                a, error = self._activated(z)
        return z

    def _activated(self, z: Bounded) -> tuple[Numbers, Numbers]:
        """Return A = f(Z) and its error, both (batch, width); keep f'(Z)."""
        rule, u = nonlinearity(self._spec.activation_key), self._unit
        a, slope = rule.apply(z.values), rule.derivative(z.values)
        if self._config.activation in KINKED:
            is_at_kink = np.abs(z.values) <= z.error
            self._slopes.append(Bounded(slope, is_at_kink.astype(self._dtype)))
            return a, np.where(z.values > -z.error, z.error, slope * z.error)
        self._slopes.append(Bounded(slope, CURVATURE * z.error + FEW * u))
        error = (np.abs(slope) + CURVATURE * z.error) * z.error
        # GELU's z Φ(z) is small where z is not, and Φ(z) is off by u.
        error += FEW * u * np.maximum(np.abs(a), np.abs(z.values))
        return a, error

    def _outputs(self, z: Bounded) -> Bounded:
        """Return the probabilities (batch, classes)."""
        function, u = self._spec.output_function, self._unit
        p = outputs_from(z.values, function)
        if function == "softmax":
            # exp() turns errors of its argument into relative errors.
            depth = z.values.max(axis=1, keepdims=True) - z.values
            own = z.error + FEW * u * (1 + depth)
            return Bounded(p, p * (own + (p * own).sum(axis=1, keepdims=True)))
        ends = [outputs_from(z.values + s * z.error, function) for s in (1, -1)]
        return Bounded(p, np.abs(ends[0] - ends[1]) + FEW * u * np.maximum(np.abs(p), 1))

    def _delta(self, z: Bounded, outputs: Bounded, y: Numbers) -> Bounded:
        """Return δ = ∂L/∂Z (batch, classes) of the last layer."""
        loss, function, u = self._spec.loss, self._spec.output_function, self._unit
        delta, p = output_delta(z.values, y, loss, function), outputs.values
        if function == "softmax":
            error = outputs.error * (1 if loss == "cross-entropy" else FEW)
            if loss == "bce":
                # 1 - p has an error of 1, and is divided by twice where p is near 1.
                error = error / np.maximum(1 - p, u) ** 2
                error += error.sum(axis=1, keepdims=True)
        else:
            ends = [output_delta(z.values + s * z.error, y, loss, function) for s in (1, -1)]
            error = np.abs(ends[0] - ends[1]) + FEW * u * (np.abs(p - y) + np.abs(p * (1 - p)))
        batch = len(y)
        return Bounded(delta / batch, (error + FEW * u * np.abs(delta)) / batch)

    def _loss(self, z: Bounded, outputs: Bounded, delta: Bounded, y: Numbers) -> Bounded:
        each = loss_per_image(outputs.values, y, self._spec.loss)
        size = np.abs(each) + np.abs(z.values).max(axis=1)
        error = 2 * (np.abs(delta.values) * z.error).sum()
        error += (FEW * self._unit + self._sum_error(len(y))) * size.mean()
        return Bounded(np.asarray(each.mean()), np.asarray(error))

    def _backward(self, delta: Bounded) -> dict[str, Bounded]:
        found: dict[str, Bounded] = {}
        d, e, u = delta.values, delta.error, self._unit
        for k in reversed(range(len(self._layers))):
            x, w = self._inputs[k], self._layers[k][0]
            spread = e + self._sum_error(len(d)) * np.abs(d)
            # ∂L/∂Wᵀ = δᵀ X                                         (fan_out, fan_in)
            gradient = d.T @ x.values
            error = spread.T @ np.abs(x.values)
            error += np.abs(d).T @ x.error if k else 2 * u * np.abs(gradient)
            found[f"layers.{k}.weight"] = self._guarded(gradient, error)
            # ∂L/∂b = Σ_batch δ                                     (fan_out,)
            has_bias = self._spec.bias
            found[f"layers.{k}.bias"] = self._guarded(
                d.sum(axis=0) * has_bias, spread.sum(axis=0) * has_bias
            )
            if k == 0:
                break
            # δ ← (δ Wᵀ) ⊙ M ⊙ f'(Z)                                (batch, fan_in)
            back = d @ w.T
            e = (e + self._sum_error(w.shape[1]) * np.abs(d)) @ np.abs(w).T
            if (mask := self._masks[k]) is not None:
                back, e = back * mask, e * mask
            slope = self._slopes[k - 1]
            e = e * (np.abs(slope.values) + slope.error) + np.abs(back) * slope.error
            d = back * slope.values
            e += FEW * u * np.abs(d)
        return {name: found[name] for name in self._step.state.weights}

    def _guarded(self, gradient: Numbers, error: Numbers) -> Bounded:
        if self._guard:
            error = error + self._guard * np.abs(gradient).max(initial=0.0)
        return Bounded(gradient, error)

    def _updated(self, name: str, gradient: Bounded) -> Bounded:
        """Return the weights after the update, block by block."""
        before = self._step.state.weights[name].astype(self._dtype, copy=False).ravel()
        memory = [slot.ravel() for slot in self._memory(name)]
        values, errors = gradient.values.ravel(), gradient.error.ravel()
        centre, error = np.empty_like(before), np.empty_like(before)
        for start in range(0, before.size, BLOCK):
            part = slice(start, start + BLOCK)
            slots = [slot[part] for slot in memory]
            given = Bounded(values[part], errors[part])
            centre[part], error[part] = self._block_updated(before[part], slots, given)
        shape = self._step.state.weights[name].shape
        return Bounded(centre.reshape(shape), error.reshape(shape))

    def _block_updated(
        self, before: Numbers, memory: Sequence[Numbers], gradient: Bounded
    ) -> tuple[Numbers, Numbers]:
        """Return weights (n,) after the update, which is computed at both ends of the gradient."""
        u = self._unit
        spread = gradient.error + FEW * u * np.abs(gradient.values)
        if memory and self._config.optimizer != "rmsprop":
            # m ← β m + (1 - β) g: an error of β m counts as one of g, 9 times as large.
            spread += FEW * 10 * u * np.abs(memory[0])
        centre, *ends = (
            self._moved(before, memory, gradient.values + s * spread) for s in (0.0, 1.0, -1.0)
        )
        error = np.maximum(*(np.abs(end - centre) for end in ends))
        error += 2 * FEW * u * np.abs(centre - before)
        error += 2 * u * np.maximum(np.abs(before), np.abs(centre))
        return centre, error

    def _memory(self, name: str) -> list[Numbers]:
        rule = OPTIMIZERS[self._config.optimizer]
        slots, empty = self._step.state.slots, np.zeros_like(self._step.state.weights[name])
        found = [slots.get(f"{slot}.{name}", empty) for slot in rule.slot_names]
        return [slot.astype(self._dtype, copy=False) for slot in found]

    def _moved(self, before: Numbers, memory: Sequence[Numbers], gradient: Numbers) -> Numbers:
        theta = before.copy()
        rule = optimizer_for(self._config, theta)
        rule.learning_rate = self._step.learning_rate
        rule.updates = self._step.state.updates
        for slot, values in zip(rule.slots.values(), memory, strict=True):
            np.copyto(slot, values)
        # A copy: `update` uses it as scratch space.
        rule.update(theta, np.array(gradient, self._dtype))
        return theta
