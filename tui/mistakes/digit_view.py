"""A large image centred in its pane."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from mlpwatch.tui.images.renderers import Renderer, image_canvas
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.terminal.app import HasPicture, TerminalApp
from mlpwatch.tui.terminal.window.pictures import Placement

_GREY_AND_ALPHA = 4
"""PNG's colour type (ISO 15948, 11.2.1)."""

_LIGHT_INK, _DARK_INK = 224, 31
"""Greys of full ink: those of the themes' text."""


class DigitView(CellView, HasPicture):
    """Shows a centred image, or a text if there is none."""

    _image: NDArray[np.floating] | None = None
    _renderer: Renderer = "ramp"
    _absent = ""

    def update(
        self,
        image: NDArray[np.floating] | None,
        renderer: Renderer = "ramp",
        *,
        absent: str = "",
    ) -> None:
        """Show an image (height, width) of ink from 0 to 1; without one, the text `absent`."""
        self._image, self._renderer, self._absent = image, renderer, absent
        if renderer != "pixels" or image is None:
            self.picture = None
        self.repaint()
        if isinstance(self.app, TerminalApp):
            self.app.show_pictures_of(self)

    def paint(self, width: int, height: int) -> Canvas:
        """Return the image, centred."""
        canvas = Canvas(width, height)
        if self._image is None:
            x = max(0, (width - len(self._absent)) // 2)
            canvas.put(x, height // 2, self._absent, Role.DIM)
            return canvas
        is_in_pixels = self._renderer == "pixels"
        cells = "half blocks" if is_in_pixels else self._renderer
        picture = image_canvas(self._image, width, height, cells)
        x = max(0, (width - picture.width) // 2)
        y = max(0, (height - picture.height) // 2)
        if is_in_pixels:
            grey = _DARK_INK if not self.app.current_theme.dark else _LIGHT_INK
            png = png_of(self._image, grey)
            self.picture = Placement(x, y, picture.width, picture.height, png)
        else:
            canvas.paste(picture, x, y)
        return canvas


def png_of(ink: NDArray[np.floating], grey: int) -> bytes:
    """Return a PNG (ISO 15948) whose ink covers the terminal's own background.

    Args:
        ink: (height, width), from 0 to 1; NaN counts as 0.
        grey: of full ink, from 0 to 255.
    """
    height, width = ink.shape
    pixels = np.zeros((height, 1 + 2 * width), np.uint8)
    pixels[:, 1::2] = grey
    pixels[:, 2::2] = np.rint(255 * np.clip(np.nan_to_num(ink), 0, 1))
    head = struct.pack(">IIBBBBB", width, height, 8, _GREY_AND_ALPHA, 0, 0, 0)
    data = zlib.compress(pixels.tobytes(), 9)
    parts = [(b"IHDR", head), (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in parts)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
