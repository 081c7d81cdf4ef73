"""The epoch of a run that all its screens show: now, or a past one that was kept."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

from mlpwatch.core.config import EngineName
from mlpwatch.core.errors import MlpwatchError

if TYPE_CHECKING:
    from mlpwatch.core.analysis.past.past_epochs import PastEpoch, PastEpochs
    from mlpwatch.core.analysis.weight_store import WeightSnapshot
    from mlpwatch.core.run_source import RunSource

Move = Literal["back", "on", "first", "now"]
"""Where a key goes: to the epoch before, the next one, the first, or the newest state."""

LOOK_SECONDS = 0.25
"""Longest wait for the list of the kept epochs: it takes 0.3 ms, unless the disk does not answer;
then the list before is used."""


class ShownEpoch:
    """One for each followed run; its screens share it, so it stays when they change.

    Everything happens in the event loop, except the reading: in a thread, one epoch at a time, and
    always the newest that was asked for.
    """

    def __init__(self) -> None:
        self.epoch: int | None = None
        """The past epoch that is shown; None for now."""
        self.kept: tuple[int, ...] = ()
        """The kept epochs as listed last, oldest first: of any engine."""
        self.past: PastEpoch | None = None
        """What was read of `epoch`; None for now, while it is read, and if that failed."""
        self.fault = ""
        """Why `epoch` could not be read, in one line; empty if it could."""
        self.epochs: PastEpochs | None = None
        """Reads and predicts; None before the run is loaded."""
        self._source: RunSource | None = None
        self._kept_of: dict[EngineName, list[int]] = {}
        self._looking: asyncio.Task[dict[EngineName, list[int]]] | None = None
        self._is_reading = False

    def open(self, source: "RunSource") -> None:
        """Follow a run that has been loaded."""
        from mlpwatch.core.analysis.past.past_epochs import PastEpochs  # noqa: PLC0415 - first frame

        self._source, self.epochs = source, PastEpochs(source.run, source.config)

    @property
    def is_reading(self) -> bool:
        """Whether the epoch shown is kept and not there yet."""
        return self.epoch in self.kept and self.past is None and not self.fault

    @property
    def is_to_be_read(self) -> bool:
        """Whether the epoch shown is kept of an engine, and not read of that engine yet.

        The engines' checkpoints of an epoch reach the disk one by one, 0.1 to 1 s apart.
        """
        if self.past is None or self.past.epoch != self.epoch:
            return self.is_reading
        kept = {name for name, epochs in self._kept_of.items() if self.epoch in epochs}
        return not kept <= self.past.checkpoints.keys()

    def snapshot(self, name: EngineName) -> "WeightSnapshot | None":
        """Return an engine's weights of the epoch shown; None before they are there."""
        if self.epoch is not None:
            return self.past.store.latest(name) if self.past else None
        return self._source.weight_store.latest(name) if self._source else None

    def title(self, planned: int) -> str:
        """Return which epoch is shown and how to leave it; empty for now."""
        if self.epoch is None:
            return ""
        if self.is_reading:
            return f"reading epoch {self.epoch} …"
        return f"epoch {self.epoch} of {planned} · end: now"

    async def look(self) -> None:
        """List the kept epochs again; keep the old list if the disk does not answer soon."""
        if self.epochs is None:
            return
        looking = self._looking
        if looking is None:
            looking = self._looking = asyncio.create_task(asyncio.to_thread(self.epochs.kept))
        done, _ = await asyncio.wait({looking}, timeout=LOOK_SECONDS)
        if done:
            # A key and the bar may wait for the same list.
            if self._looking is looking:
                self._looking = None
            self._kept_of = looking.result()
            self.kept = tuple(sorted({epoch for one in self._kept_of.values() for epoch in one}))

    def go(self, move: Move, newest: int, others: Iterable[int] = ()) -> bool:
        """Go to another epoch; return whether there is any in the past.

        Args:
            move: where to. On, from the last past epoch, goes to now.
            newest: epochs done: that epoch is now.
            others: epochs that can be shown though they are not kept.
        """
        if move == "now":
            self.leave()
            return True
        epochs = sorted(epoch for epoch in {*self.kept, *others} if epoch < newest)
        if not epochs:
            return self.epoch is not None
        match move:
            case "first":
                there: int | None = epochs[0]
            case "back":
                here = newest if self.epoch is None else self.epoch
                there = max((epoch for epoch in epochs if epoch < here), default=epochs[0])
            case "on":
                here = newest if self.epoch is None else self.epoch
                there = min((epoch for epoch in epochs if epoch > here), default=None)
        self._show(there)
        return True

    def leave(self) -> None:
        """Show now again."""
        self._show(None)

    def snap(self) -> str:
        """Go to a kept epoch if the one shown is not; return a line about it, else an empty text.

        A screen that needs weights can't show an epoch of which only the numbers are known.
        """
        wanted = self.epoch
        if wanted is None or wanted in self.kept or (self.past and self.past.epoch == wanted):
            return ""
        if not self.kept:
            self.leave()
            return f"the weights of epoch {wanted} are not kept; this is now"
        epoch = max((one for one in self.kept if one <= wanted), default=self.kept[0])
        self._show(epoch)
        return f"the weights of epoch {wanted} are not kept; this is epoch {epoch}"

    async def read(self, draw: Callable[[], None]) -> None:
        """Read the epoch shown in a thread, then draw; of several asked for only the newest."""
        if self._is_reading or self.epochs is None:
            return
        self._is_reading = True
        try:
            while self.is_to_be_read and (epoch := self.epoch) is not None:
                past, fault = await self._read(self.epochs, epoch)
                if epoch == self.epoch:
                    self.past, self.fault = past, fault
                    break
        finally:
            self._is_reading = False
        draw()

    @staticmethod
    async def _read(epochs: "PastEpochs", epoch: int) -> "tuple[PastEpoch | None, str]":
        try:
            return await asyncio.to_thread(epochs.read, epoch), ""
        except (MlpwatchError, OSError, MemoryError) as error:
            why = str(error) or "out of memory"
            return None, f"epoch {epoch} can't be shown: {why}"

    def _show(self, epoch: int | None) -> None:
        if epoch != self.epoch:
            self.epoch, self.past, self.fault = epoch, None, ""
