"""Images as cells of a terminal: an ASCII ramp, half blocks in grey, or braille dots."""

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlpwatch.tui.images.digit import RAMP, digit_rows, resample
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import GREY_STEPS, Grey, Ink, Role

Renderer = Literal["ramp", "half blocks", "braille"]
"""Ten characters of growing ink, two columns per pixel; two grey pixels per cell; eight dots."""

INK = 0.5
"""Ink from which a braille dot is set."""

_BRAILLE = 0x2800
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""What each dot of a cell adds to its code point (Unicode 15, chapter 21.1)."""

_Glyphs = tuple[tuple[str, ...], tuple[Ink, ...]]
"""Characters and inks by code."""


def renderers(look: Look) -> tuple[Renderer, ...]:
    """Return the renderers that a terminal can show, the plainest first."""
    if look.ascii_only:
        return ("ramp",)
    return ("ramp", "half blocks", "braille") if look.has_greys else ("ramp", "braille")


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
    if renderer == "ramp":
        lines = digit_rows(image, columns, rows)
        return Canvas.of([list(line) for line in lines], [[Role.TEXT] * len(x) for x in lines])
    return small_canvases(image[np.newaxis], columns, rows, renderer)[0]


def small_canvases(
    images: NDArray[np.floating], columns: int, rows: int, renderer: Renderer
) -> list[Canvas]:
    """Return small images; as `ramp` with one column per pixel, two of which make a row.

    Args:
        images: (images, height, width); all at once take a twentieth of the time of one by one.
        columns: see `image_canvas`, and so for the others.
        rows: of each.
        renderer: of all.
    """
    if renderer == "braille":
        codes = _braille_codes(resample(images, 2 * columns, 4 * rows))
        return _canvases(codes, _braille_glyphs())
    pixels = resample(images, columns, 2 * rows)
    if renderer == "half blocks":
        return grey_canvases(pixels)
    tops, bottoms = _pairs(pixels)
    return _canvases(np.rint((tops + bottoms) / 2 * (len(RAMP) - 1)), _in_text(RAMP))


def grey_canvases(pixels: NDArray[np.floating]) -> list[Canvas]:
    """Return pictures (pictures, height, width) of ink from 0 to 1 with two pixels in each cell."""
    tops, bottoms = (np.rint(half * GREY_STEPS) for half in _pairs(pixels))
    return _canvases((GREY_STEPS + 1) * tops + bottoms, _half_block_glyphs())


def line_canvases(
    images: NDArray[np.floating], columns: int, rows: int, renderer: Renderer
) -> list[Canvas]:
    """Return small images without shades where the renderer can: each pixel has ink or none.

    Few bytes for many images: five times two neighbours of an MNIST digit, where three fit beside
    each other, take 0.9 kB as braille and 0.6 kB as half blocks, which in grey take 2.7 kB.

    Args: see `small_canvases`.
    """
    if renderer != "half blocks":
        return small_canvases(images, columns, rows, renderer)
    tops, bottoms = _pairs(resample(images, columns, 2 * rows))
    return _canvases(2 * (tops >= INK) + 1 * (bottoms >= INK), _in_text(" ▄▀█"))


def _canvases(codes: NDArray[np.generic], glyphs: _Glyphs) -> list[Canvas]:
    """Return a canvas for each picture of codes (pictures, rows, columns)."""
    characters, inks = glyphs
    return [
        Canvas.of(
            [[characters[code] for code in row] for row in picture],
            [[inks[code] for code in row] for row in picture],
        )
        for picture in codes.astype(int).tolist()
    ]


def _in_text(characters: str) -> _Glyphs:
    return tuple(characters), (Role.TEXT,) * len(characters)


def _braille_codes(pixels: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the dots of cells of four by two pixels (pictures, height, width)."""
    dots = _padded(pixels, 4, 2) >= INK
    pictures, height, width = dots.shape
    cells = dots.reshape(pictures, height // 4, 4, width // 2, 2) * _DOTS[:, None, :]
    codes: NDArray[np.int64] = cells.sum(axis=(2, 4))
    return codes


@cache
def _braille_glyphs() -> _Glyphs:
    # A real blank for none: some fonts draw U+2800 as eight hollow dots.
    return _in_text(" " + "".join(chr(_BRAILLE + code) for code in range(1, 256)))


@cache
def _half_block_glyphs() -> _Glyphs:
    """Return the half blocks by the upper grey times `GREY_STEPS + 1` plus the lower."""
    steps = range(GREY_STEPS + 1)
    blocks = [_half_block(top, bottom) for top in steps for bottom in steps]
    return tuple(character for character, _ in blocks), tuple(ink for _, ink in blocks)


def _half_block(top: int, bottom: int) -> tuple[str, Ink]:
    if top == bottom:
        # A blank on coloured ground: one byte, where a full block has three.
        return " ", Grey(top, top) if top else Role.TEXT
    if not top:
        return "▄", Grey(bottom)
    return "▀", Grey(top, bottom)


def _pairs(pixels: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return every other row of pictures (pictures, height, width), and the rows below them."""
    padded = _padded(pixels, 2, 1)
    return padded[:, ::2], padded[:, 1::2]


def _padded(pixels: NDArray[np.floating], down: int, across: int) -> NDArray[np.floating]:
    """Return pictures with blank pixels at bottom and right, up to whole cells."""
    height, width = pixels.shape[1:]
    return np.pad(pixels, ((0, 0), (0, -height % down), (0, -width % across)))
