"""What a terminal shows of the bytes that it gets: pyte, with the alternate screen of xterm."""

import re
from collections.abc import Callable
from copy import copy
from typing import Any

import pyte

ALTERNATE_SCREEN = 1049
"""xterm's private mode: save the cursor, show an empty screen; reset, the one before comes back."""

_UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>=][0-9;]*[a-z]")
"""Keyboard protocol switches, which pyte would print."""

_UNFINISHED = re.compile(rb"\x1b(\[[<>=0-9;?]*)?$")


class Emulator(pyte.Screen):
    """A screen that bytes are fed to as they come.

    Without the alternate screen, rows from before a suspended program was continued would pass
    for rows that it has drawn since.

    Args:
        columns: of the terminal.
        rows: of the terminal.
        answer: takes what the terminal says when it is asked where the cursor is; None for one
            that never answers.
    """

    def __init__(
        self, columns: int, rows: int, answer: Callable[[str], object] | None = None
    ) -> None:
        self._answer = answer
        self._main: tuple[dict[int, Any], pyte.screens.Cursor] | None = None
        self._pending = b""
        super().__init__(columns, rows)
        self._stream = pyte.ByteStream(self)

    def set_mode(self, *modes: int, **kwargs: bool) -> None:
        """Switch modes on; the alternate one once, however often it is asked for."""
        super().set_mode(*modes, **kwargs)
        if kwargs.get("private") and ALTERNATE_SCREEN in modes and self._main is None:
            self._main = (dict(self.buffer), copy(self.cursor))
            self.buffer.clear()
            self.dirty.update(range(self.lines))

    def reset_mode(self, *modes: int, **kwargs: bool) -> None:
        """Switch modes off; the screen from before the alternate one comes back."""
        super().reset_mode(*modes, **kwargs)
        if kwargs.get("private") and ALTERNATE_SCREEN in modes and self._main is not None:
            rows, self.cursor = self._main
            self._main = None
            self.buffer.clear()
            self.buffer.update(rows)
            self.dirty.update(range(self.lines))

    def write_process_input(self, data: str) -> None:
        """Answer a question."""
        if self._answer is not None:
            self._answer(data)

    def show(self, data: bytes) -> None:
        """Take bytes, which may end within a sequence."""
        data = _UNKNOWN_TO_PYTE.sub(b"", self._pending + data)
        cut = _UNFINISHED.search(data)
        self._pending = data[cut.start() :] if cut else b""
        self._stream.feed(data[: cut.start()] if cut else data)

    def text(self) -> str:
        """Return the rows, without blanks at their ends."""
        return "\n".join(row.rstrip() for row in self.display)
