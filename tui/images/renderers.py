"""Images drawn in cells: with an ASCII ramp, half blocks in grey, or braille dots; or in pixels."""

from collections.abc import Sequence
from functools import cache
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.data.pixels import area_average
from mlpwatch.tui.formatting import with_keys
from mlpwatch.tui.kit.cells import BRAILLE_DOTS, Canvas, braille
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import GREY_STEPS, SHADE_STEPS, Grey, Ink, Role, Shade

Renderer = Literal["ramp", "half blocks", "braille", "pixels"]
"""Ten characters of growing ink, two columns per pixel; two grey pixels per cell; eight dots; the
terminal's own pixels, only for a large image."""

RAMP = " .:-=+*#%@"
"""From no ink to full ink; plain ASCII, for every terminal."""

COLUMNS_PER_PIXEL = 2
"""A terminal's cell is about twice as high as wide."""

INK = 0.5
"""Least ink of a braille dot."""

_SMALL_BY_WORTH: tuple[Renderer, ...] = ("half blocks", "braille", "ramp")
"""In 14 by 7 cells: 196 grey pixels, 784 black or white ones, 98 of ten characters."""

_LARGE_BY_WORTH: tuple[Renderer, ...] = ("pixels", "half blocks", "ramp", "braille")
"""All pixels and greys; in 56 by 28 cells: 28 by 28 pixels of nine greys, of ten characters, of
black or white."""

_Number = TypeVar("_Number", np.floating, np.integer)

_Glyphs = tuple[tuple[str, ...], tuple[Ink, ...]]
"""Characters and inks by code."""


def renderers(look: Look) -> tuple[Renderer, ...]:
    """Return the renderers that a terminal supports, the simplest first."""
    if look.ascii_only:
        return ("ramp",)
    able: tuple[Renderer, ...] = ("ramp", "half blocks", "braille")
    able = able if look.has_greys else ("ramp", "braille")
    return (*able, "pixels") if look.has_pictures else able


class RendererChoice:
    """The chosen renderers; the first choice shows the most pixels and greys.

    Args:
        look: what the terminal can show.
    """

    def __init__(self, look: Look) -> None:
        self._able = renderers(look)
        self._small: Renderer | None = None
        self._large: Renderer | None = None

    def follow(self, look: Look) -> None:
        """Offer what the terminal can show now: it may have said so only after the start."""
        self._able = renderers(look)

    @property
    def small(self) -> Renderer:
        """The renderer for small images."""
        return self._first_able(_SMALL_BY_WORTH) if self._small is None else self._small

    @property
    def shaded(self) -> Renderer:
        """The renderer for small images with faint pixels, which braille would leave out."""
        return "ramp" if self.small == "braille" else self.small

    @property
    def large(self) -> Renderer:
        """The renderer for a large image."""
        return self._first_able(_LARGE_BY_WORTH) if self._large is None else self._large

    @property
    def outlines(self) -> Renderer:
        """The renderer for small images beside a large one: braille, or half blocks if chosen."""
        if self._large == "half blocks" or "braille" not in self._able:
            return self.large
        return "braille"

    def next(self, *, small: bool, under_gradient: bool = False) -> str:
        """Switch to the next renderer that the terminal supports; if it is hidden, return why.

        Args:
            small: for small images, not for a large one.
            under_gradient: the large image is hidden by its gradient.
        """
        able = tuple(one for one in self._able if not (small and one == "pixels"))
        if len(able) == 1:
            return "plain ASCII draws pixels as characters only"
        current = self.small if small else self.large
        following = able[(able.index(current) + 1) % len(able)]
        if small:
            self._small = following
        else:
            self._large = following
        if not under_gradient:
            return ""
        shown = "characters" if following == "ramp" else following
        return (
            with_keys("the gradient needs characters; without it ({g}) the digit shows as ") + shown
        )

    def _first_able(self, by_worth: Sequence[Renderer]) -> Renderer:
        return next(one for one in by_worth if one in self._able)


def image_canvas(
    image: NDArray[np.floating], columns: int, rows: int, renderer: Renderer
) -> Canvas:
    """Return an image as large as fits with square pixels, averaged down if necessary.

    Args:
        image: (height, width) ink from 0 to 1; NaN counts as 0, above 1 as 1.
        columns: columns at most.
        rows: rows at most.
        renderer: how pixels are drawn in cells.

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
    """Return small images; as `ramp` a cell averages two pixels, one above the other.

    Args:
        images: (images, height, width); one call for all takes a twentieth of the time of one each.
        columns: see `image_canvas`, also for the others.
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
    return _canvases((GREY_STEPS + 1) * tops + bottoms, _half_blocks_in_grey())


