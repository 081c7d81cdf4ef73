"""The strip below an enlarged digit: what each model predicted for it, epoch by epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from mlpwatch.core.config import EngineName
from mlpwatch.tui.formatting import clipped, count
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.mistakes.life_reader import LifeReader
from mlpwatch.tui.mistakes.split_images import SeenDigit
from mlpwatch.tui.state.watch import Watch

if TYPE_CHECKING:
    from mlpwatch.core.analysis.past.lives import Life

LOOK_SECONDS = 1.0
"""Time between two checks for epochs that were kept meanwhile."""

_LABEL_COLUMNS = 9
_WIDEST = 6
"""Columns of an epoch at most: further apart, digits are no row."""

_BARS = {False: " ▁▂▃▄▅▆▇█", True: " .:-=+*#@"}
"""From none to full, by `Look.ascii_only`."""

_EIGHTHS = 8
_HIGH_BARS = 3


@dataclass(frozen=True, slots=True)
class LifeFacts:
    """What the strip needs besides the life."""

    true: int
    names: str
    """One character per class."""
    titles: Mapping[EngineName, str]
    kept: int
    """Epochs in the history."""
    shown: int | None
    """The past epoch on the screen."""


def life_height(room: int, engines: int) -> int:
    """Return the rows of the strip in this much room: bars go first, then the title, then all."""
    heights = (1 + engines * (1 + _HIGH_BARS), 1 + 2 * engines, 1 + engines, engines)
    return next((height for height in heights if height <= room), 0)


def life_canvas(life: "Life", facts: LifeFacts, size: tuple[int, int], look: Look) -> Canvas:
    """Return a row of predicted classes for each model, and below it how sure it was of the true.

    A wrong prediction has its own colour, and an `x` beside it; where an epoch has one column and
    there are no colours, a dot stands for each right one.

    Args:
        life: of the image.
        facts: about the image and the run.
        size: columns and rows; see `life_height`.
        look: what the terminal can show.
    """
    from mlpwatch.core.runs.history import thinned  # noqa: PLC0415 - after the first frame

    (width, height), names = size, list(life.predicted)
    canvas = Canvas(width, height)
    has_title = height % len(names) == 1 or (len(names) == 1 and height > 1)
    rows = (height - has_title) // len(names)
    room = max(1, width - _LABEL_COLUMNS - 2)
    chosen = thinned(life.epochs, room)
    columns = max(1, min(_WIDEST, room // max(1, len(chosen))))
    if has_title:
        canvas.mark_cut(canvas.put(1, 0, _title(chosen, facts), Role.DIM), 0)
    places = [life.epochs.index(epoch) for epoch in chosen]
    for n, name in enumerate(names):
        top = has_title + n * rows
        canvas.put(1, top, clipped(facts.titles[name], _LABEL_COLUMNS - 2), ACCENTS[name])
        for x, place in zip(range(_LABEL_COLUMNS + 1, width, columns), places, strict=False):
            predicted = life.predicted[name][place]
            if predicted is None:
                continue
            is_right, is_shown = predicted == facts.true, life.epochs[place] == facts.shown
            text = _mark(facts.names[predicted], columns, look, is_right=is_right)
            role = Role.CURSOR if is_shown else Role.GOOD if is_right else Role.BAD
            canvas.put(x, top, text, role)
            for y, bar in enumerate(_bars(life.shares[name][place], rows - 1, look), top + 1):
                canvas.put(x, y, bar * max(1, columns - 1), ACCENTS[name])
    return canvas


def _title(epochs: Sequence[int], facts: LifeFacts) -> str:
    kept = count(facts.kept, "kept epoch")
    if not epochs:
        return f"life over {kept}: predicting …"
    where = f"{kept}, {epochs[0]} to {epochs[-1]}"
    return f"life over {where}: predicted; bars: how sure of the {facts.names[facts.true]}"


def _mark(name: str, columns: int, look: Look, *, is_right: bool) -> str:
    if columns > 1:
        return name if is_right else f"{name}x"
    if is_right and look.colours is None:
        return "." if look.ascii_only else "·"
    return name


def _bars(share: float, rows: int, look: Look) -> list[str]:
    """Return a bar's characters, from the top row down."""
    eighths = max(1, round(share * rows * _EIGHTHS))
    marks = _BARS[look.ascii_only]
    return [marks[min(_EIGHTHS, max(0, eighths - _EIGHTHS * (rows - 1 - y)))] for y in range(rows)]


class LifeStrip(CellView):
    """Shows the life of the enlarged digit, as soon as it is computed.

    Args:
        watch: of the run.
    """

    def __init__(self, watch: Watch) -> None:
        super().__init__(id="life")
        self._watch, self._reader = watch, LifeReader(watch)
        self._digit: SeenDigit | None = None
        self._drawn = self._rows = 0
        self.display = False

    class Appeared(Message):
        """The strip takes rows from the panel above, or gives them back."""

    def on_mount(self) -> None:
        """Look from time to time for epochs to predict, and draw what has come."""
        self.set_interval(LOOK_SECONDS, self._look)

    def on_unmount(self) -> None:
        """Stop predicting."""
        self._reader.close()

    def look_at(self, digit: SeenDigit | None, room: int) -> None:
        """Show the life of a digit in at most this many rows; hide if there is no room for it."""
        self._digit = digit
        self._rows = life_height(room, len(digit.facts.probabilities)) if digit else 0
        self._look()
        self.repaint()

    @property
    def _kept(self) -> int:
        return self._reader.kept or len(self._watch.shown.kept)

    def _look(self) -> None:
        session, digit = self._watch.session, self._digit
        if self._rows and digit and session and not session.images_missing:
            self._reader.start(digit.split)
        is_shown = bool(self._rows and self._kept)
        if is_shown != self.display or (is_shown and self._rows != self.size.height):
            self.display = is_shown
            self.styles.height = max(1, self._rows)
            self.post_message(self.Appeared())
        if self._reader.version != self._drawn:
            self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return the strip; empty without a digit."""
        digit, session = self._digit, self._watch.session
        if digit is None or session is None:
            return Canvas(width, height)
        self._drawn = self._reader.version
        facts = LifeFacts(
            digit.facts.true,
            digit.facts.names,
            digit.facts.titles,
            self._kept,
            self._watch.shown.epoch,
        )
        life = self._reader.of(digit.split, digit.row, session.config.engine_names)
        return life_canvas(life, facts, (width, height), self.look)
