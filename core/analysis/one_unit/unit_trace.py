"""One unit, one image, one step: the sum that the unit forms, and the gradient that returns to it.

Forward, unit j of layer k computes for an image

    z = Σ_i w_i x_i + b        a = f(z)

with its weights w (fan_in,), row j of `layers.K.weight`. Backward it receives

    δ = ∂L/∂z = f'(z) Σ_n w_nj δ_n        ∂L/∂w_i = Σ_images x_i δ

with the sum over the units n of the next layer; for an output unit the loss gives δ. The numbers
that an engine returns (x, a, ∂L/∂w) are its own; z and δ are computed from them in float64.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.step_trace import BatchPass, EngineTrace, StepTrace
from mlpwatch.core.arrays import Tensors
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.network.activations import activation_of
from mlpwatch.core.network.layers import Activation
from mlpwatch.core.network.losses import loss_for

Vector = NDArray[np.float64]


class UnitChoice(NamedTuple):
    """Which unit, for which image."""

    layer: int
    """0 is the first layer with weights; the last gives the logits."""
    unit: int
    image: int
    """Rank in the batch by falling loss; 0 is the worst."""


@dataclass(frozen=True, slots=True)
class UnitTrace:
    """One unit's part in one step of one engine, for one image of the batch."""

    place: int
    """Of the image in the batch."""
    inputs: Vector
    """x (fan_in,): pixels or activations, after dropout."""
    weights: Vector
    """w (fan_in,)"""
    bias: float
    output: float
    """a; for an output unit its probability."""
    derivative: float | None
    """f'(z); None for an output unit."""
    delta: float
    """δ = ∂L/∂z of this image; the mean over the batch is part of L."""
    gradient: Vector
    """∂L/∂w (fan_in,) of the whole batch."""
    bias_gradient: float
    next_weights: Vector
    """(next width,) the weights by which the next layer uses a; empty for an output unit."""
    next_deltas: Vector
    """(next width,) δ of those units."""
    kept: float
    """The factor of a's dropout mask: 1 without dropout."""

    @property
    def terms(self) -> Vector:
        """Return w_i x_i (fan_in,)."""
        return self.weights * self.inputs

    @property
    def z(self) -> float:
        """Return Σ_i w_i x_i + b, summed without rounding; NaN where the network has diverged."""
        try:
            return fsum([*self.terms, self.bias])
        except (OverflowError, ValueError):  # infinities of both signs
            return nan

    @property
    def returning(self) -> Vector:
        """Return w_n δ_n (next width,): what each unit of the next layer sends back."""
        return self.next_weights * self.next_deltas


def unit_counts(trace: EngineTrace) -> list[int]:
    """Return the number of units of each layer with weights, input side first."""
    return [len(array) for key, array in trace.state.weights.items() if key.endswith(".weight")]


def image_place(engines: Mapping[EngineName, EngineTrace], name: EngineName, rank: int) -> int:
    """Return the place in an engine's batch of an image, given by its rank.

    Engines at the same step have the same batch, and then show the same image: the ranks are those
    of the first engine. Otherwise each has its own.
    """
    first, own = next(iter(engines.values())), engines[name]
    shared = np.array_equal(first.rows, own.rows)
    order = (first if shared else own).worst_first
    return order[min(rank, len(order) - 1)]


def busiest_unit(trace: StepTrace, layer: int) -> int:
    """Return the unit of a layer whose weights have the greatest gradient in the first engine."""
    first = next(iter(trace.engines.values()))
    norms = np.linalg.norm(first.before.gradient[f"layers.{layer}.weight"], axis=1)
    return int(np.nan_to_num(norms).argmax())


