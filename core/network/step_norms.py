"""How far a step moves each layer: the norms of its gradient, its weights and its update."""

from math import inf, sqrt
from typing import NamedTuple

import numpy as np

from mlpwatch.core.arrays import Floats, aligned_empty
from mlpwatch.core.network.layers import Parameters, Vector


class LayerNorms(NamedTuple):
    """One layer in one step, without its biases; each the root of the sum of squares."""

    gradient: float
    """‖∂L/∂W‖"""
    weights: float
    """‖W‖ before the step."""
    update: float
    """‖ΔW‖, the change by the optimizer."""

    @property
    def update_ratio(self) -> float:
        """‖ΔW‖ ÷ ‖W‖; infinite if W was 0 and is not any more."""
        if self.weights:
            return self.update / self.weights
        return inf if self.update else 0.0


def norm_of(array: Floats) -> float:
    """Return ‖x‖ of an array in C order; infinite if its square overflows."""
    flat = array.reshape(-1)
    # ‖x‖ = √Σ x²; a product takes a fifth of the time of `np.linalg.norm`
    return sqrt(flat.dot(flat))


class StepMeter:
    """Measures a step of flat parameters θ around the optimizer's update.

    It only reads θ and ∂L/∂θ. The copy of θ is made once per measured step.

    Args:
        parameters: of the network; their gradient is scratch space of the optimizer.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._theta: Vector = parameters.theta
        self._before: Vector = aligned_empty(parameters.theta.size, parameters.theta.dtype)
        self._gradients = [w for w, _ in parameters.by_layer(parameters.gradient)]
        self._copies = [w for w, _ in parameters.by_layer(self._before)]
        self._norms: list[tuple[float, float]] = []

    def before_update(self) -> None:
        """Take ∂L/∂W and W, after the backward pass."""
        np.copyto(self._before, self._theta)
        pairs = zip(self._gradients, self._copies, strict=True)
        self._norms = [(norm_of(gradient), norm_of(w)) for gradient, w in pairs]

    def after_update(self) -> tuple[LayerNorms, ...]:
        """Return the norms of each layer, input side first."""
        # ΔW = W - W before
        np.subtract(self._theta, self._before, out=self._before)
        pairs = zip(self._norms, self._copies, strict=True)
        return tuple(LayerNorms(*norms, norm_of(change)) for norms, change in pairs)
