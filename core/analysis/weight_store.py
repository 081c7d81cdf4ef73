"""Copies of the weights that trainers publish for the screen and the analyses."""

from dataclasses import dataclass

from mlpwatch.core.arrays import Tensors
from mlpwatch.core.config import EngineName


@dataclass(frozen=True, slots=True)
class WeightSnapshot:
    """One engine's weights at one step."""

    engine: EngineName
    epoch: int
    """Epochs done."""
    step: int
    """Steps done."""
    weights: Tensors
    """A copy; nothing writes to it."""


class WeightStore:
    """Holds the newest weights of each engine; readers and trainers never wait for each other.

    Each method reads or writes one entry of a dict, which is atomic in Python: no lock is needed.
    """

    def __init__(self) -> None:
        self._latest: dict[EngineName, WeightSnapshot] = {}
        self._evaluated: dict[EngineName, WeightSnapshot] = {}

    def publish(self, snapshot: WeightSnapshot, *, evaluated: bool = False) -> None:
        """Replace an engine's older snapshot.

        Args:
            snapshot: its weights must not be written to afterwards.
            evaluated: whether the newest `EpochDone` was evaluated with these weights.
        """
        latest = self._latest.get(snapshot.engine)
        # An epoch is published after its validation; by then a newer snapshot may be here.
        if latest is None or snapshot.step >= latest.step:
            self._latest[snapshot.engine] = snapshot
        if evaluated:
            self._evaluated[snapshot.engine] = snapshot

    def latest(self, engine: EngineName) -> WeightSnapshot | None:
        """Return the newest weights, or None before the first.

        They date from the last epoch, checkpoint or `RunSource.ask_for_weights`.
        """
        return self._latest.get(engine)

    def evaluated(self, engine: EngineName) -> WeightSnapshot | None:
        """Return the weights of the newest `EpochDone`; None before the first."""
        return self._evaluated.get(engine)
