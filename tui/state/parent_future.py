"""What the parent of a branch did from the epoch on at which the branch begins."""

from collections.abc import Iterable

from mlpwatch.core.config import EngineName
from mlpwatch.core.epochs import EpochRecord, Matrix
from mlpwatch.tui.state.epoch_curves import MOST_EPOCHS, is_kept


class ParentFuture:
    """The parent's epochs, of a long run those that `is_kept` names. Empty for other runs."""

    def __init__(self, records: Iterable[EpochRecord] = ()) -> None:
        self._epochs: dict[EngineName, dict[int, EpochRecord]] = {}
        self.add(records)

    def add(self, records: Iterable[EpochRecord]) -> None:
        """Add epochs; one that is there is replaced: the parent was resumed before it."""
        for record in records:
            self._epochs.setdefault(record.engine, {})[record.epoch] = record
            if len(self._epochs[record.engine]) > 2 * MOST_EPOCHS:
                self._thin(record.engine)
        for name in self._epochs:
            self._thin(name)

    def _thin(self, name: EngineName) -> None:
        known = self._epochs[name]
        if len(known) > MOST_EPOCHS:
            first, newest = min(known), max(known)
            self._epochs[name] = {
                epoch: known[epoch] for epoch in known if epoch == first or is_kept(epoch, newest)
            }

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._epochs)

    def of(self, engine: EngineName) -> list[EpochRecord]:
        """Return an engine's epochs in ascending order."""
        return sorted(self._epochs.get(engine, {}).values(), key=lambda record: record.epoch)

    def all(self) -> list[EpochRecord]:
        """Return the epochs of all engines."""
        return [record for name in self._epochs for record in self.of(name)]

    def matrix(self, engine: EngineName, epoch: int) -> "Matrix | None":
        """Return an engine's confusion matrix after an epoch; None if it is not known."""
        record = self._epochs.get(engine, {}).get(epoch)
        return record.confusion if record else None
