"""Where trainers leave copies of their weights for whoever wants to look at them."""

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
    """A copy that nobody writes to any more."""


class WeightStore:
    """Holds the newest weights of each engine; readers and trainers never wait for each other.

    Each method reads or writes one entry of a dict, which Python does in one piece: no lock.
    """

    def __init__(self) -> None:
        self._latest: dict[EngineName, WeightSnapshot] = {}
        self._evaluated: dict[EngineName, WeightSnapshot] = {}

    def publish(self, shown: WeightSnapshot, *, evaluated: bool = False) -> None:
        """Replace what an engine showed before.

        Args:
            shown: the weights; not to be written to afterwards.
            evaluated: the newest `EpochDone` was read with these.
        """
        latest = self._latest.get(shown.engine)
        # An epoch is shown once it has been read; newer weights may have been asked for by then.
        if latest is None or shown.step >= latest.step:
            self._latest[shown.engine] = shown
        if evaluated:
            self._evaluated[shown.engine] = shown

    def latest(self, engine: EngineName) -> WeightSnapshot | None:
        """Return the newest weights, or None before an engine has shown any.

        They are as old as the last epoch, checkpoint or `Session.ask_for_weights`.
        """
        return self._latest.get(engine)

    def evaluated(self, engine: EngineName) -> WeightSnapshot | None:
        """Return the weights with which the newest `EpochDone` was read; None before the first."""
        return self._evaluated.get(engine)
