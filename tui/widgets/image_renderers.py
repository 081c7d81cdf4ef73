"""Images as cells of a terminal: an ASCII ramp, half blocks in grey, or braille dots."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tui.palette import GREY_STEPS, Grey, Role
from tui.widgets.cells import Canvas
from tui.widgets.digit import RAMP, digit_rows, resample

Renderer = Literal["ramp", "half blocks", "braille"]
"""Ten characters of growing ink, two columns per pixel; two grey pixels per cell; eight dots."""

INK = 0.5
"""Ink from which a braille dot is set."""

_BRAILLE = 0x2800
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""What each dot of a cell adds to its code point (Unicode 15, chapter 21.1)."""


def renderers(*, ascii_only: bool, colours: str | None) -> tuple[Renderer, ...]:
    """Return the renderers that a terminal can show, the plainest first.

    Args:
        ascii_only: no character above U+007E.
        colours: Rich's name of the colour system; None for no colour.
    """
    if ascii_only:
        return ("ramp",)
    # Of 16 colours only three are grey.
    if colours in ("truecolor", "256"):
        return ("ramp", "half blocks", "braille")
    return ("ramp", "braille")


def image_canvas(
    image: NDArray[np.floating], columns: int, rows: int, renderer: Renderer
) -> Canvas:
    """Return an image as large as fits with square pixels, averaged down where it must be.

    Args:
        image: (height, width) ink from 0 to 1; NaN counts as 0, beyond 1 as 1.
        columns: columns at most.
        rows: rows at most.
        renderer: how pixels become cells.

    Raises:
        ValueError: the image is not two-dimensional or has no pixels.
    """
    if renderer == "half blocks":
        return _half_blocks(resample(image, columns, 2 * rows))
    if renderer == "braille":
        return _canvas_of(braille_rows(resample(image, 2 * columns, 4 * rows)))
    return _canvas_of(digit_rows(image, columns, rows))


def small_canvas(
    image: NDArray[np.floating], columns: int, rows: int, renderer: Renderer
) -> Canvas:
    """Return a small image; as `ramp` with one column per pixel, two of which make a row.

    Args and errors: see `image_canvas`.
    """
    if renderer != "ramp":
        return image_canvas(image, columns, rows, renderer)
    pixels = _padded(resample(image, columns, 2 * rows), 2, 1)
    pairs = pixels.reshape(-1, 2, pixels.shape[1]).mean(axis=1)
    levels = np.rint(pairs * (len(RAMP) - 1)).astype(int)
    return _canvas_of(["".join(RAMP[level] for level in row) for row in levels.tolist()])


def line_canvas(image: NDArray[np.floating], columns: int, rows: int, renderer: Renderer) -> Canvas:
    """Return a small image without shades where the renderer can: each pixel has ink or none.

    Few bytes for many images: five times two neighbours of an MNIST digit, where three fit beside
    each other, take 0.9 kB as braille and 0.6 kB as half blocks, which in grey take 2.7 kB.

    Args and errors: see `image_canvas`.
    """
    if renderer != "half blocks":
        return small_canvas(image, columns, rows, renderer)
    dots = _padded(resample(image, columns, 2 * rows), 2, 1) >= INK
    codes = 2 * dots[::2] + 1 * dots[1::2]
    return _canvas_of(["".join(" ▄▀█"[code] for code in row) for row in codes.tolist()])


def braille_rows(pixels: NDArray[np.floating]) -> list[str]:
    """Return pixels (height, width) as rows of cells of four by two dots, blanks for none."""
    dots = _padded(pixels, 4, 2) >= INK
    height, width = dots.shape
    cells = dots.reshape(height // 4, 4, width // 2, 2) * _DOTS[:, None, :]
    codes = cells.sum(axis=(1, 3))
    return ["".join(chr(_BRAILLE + code) if code else " " for code in row) for row in codes]


def _half_blocks(pixels: NDArray[np.floating]) -> Canvas:
    levels = np.rint(_padded(pixels, 2, 1) * GREY_STEPS).astype(int)
    canvas = Canvas(levels.shape[1], levels.shape[0] // 2)
    for y, (tops, bottoms) in enumerate(zip(levels[::2], levels[1::2], strict=True)):
        for x, (top, bottom) in enumerate(zip(tops.tolist(), bottoms.tolist(), strict=True)):
            if top or bottom:
                canvas.put(x, y, *_half_block(top, bottom))
    return canvas


@lru_cache((GREY_STEPS + 1) ** 2)
def _half_block(top: int, bottom: int) -> tuple[str, Grey]:
    if top == bottom:
        # A blank on coloured ground: one byte, where a full block has three.
        return " ", Grey(top, top)
    if not top:
        return "▄", Grey(bottom)
    return "▀", Grey(top, bottom)


def _padded(pixels: NDArray[np.floating], down: int, across: int) -> NDArray[np.floating]:
    """Return pixels with blank ones at bottom and right, up to whole cells."""
    height, width = pixels.shape
    return np.pad(pixels, ((0, -height % down), (0, -width % across)))


def _canvas_of(lines: Sequence[str]) -> Canvas:
    canvas = Canvas(len(lines[0]) if lines else 0, len(lines))
    for y, line in enumerate(lines):
        canvas.put(0, y, line, Role.TEXT)
    return canvas
