"""The gap of the two networks: the largest difference of any weight after the same steps."""

from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Tensors
from mlpwatch.core.config import EngineName
from mlpwatch.core.events import GapMeasured

PENDING_BYTES = 16 * 2**20
"""Most bytes of weights kept of the engine that is ahead: 40 epochs of 784-128-10, NumPy's lead
after half a minute at full speed. Beyond that its newest epochs are not measured: the slower engine
needs the oldest first."""


@dataclass(frozen=True, slots=True)
class PublishedWeights:
    """One engine's weights and loss at the end of an epoch."""

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
        self._pending: dict[int, tuple[PublishedWeights, int]] = {}
        self._room: NDArray[np.uint8] | None = None
        self._free: list[int] = []

    def publish(self, own: PublishedWeights) -> GapMeasured | None:
        """Receive an engine's weights; return the gap if the other engine's have arrived too."""
        with self._lock:
            other, slot = self._pending.pop(own.epoch, (None, -1))
            if other is None:
                self._keep(own)
                return None
            # Measured under the lock: later other weights overwrite these.
            gap = measure_gap(own, other) if other.engine != own.engine else None
            self._free.append(slot)
            if gap is None:
                self._keep(own)
            return gap

    def _keep(self, own: PublishedWeights) -> None:
        """Keep a copy of weights until the other engine's arrive; drop them if there is no room."""
        if self._room is None:
            # One block, allocated and written at once: allocating and freeing weights one by one
            # for an hour fragments the heap, which then never shrinks.
            slots = max(1, PENDING_BYTES // max(1, own.size))
            self._room = np.full((slots, own.size), 0, np.uint8)
            self._free = list(range(slots))
        if self._free:
            slot = self._free.pop()
            kept = replace(own, weights=_copied(own.weights, self._room[slot]))
            self._pending[own.epoch] = kept, slot


def _copied(weights: Tensors, room: NDArray[np.uint8]) -> Tensors:
    """Return copies of weights in the memory of `room` (bytes,)."""
    copies, start = {}, 0
    for name, array in weights.items():
        copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        np.copyto(copy, array)
        copies[name], start = copy, start + array.nbytes
    return copies


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
