"""An image with the pixels that speak for a class, and against it, marked."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tui.palette import SHADE_STEPS, Role, Shade
from tui.widgets.cells import Canvas, CellView
from tui.widgets.digit import COLUMNS_PER_PIXEL, RAMP, area_weights, resample
from tui.widgets.signed import Look, glyph, legend, role_of, signed_levels


@dataclass(frozen=True, slots=True)
class Saliency:
    """What is drawn."""

    ink: NDArray[np.floating]
    """(height, width) from 0 to 1."""
    gradient: NDArray[np.floating]
    """(height, width), of the same pixels."""
    scale: float
    """The gradient that is drawn at its strongest."""
    title: str
    """Of which class, and in which network."""


class SaliencyView(CellView):
    """Shows the image, its gradient, and below them what the marks mean.

    Where there are shades, they lie behind the characters of the image; elsewhere each pixel's
    second column tells sign and strength.
    """

    _saliency: Saliency | None = None
    _look: Look = "plain"

    def draw(self, saliency: Saliency | None, look: Look) -> None:
        """Show an image with its gradient, or nothing."""
        self._saliency, self._look = saliency, look
        self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return image and legend, centred."""
        canvas, shown = Canvas(width, height), self._saliency
        if shown is None:
            return canvas
        ink = resample(shown.ink, width // COLUMNS_PER_PIXEL, height - 2)
        down = area_weights(shown.gradient.shape[0], ink.shape[0])
        across = area_weights(shown.gradient.shape[1], ink.shape[1])
        with np.errstate(invalid="ignore", over="ignore"):
            gradient = down @ np.nan_to_num(shown.gradient.astype(np.float64)) @ across.T
        levels = signed_levels(gradient, shown.scale)
        top = max(0, (height - 2 - len(ink)) // 2)
        left = max(0, (width - COLUMNS_PER_PIXEL * ink.shape[1]) // 2)
        inks = np.rint(ink * (len(RAMP) - 1)).astype(int).tolist()
        for y, (characters, marks) in enumerate(zip(inks, levels.tolist(), strict=True), top):
            for n, (character, level) in enumerate(zip(characters, marks, strict=True)):
                self._put_pixel(canvas, left + COLUMNS_PER_PIXEL * n, y, RAMP[character], level)
        self._put_legend(canvas, shown)
        return canvas

    def _put_pixel(self, canvas: Canvas, x: int, y: int, character: str, level: int) -> None:
        if self._look == "halves":
            canvas.put(x, y, character * COLUMNS_PER_PIXEL, Shade(None, level))
            return
        canvas.put(x, y, character)
        canvas.put(x + 1, y, glyph(level, "plain"), role_of(level))

    def _put_legend(self, canvas: Canvas, shown: Saliency) -> None:
        full = f"{shown.scale:g}"
        pieces = _grounds(full) if self._look == "halves" else legend("plain", full)
        width = sum(len(text) for text, _ in pieces)
        canvas.put((canvas.width - len(shown.title)) // 2, canvas.height - 2, shown.title, Role.DIM)
        x = (canvas.width - width) // 2
        for text, ink in pieces:
            x = canvas.put(x, canvas.height - 1, text, ink)


def _grounds(full: str) -> list[tuple[str, Role | Shade]]:
    levels = [level for level in range(-SHADE_STEPS, SHADE_STEPS + 1) if level]
    marks: list[tuple[str, Role | Shade]] = [(" ", Shade(None, level)) for level in levels]
    marks.insert(SHADE_STEPS, (" 0 ", Role.DIM))
    return [(f"−{full} ", Role.DIM), *marks, (f" +{full}", Role.DIM)]