def trace_unit(
    config: RunConfig,
    trace: StepTrace,
    name: EngineName,
    choice: UnitChoice,
    *,
    after: bool = False,
) -> UnitTrace:
    """Return one unit's part in the step of one engine.

    Args:
        config: of the run.
        trace: of the step.
        name: the engine.
        choice: of unit and image; both exist.
        after: use the weights after the step, on the same batch; only for a step that was taken.

    Raises:
        ValueError: `after`, but the step was not taken.
    """
    one, (k, unit, rank) = trace.engines[name], choice
    done, state = (one.after, one.updated) if after else (one.before, one.state)
    if done is None:
        raise ValueError("no numbers after the step: it was not taken yet")
    own = _Image(config, one, done, state.weights, image_place(trace.engines, name, rank))
    n, is_output = own.place, k == len(done.activations) - 2
    with np.errstate(all="ignore"):  # a diverged network has NaN and infinity
        deltas, output = own.deltas(name), done.activations[k + 1][n, unit]
        if is_output:
            logits = done.activations[-1][n : n + 1]
            output = loss_for(config, name).probabilities(logits)[0, unit]
        mask = None if is_output else one.masks[k + 1]
        return UnitTrace(
            place=n,
            inputs=own.entering(k),
            weights=_wide(own.weights[f"layers.{k}.weight"][unit]),
            bias=float(own.weights[f"layers.{k}.bias"][unit]),
            output=float(output),
            derivative=None if is_output else float(own.derivatives(k)[unit]),
            delta=float(deltas[k][unit]),
            gradient=_wide(done.gradient[f"layers.{k}.weight"][unit]),
            bias_gradient=float(done.gradient[f"layers.{k}.bias"][unit]),
            next_weights=_NONE if is_output else _wide(own.matrix(k + 1)[:, unit]),
            next_deltas=_NONE if is_output else deltas[k + 1],
            kept=1.0 if mask is None else float(mask[n, unit]),
        )


def unit_batch(trace: EngineTrace, choice: UnitChoice) -> tuple[NDArray[np.float64], Vector]:
    """Return w_i x_i (batch, fan_in) and z (batch,) of one unit for every image of the batch."""
    k, unit, _ = choice
    x, mask = trace.before.activations[k].astype(np.float64), trace.masks[k]
    w = _wide(trace.state.weights[f"layers.{k}.weight"][unit])
    with np.errstate(all="ignore"):
        terms: NDArray[np.float64] = (x if mask is None else x * mask) * w
        return terms, terms.sum(axis=1) + trace.state.weights[f"layers.{k}.bias"][unit]


_NONE: Vector = np.empty(0)


def _wide(array: NDArray[np.floating]) -> Vector:
    return np.array(array, np.float64)


@dataclass(frozen=True, slots=True)
class _Image:
    """One image's way through a network and back, in float64."""

    config: RunConfig
    step: EngineTrace
    done: BatchPass
    weights: Tensors
    place: int

    def matrix(self, k: int) -> NDArray[np.floating]:
        return self.weights[f"layers.{k}.weight"]

    def entering(self, k: int) -> Vector:
        """Return X_k (fan_in,): A_k after the dropout mask."""
        x, mask = _wide(self.done.activations[k][self.place]), self.step.masks[k]
        return x if mask is None else x * mask[self.place]

    def derivatives(self, k: int) -> Vector:
        """Return f'(Z_k) (width,), by the layer that training uses."""
        z = _wide(self.matrix(k)) @ self.entering(k) + self.weights[f"layers.{k}.bias"]
        layer = Activation(activation_of(self.config), (1, len(z)), z.dtype)
        layer.forward(z[np.newaxis])
        return _wide(layer.backward(np.ones((1, len(z))))[0])

    def deltas(self, name: EngineName) -> list[Vector]:
        """Return δ_k (width,) of every layer, input side first."""
        loss, last = loss_for(self.config, name), len(self.done.activations) - 2
        loss.forward(np.asfortranarray(self.done.activations[-1], np.float64), self.step.labels)
        found = [_wide(loss.backward()[self.place])]
        for k in range(last, 0, -1):
            # δ_k-1 = (δ_k W_kᵀ) ⊙ M_k ⊙ f'(Z_k-1)
            back: Vector = found[0] @ _wide(self.matrix(k))
            if (mask := self.step.masks[k]) is not None:
                back *= mask[self.place]
            found.insert(0, back * self.derivatives(k - 1))
        return found
