"""Paper, pen and eraser of the draw screen: what is drawn, and what the networks see of it."""

from mlpwatch.core.config import PixelRange
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.drawing.normalisation import centre, centring_for, network_input
from mlpwatch.core.drawing.sketch import Ink, Sketch

Point = tuple[float, float]


class Easel:
    """One sketch and the pen above it.

    Args:
        dataset: decides the paper's size, and how drawings are centred.
        pixel_range: what the networks read black and white as.
    """

    def __init__(self, dataset: Dataset, pixel_range: PixelRange) -> None:
        self._sketch = Sketch(dataset.image_shape)
        self._centring = centring_for(dataset.name)
        self._pixel_range = pixel_range
        self._pen_down = False
        self.erases = self.touched = False
        self.centres = True
        height, width = dataset.image_shape
        self._place = (width // 2, height // 2)
        self.cursor: tuple[int, int] | None = self._place
        """The pixel (x, y) under the pen; None while the mouse draws."""
        self.pixels = self._sketch.pixels
        """The drawing (height, width)."""
        self.seen = self.pixels
        """What the networks see of it."""

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing on the paper."""
        return self._sketch.is_blank

    @property
    def network_input(self) -> Ink:
        """What the networks read, (1, features), in the run's pixel range."""
        return network_input(self.seen, self._pixel_range)

    @property
    def pen(self) -> tuple[str, str]:
        """What the pen does, in more and in fewer words."""
        tool, does = ("eraser", "erase") if self.erases else ("pen", "draw")
        if self._pen_down:
            return f"{tool} down: arrows {does}", f"{tool} down"
        return f"{tool} up: space puts it down", f"{tool} up"

    @property
    def centring_note(self) -> str:
        """What happens to the drawing before the networks see it."""
        if self.centres:
            return f"networks see it {self._centring.says}; n: as drawn"
        return f"networks see it as drawn; n: {self._centring.says}"

    def stroke(self, start: Point, end: Point, *, erases: bool) -> None:
        """Draw or erase with the mouse; the eraser of the keys counts too."""
        self.cursor = None
        self._mark(start, end, erases=erases or self.erases)

    def move(self, right: int, down: int) -> None:
        """Move the pen by pixels, no further than the edge; it draws if it is down."""
        (x, y), (height, width) = self._place, self._sketch.shape
        self._place = (min(max(x + right, 0), width - 1), min(max(y + down, 0), height - 1))
        self.cursor = self._place
        if self._pen_down:
            self._mark(_middle((x, y)), _middle(self._place), erases=self.erases)

    def toggle_pen(self) -> None:
        """Put the pen down, which leaves a dot, or lift it."""
        self.cursor = self._place
        self._pen_down = not self._pen_down
        if self._pen_down:
            self._mark(_middle(self._place), _middle(self._place), erases=self.erases)

    def clear(self) -> None:
        """Take a new sheet, with the pen up."""
        self._sketch.clear()
        self._pen_down = False
        self._look()

    def shift(self, right: int, down: int) -> None:
        """Move the drawing by pixels."""
        self._sketch.shift(right, down)
        self._look()

    def toggle_centring(self) -> None:
        """Let the networks see the drawing as it stands, or centred."""
        self.centres = not self.centres
        self._look()

    def _mark(self, start: Point, end: Point, *, erases: bool) -> None:
        self.touched = True
        if erases:
            self._sketch.erase(start, end)
        else:
            self._sketch.draw(start, end)
        self._look()

    def _look(self) -> None:
        self.pixels = self._sketch.pixels
        self.seen = self.pixels
        if self.centres:
            self.seen = centre(self._sketch.fine, self._sketch.shape, self._centring)


def _middle(pixel: tuple[int, int]) -> Point:
    return pixel[0] + 0.5, pixel[1] + 0.5
