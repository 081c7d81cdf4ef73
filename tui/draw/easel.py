"""The state of the draw screen: the drawing, pen and eraser, and the networks' view of it."""

from mlpwatch.core.config import PixelRange
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.drawing.normalisation import CENTRINGS, centre, network_input
from mlpwatch.core.drawing.sketch import Ink, Sketch
from mlpwatch.tui.formatting import with_keys

Point = tuple[float, float]


class Easel:
    """A drawing and the pen on it.

    Args:
        dataset: decides the size of the paper, and how drawings are centred.
        pixel_range: of the networks' input.
    """

    def __init__(self, dataset: Dataset, pixel_range: PixelRange) -> None:
        self._sketch = Sketch(dataset.image_shape)
        self._centring = CENTRINGS[dataset.normalisation]
        self._pixel_range = pixel_range
        self._pen_down = False
        self.erases = self.touched = False
        self.centres = True
        height, width = dataset.image_shape
        self._place = (width // 2, height // 2)
        self.cursor: tuple[int, int] | None = self._place
        """The pixel (x, y) under the pen; None while the mouse draws."""
        self.pixels = self._sketch.pixels
        """The drawing (height, width), ink from 0 to 1."""
        self.seen = self.pixels
        """The image that the networks get, also as ink."""

    @property
    def is_blank(self) -> bool:
        """Whether the paper is empty."""
        return self._sketch.is_blank

    @property
    def network_input(self) -> Ink:
        """The networks' input (1, features), in the run's pixel range."""
        return network_input(self.seen, self._pixel_range)

    @property
    def pen(self) -> tuple[str, str]:
        """What the pen does, in a long and a short version."""
        tool, does = ("eraser", "erase") if self.erases else ("pen", "draw")
        if self._pen_down:
            return f"{tool} down: arrows {does}", f"{tool} down"
        return f"{tool} up: " + with_keys("{space} puts it down"), f"{tool} up"

    @property
    def centring_note(self) -> str:
        """How the drawing is changed before the networks see it."""
        if self.centres:
            return f"networks see it {self._centring.says}; " + with_keys("{n}: as drawn")
        return with_keys("networks see it as drawn; {n}: ") + self._centring.says

    def stroke(self, start: Point, end: Point, *, erases: bool) -> None:
        """Draw or erase with the mouse; the eraser selected by key counts too."""
        self.cursor = None
        self._mark(start, end, erases=erases or self.erases)

    def move(self, right: int, down: int) -> None:
        """Move the pen by pixels, not beyond the edge; it draws if it is down."""
        (x, y), (height, width) = self._place, self._sketch.shape
        self._place = (min(max(x + right, 0), width - 1), min(max(y + down, 0), height - 1))
        self.cursor = self._place
        if self._pen_down:
            self._mark(_middle((x, y)), _middle(self._place), erases=self.erases)

    def toggle_pen(self) -> None:
        """Lower the pen, which makes a dot, or lift it."""
        self.cursor = self._place
        self._pen_down = not self._pen_down
        if self._pen_down:
            self._mark(_middle(self._place), _middle(self._place), erases=self.erases)

    def clear(self) -> None:
        """Clear the paper and lift the pen."""
        self._sketch.clear()
        self._pen_down = False
        self._look()

    def shift(self, right: int, down: int) -> None:
        """Move the drawing by pixels."""
        self._sketch.shift(right, down)
        self._look()

    def toggle_centring(self) -> None:
        """Show the networks the drawing as it is, or centred."""
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