def line_canvases(
    images: NDArray[np.floating], columns: int, rows: int, renderer: Renderer
) -> list[Canvas]:
    """Return small images without shades if the renderer can: each pixel has ink or none.

    Few bytes for many images: five times two neighbours of an MNIST digit, of which three fit side
    by side, take 0.9 kB as braille and 0.6 kB as half blocks; half blocks in grey take 2.7 kB.

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
    cells = (
        dots.reshape(pictures, height // 4, 4, width // 2, 2) * np.array(BRAILLE_DOTS)[:, None, :]
    )
    codes: NDArray[np.int64] = cells.sum(axis=(2, 4))
    return codes


@cache
def _braille_glyphs() -> _Glyphs:
    return _in_text("".join(map(braille, range(256))))


def shade_canvas(levels: NDArray[np.integer]) -> Canvas:
    """Return signed levels (height, width) from -4 to 4 with two pixels in each cell."""
    tops, bottoms = (half + SHADE_STEPS for half in _pairs(levels[np.newaxis]))
    return _canvases((2 * SHADE_STEPS + 1) * tops + bottoms, _half_blocks_in_shades())[0]


@cache
def _half_blocks_in_grey() -> _Glyphs:
    """Return the half blocks; the index is the upper grey times `GREY_STEPS + 1` plus the lower."""
    return _half_blocks(range(GREY_STEPS + 1), Grey)


@cache
def _half_blocks_in_shades() -> _Glyphs:
    """Return the half blocks; the index is level plus `SHADE_STEPS`: upper's times 9 + lower's."""
    return _half_blocks(range(-SHADE_STEPS, SHADE_STEPS + 1), Shade)


def _half_blocks(levels: range, ink: type[Grey] | type[Shade]) -> _Glyphs:
    blocks = [_half_block(top, bottom, ink) for top in levels for bottom in levels]
    return tuple(character for character, _ in blocks), tuple(own for _, own in blocks)


def _half_block(top: int, bottom: int, ink: type[Grey] | type[Shade]) -> tuple[str, Ink]:
    if top == bottom:
        # A blank on a coloured background takes one byte, a full block three.
        return " ", ink(top, top) if top else Role.TEXT
    if not top:
        return "▄", ink(bottom)
    return "▀", ink(top, bottom)


def _pairs(pixels: NDArray[_Number]) -> tuple[NDArray[_Number], NDArray[_Number]]:
    """Return every second row of pictures (pictures, height, width), and the rows below them."""
    padded = _padded(pixels, 2, 1)
    return padded[:, ::2], padded[:, 1::2]


def _padded(pixels: NDArray[_Number], down: int, across: int) -> NDArray[_Number]:
    """Return pictures with blank pixels added at bottom and right, up to whole cells."""
    height, width = pixels.shape[1:]
    return np.pad(pixels, ((0, 0), (0, -height % down), (0, -width % across)))


def digit_rows(image: NDArray[np.floating], columns: int, rows: int) -> list[str]:
    """Return an image as text, as large as fits with square pixels.

    Images that fit are enlarged by an integer factor; larger ones are averaged down by exact
    area, which preserves the mean.

    Args:
        image: (height, width) ink from 0 to 1; NaN counts as 0, above 1 as 1.
        columns: columns at most; below 2 nothing fits.
        rows: rows at most.

    Raises:
        ValueError: the image is not two-dimensional or has no pixels.
    """
    if image.ndim != 2 or 0 in image.shape:  # noqa: PLR2004
        raise ValueError(f"image {image.shape}: expected (height, width), both above 0")
    pixels = resample(image, columns // COLUMNS_PER_PIXEL, rows)
    levels = np.rint(pixels * (len(RAMP) - 1)).astype(int)
    return ["".join(RAMP[level] * COLUMNS_PER_PIXEL for level in row) for row in levels]


def resample(image: NDArray[np.floating], width: int, height: int) -> NDArray[np.float64]:
    """Return the image (rows, columns) at the largest size within width and height.

    Args:
        image: (height, width), or (images, height, width) for several at once. NumPy releases the
            interpreter in each operation on more than 500 numbers, and while both engines train it
            takes 0.1 ms to get it back: a page of 32 images, one by one, would take 25 ms.
        width: columns of pixels at most.
        height: rows of pixels at most.
    """
    ink = np.clip(np.nan_to_num(image.astype(np.float64)), 0.0, 1.0)
    if width < 1 or height < 1:
        return np.zeros((*ink.shape[:-2], 0, 0))
    rows, columns = ink.shape[-2:]
    scale = min(width / columns, height / rows)
    if scale >= 1:
        factor = int(scale)
        return ink.repeat(factor, axis=-2).repeat(factor, axis=-1)
    return area_average(ink, max(1, int(rows * scale + 1e-9)), max(1, int(columns * scale + 1e-9)))
