"""A large image centred in its pane."""

import numpy as np
from numpy.typing import NDArray

from mlpwatch.tui.images.renderers import Renderer, image_canvas
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.theme import Role


class DigitView(CellView):
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
        self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return the image, centred."""
        canvas = Canvas(width, height)
        if self._image is None:
            x = max(0, (width - len(self._absent)) // 2)
            canvas.put(x, height // 2, self._absent, Role.DIM)
            return canvas
        picture = image_canvas(self._image, width, height, self._renderer)
        x, y = (width - picture.width) // 2, (height - picture.height) // 2
        canvas.paste(picture, max(0, x), max(0, y))
        return canvas
