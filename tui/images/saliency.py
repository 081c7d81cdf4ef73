"""An image with marks on the pixels that speak for or against a class."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.data.pixels import area_average
from mlpwatch.tui.images.renderers import COLUMNS_PER_PIXEL, RAMP, resample
from mlpwatch.tui.images.signed import Levels, SignedStyle, role_of, signed_style
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.theme import Ink, Role, Shade

WEAK, STRONG = 0.4, 0.7
"""Shares of the scale from which a pixel is marked, and marked strongly. With four steps from 0.12
on, most pixels of an MNIST digit would be marked, and the next digit would cost 4.1 kB, not 1.7."""

_WEAK_LEVEL, _STRONG_LEVEL = 2, 4

_MARKS = {0: " ", _WEAK_LEVEL: "o", _STRONG_LEVEL: "O", -_WEAK_LEVEL: "x", -_STRONG_LEVEL: "X"}
"""Used if there are no shades. None of them is a character of the ramp that ink is drawn with."""


@dataclass(frozen=True, slots=True)
class Saliency:
    """The image and its gradient."""

    ink: NDArray[np.floating]
    """(height, width) from 0 to 1."""
    gradient: NDArray[np.floating]
    """(height, width), of the same pixels."""
    scale: float
    """A bound of nearly all of the gradient."""
    title: str
    """Of which class, and of which network."""


def marked_levels(gradient: NDArray[np.floating], scale: float) -> Levels:
    """Return how strongly each pixel is marked, by sign: 0 for NaN and below `WEAK` * scale."""
    with np.errstate(invalid="ignore", over="ignore"):
        shares = np.abs(np.nan_to_num(gradient / scale))
    strength = np.where(shares >= WEAK, _WEAK_LEVEL, 0) + np.where(
        shares >= STRONG, _STRONG_LEVEL - _WEAK_LEVEL, 0
    )
    levels: Levels = np.where(gradient < 0, -strength, strength).astype(np.int8)
    return levels


def marked_canvas(inks: NDArray[np.integer], levels: Levels, style: SignedStyle) -> Canvas:
    """Return pixels (rows, columns), indices in the ramp, two cells each, with their marks."""
    pixels = [
        [cell for place in zip(*row, strict=True) for cell in _pixel(*place, style)]
        for row in zip(inks.tolist(), levels.tolist(), strict=True)
    ]
    characters = [[character for character, _ in row] for row in pixels]
    return Canvas.of(characters, [[ink for _, ink in row] for row in pixels])


@cache
def _pixel(place: int, level: int, style: SignedStyle) -> tuple[tuple[str, Ink], tuple[str, Ink]]:
    """Return both cells of a pixel."""
    character = RAMP[place]
    if style == "halves":
        ink: Ink = Shade(None, level) if level or character != " " else Role.TEXT
        return (character, ink), (character, ink)
    return (character, Role.TEXT), (_MARKS[level], role_of(level))


class SaliencyView(CellView):
    """Shows the image, its gradient, and below them a legend.

    If there are shades, they are the background of the image's characters; otherwise each pixel's
    second column shows sign and strength.
    """

    _saliency: Saliency | None = None

    def update(self, saliency: Saliency | None) -> None:
        """Show an image with its gradient, or nothing."""
        self._saliency = saliency
        self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return image and legend, centred."""
        canvas, shown = Canvas(width, height), self._saliency
        if shown is None:
            return canvas
        ink = resample(shown.ink, width // COLUMNS_PER_PIXEL, height - 2)
        with np.errstate(invalid="ignore", over="ignore"):
            gradient = area_average(np.nan_to_num(shown.gradient), *ink.shape)
        levels = marked_levels(gradient, shown.scale)
        top = max(0, (height - 2 - len(ink)) // 2)
        left = max(0, (width - COLUMNS_PER_PIXEL * ink.shape[1]) // 2)
        inks = np.rint(ink * (len(RAMP) - 1)).astype(int)
        canvas.paste(marked_canvas(inks, levels, signed_style(self.look)), left, top)
        self._put_legend(canvas, shown)
        return canvas

    def _put_legend(self, canvas: Canvas, shown: Saliency) -> None:
        pieces = _legend(signed_style(self.look), shown.scale)
        width = sum(len(text) for text, _ in pieces)
        canvas.put((canvas.width - len(shown.title)) // 2, canvas.height - 2, shown.title, Role.DIM)
        x = (canvas.width - width) // 2
        for text, ink in pieces:
            x = canvas.put(x, canvas.height - 1, text, ink)


def _legend(style: SignedStyle, scale: float) -> list[tuple[str, Role | Shade]]:
    """Return the marks, with the gradients between them."""
    weak, strong = f"{WEAK * scale:.3g}", f"{STRONG * scale:.3g}"
    return [
        _mark(style, -_STRONG_LEVEL),
        (f" −{strong} ", Role.DIM),
        _mark(style, -_WEAK_LEVEL),
        (f" −{weak} ", Role.DIM),
        ("  ", Role.TEXT),
        (f" +{weak} ", Role.DIM),
        _mark(style, _WEAK_LEVEL),
        (f" +{strong} ", Role.DIM),
        _mark(style, _STRONG_LEVEL),
    ]


def _mark(style: SignedStyle, level: int) -> tuple[str, Role | Shade]:
    if style == "halves":
        return "   ", Shade(None, level)
    return _MARKS[level], role_of(level)
