"""How far the two networks are apart: the same steps, the largest difference of any weight."""

from dataclasses import dataclass
from threading import Lock

import numpy as np

from core.config import EngineName
from core.engine import Tensors
from core.telemetry import GapMeasured

PENDING_BYTES = 16 * 2**20
"""Weights kept for the engine that is ahead: 40 epochs of 784-128-10, which NumPy is ahead after
half a minute at full speed. Beyond, its newest epochs go unmeasured: the slower one asks for the
oldest first."""


@dataclass(frozen=True, slots=True)
class PublishedWeights:
    """What one engine shows of itself at an epoch's end."""

    engine: EngineName
    epoch: int
    step: int
    train_loss: float
    weights: Tensors
    """A copy."""

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(array.nbytes for array in self.weights.values())


class GapMeter:
    """Receives weights from both trainers and compares them epoch by epoch."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pending: dict[int, PublishedWeights] = {}
        self._pending_bytes = 0

    def publish(self, own: PublishedWeights) -> GapMeasured | None:
        """Take in an engine's weights; return the gap once the other one's are there too."""
        with self._lock:
            other = self._take(own.epoch)
            if other is None or other.engine == own.engine:
                self._pending[own.epoch] = own
                self._pending_bytes += own.size
                self._forget_newest()
                return None
        return measure_gap(own, other)

    def _take(self, epoch: int) -> PublishedWeights | None:
        """Take an epoch's weights out; None if there are none."""
        taken = self._pending.pop(epoch, None)
        self._pending_bytes -= taken.size if taken else 0
        return taken

    def _forget_newest(self) -> None:
        # Small networks wait by the thousand: their bytes are counted once, not at every epoch.
        # Of one that is larger than all that may wait, a single epoch does.
        while self._pending_bytes > PENDING_BYTES and len(self._pending) > 1:
            self._take(max(self._pending))


def measure_gap(own: PublishedWeights, other: PublishedWeights) -> GapMeasured:
    """Compare two engines after the same epoch."""
    layers = layer_differences(own.weights, other.weights)
    return GapMeasured(
        engine=own.engine,
        epoch=own.epoch,
        step=own.step,
        weight_difference=max(layers),
        layer_differences=layers,
        loss_difference=abs(own.train_loss - other.train_loss),
    )


def layer_differences(one: Tensors, other: Tensors) -> tuple[float, ...]:
    """Return max |w - w'| per layer, input side first; weights and biases together.

    NaN in either network makes its layer's difference NaN.
    """
    layers: dict[str, float] = {}
    for name, weights in one.items():
        layer = name.rsplit(".", 1)[0]
        difference = float(np.abs(weights - other[name]).max())
        layers[layer] = float(np.maximum(layers.get(layer, 0.0), difference))
    return tuple(layers.values())
