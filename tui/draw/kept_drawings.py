"""The user's own set on the draw screen: drawings are kept, chosen, deleted and restored."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import EngineName
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.drawing.own_set import Drawing, DrawingSet
from mlpwatch.core.errors import DataError
from mlpwatch.tui.formatting import with_keys


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A drawing of the user's own set, with both models' predictions."""

    label: int
    predictions: Mapping[EngineName, tuple[int, float]]
    """Predicted class and its probability, of each model that has been evaluated."""


@dataclass(frozen=True, slots=True)
class OwnSet:
    """The user's labelled drawings."""

    rows: Sequence[KeptRow] = ()
    """Oldest first."""
    accuracies: Mapping[EngineName, float] = field(default_factory=dict)
    """0 to 1."""


class KeptDrawings:
    """Changes the set in a thread, one change at a time; each returns a message for the user.

    Args:
        dataset: the set's data set.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._set, self._names = DrawingSet.for_dataset(dataset), dataset.class_names
        self._turn = asyncio.Lock()
        self._deleted: list[Drawing] = []
        self.drawings: list[Drawing] = []
        """As read last, oldest first."""
        self.chosen: int | None = None
        """The chosen drawing, counted from the newest; None if none is chosen."""

    def choose(self, by: int) -> None:
        """Choose an older drawing, or a newer one if `by` is negative; at first the newest."""
        if self.drawings:
            wanted = 0 if self.chosen is None else self.chosen + by
            self.chosen = min(max(wanted, 0), len(self.drawings) - 1)

    async def read(self) -> list[Drawing]:
        """Read the set from disk.

        Raises:
            DataError: it can't be read.
        """
        async with self._turn:
            self.drawings = await asyncio.to_thread(self._set.read)
            self._keep_choice()
            return self.drawings

    async def add(self, label: int, picture: NDArray[np.float32]) -> str:
        """Keep a drawing, (height, width) of ink."""
        async with self._turn:
            try:
                await asyncio.to_thread(self._set.add, label, picture)
            except DataError as error:
                return str(error)
            self.chosen = None
            return f"kept in {self._set.path}"

    async def delete(self) -> str:
        """Delete the chosen drawing, or the newest."""
        async with self._turn:
            if not self.drawings:
                return "nothing to delete: your set is empty"
            place = len(self.drawings) - 1 - (self.chosen or 0)
            drawing = self.drawings[place]
            try:
                await asyncio.to_thread(self._set.remove, drawing)
            except DataError as error:
                return str(error)
            self._deleted.append(drawing)
            del self.drawings[place]
            self._keep_choice()
            restores = with_keys("{u} restores it")
            return f"deleted a {self._names[drawing.label]} from your set; {restores}"

    async def take_back(self) -> str:
        """Restore the drawing deleted last, as the newest one."""
        async with self._turn:
            if not self._deleted:
                return "nothing to restore: nothing was deleted since this screen was opened"
            drawing = self._deleted[-1]
            try:
                await asyncio.to_thread(self._set.restore, drawing)
            except DataError as error:
                return str(error)
            self._deleted.pop()
            self.drawings.append(drawing)
            return f"restored a {self._names[drawing.label]}"

    def _keep_choice(self) -> None:
        if self.chosen is not None:
            self.chosen = min(self.chosen, len(self.drawings) - 1) if self.drawings else None
