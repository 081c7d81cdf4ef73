"""The user's labelled drawings, stored per data set in the user's data folder."""

import base64
import binascii
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from platformdirs import user_data_path

from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.drawing.sketch import Ink
from mlpwatch.core.errors import DataError, RunError
from mlpwatch.core.files.line_file import LineFile
from mlpwatch.core.files.strict_json import parse_object, take_whole, to_json
from mlpwatch.core.files.user_folders import user_folder
from mlpwatch.core.text import printable

MOST_DRAWINGS = 500
"""Only the newest are read: at 28x28 they take half a megabyte, their prediction milliseconds."""

_LINE_BYTES = 4 * 2**20
"""Longest line that is parsed; an image of 28x28 takes 1.1 kB."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One labelled drawing of the user."""

    label: int
    image: Ink
    """(height, width), a network's input before scaling to the run's pixel range."""
    line: bytes
    """The drawing's line in the file."""


def drawings_folder() -> Path:
    """Return the folder of the drawings: `MLPWATCH_DRAWINGS`, or in the user's data folder.

    It is not beside the runs: drawings belong to the user and are tested on every later run.

    Raises:
        DataError: there is no such folder.
    """
    own = partial(user_data_path, "mlpwatch", appauthor=False)
    return user_folder("MLPWATCH_DRAWINGS", lambda: own() / "drawings")


class DrawingSet:
    """The drawings for one data set: JSON lines, each synced before it counts as saved.

    Args:
        path: of the file, which need not exist yet, or a function that returns it.
        shape: (height, width) of the images.
        classes: number of classes.
    """

    def __init__(
        self, path: Path | Callable[[], Path], shape: tuple[int, int], classes: int
    ) -> None:
        self._path, self._shape, self._classes = path, shape, classes

    @property
    def path(self) -> Path:
        """The file.

        Raises:
            DataError: the user has no folder for it.
        """
        return self._path() if callable(self._path) else self._path

    @classmethod
    def for_dataset(cls, dataset: Dataset) -> "DrawingSet":
        """Return the set that belongs to a data set's name and image size."""
        height, width = dataset.image_shape
        # The name may come from any file; 60 characters are below every file system's limit.
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", dataset.name)[:60]
        file = f"{name}-{height}x{width}.jsonl"
        return cls(lambda: drawings_folder() / file, dataset.image_shape, dataset.classes)

    def add(self, label: int, image: Ink) -> None:
        """Save one more drawing (height, width) of ink from 0 to 1, as 256 grey levels.

        Raises:
            DataError: it could not be written; nothing was added.
        """
        levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        fields = {
            "label": label,
            "shape": list(image.shape),
            "ink": base64.b64encode(levels.tobytes()).decode("ascii"),
            "drawn": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._append(to_json(fields))

    def remove(self, drawing: Drawing) -> None:
        """Remove a drawing from the file; of several identical drawings, only one.

        Raises:
            DataError: the file could not be written; nothing was removed.
        """
        found = 0

        def is_dropped(line: bytes) -> bool:
            nonlocal found
            found += line == drawing.line
            return line == drawing.line and found == 1

        try:
            LineFile(self.path).trim_lines(is_dropped)
        except (OSError, RunError) as error:
            why = getattr(error, "strerror", None) or error
            raise DataError(
                f"{printable(self.path)}: {why}; nothing was deleted; make its folder writable"
            ) from error

    def restore(self, drawing: Drawing) -> None:
        """Save a removed drawing again, as the newest.

        Raises:
            DataError: it could not be written; nothing was added.
        """
        self._append(drawing.line.decode())

    def _append(self, line: str) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            LineFile(self.path).append_text(line)
        except OSError as error:
            raise DataError(
                f"{printable(self.path)}: {error.strerror or error}; the drawing was not kept;"
                " make room there, or set MLPWATCH_DRAWINGS to another folder"
            ) from error

    def read(self) -> list[Drawing]:
        """Return the newest drawings, oldest first; invalid lines are skipped.

        Raises:
            DataError: the file can't be read.
        """
        if not self.path.is_file():
            return []
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _LINE_BYTES))
                lines = file.read().split(b"\n")[:-1]
        except OSError as error:
            raise DataError(
                f"{printable(self.path)}: {error.strerror}; make it readable or move it away"
            ) from error
        found = [self._parse(line) for line in lines]
        return [drawing for drawing in found if drawing is not None][-MOST_DRAWINGS:]

    def _parse(self, line: bytes) -> Drawing | None:
        try:
            fields = parse_object(line)
            label = take_whole(fields, "label")
            levels = np.frombuffer(base64.b64decode(fields["ink"], validate=True), np.uint8)
            if fields["shape"] != list(self._shape) or label >= self._classes:
                return None
            image = levels.reshape(self._shape).astype(np.float32) / np.float32(255)
        except (ValueError, KeyError, TypeError, binascii.Error):
            return None
        return Drawing(label, image, line)
