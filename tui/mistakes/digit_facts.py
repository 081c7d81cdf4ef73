"""What both models make of one image: labels, probabilities, bars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from textual.geometry import Size

from mlpwatch.core.config import EngineName
from mlpwatch.tui.formatting import TITLES
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.theme import Role

_SMALLEST_BAR = 3
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_PERCENT_COLUMNS = 6

_ROWS_ABOVE_BARS = 5
"""Place, what was read before, the true label, a blank, the models' names; and one more row per
model."""


@dataclass(frozen=True, slots=True)
class DigitFacts:
    """One image, as the models read it."""

    place: str
    """Position in the list, and the image's number."""
    true: int
    probabilities: Mapping[EngineName, Sequence[float]]
    """By class, 0 to 1, of each engine that has been evaluated."""
    names: str
    """One character per class."""
    before: Mapping[EngineName, int] = field(default_factory=dict)
    """What was read an epoch before, of each engine that is to be told of."""
    note: str = ""
    """What is to be known of the probabilities, in few words."""


class DigitFactsView(CellView):
    """Text and bars beside the digit."""

    _facts: DigitFacts | None = None

    def update(self, facts: DigitFacts | None) -> None:
        """Show an image's facts; None for an empty list."""
        before, self._facts = self.rows_needed, facts
        if self.is_attached and before != self.rows_needed:
            self.refresh(layout=True)
        self.repaint()

    def get_content_height(self, _container: Size, _viewport: Size, _width: int) -> int:
        """Return the rows that all bars need; what is below belongs to others."""
        return self.rows_needed

    @property
    def rows_needed(self) -> int:
        """Rows for all bars."""
        if self._facts is None:
            return 0
        return _ROWS_ABOVE_BARS + len(self._facts.probabilities) + len(self._facts.names)

    def paint(self, width: int, height: int) -> Canvas:
        """Return place, true label, one line per model, and bars as far as there is room."""
        canvas = Canvas(width, height)
        facts = self._facts
        if facts is None:
            return canvas
        canvas.put(0, 0, facts.place, Role.DIM)
        if facts.before:
            was = (f"{TITLES[name]} {facts.names[n]}" for name, n in facts.before.items())
            canvas.put(0, 1, f"an epoch before: {', '.join(was)}", Role.DIM)
        x = canvas.put(0, 2, f"{'true label':<14}")
        canvas.put(x, 2, facts.names[facts.true], Role.STRONG)
        y = 3
        for name, probabilities in facts.probabilities.items():
            self._put_reading(canvas, y, name, probabilities, facts)
            y += 1
        canvas.put(0, y, facts.note, Role.DIM)
        self._put_bars(canvas, y + 1, facts)
        return canvas

    def _put_reading(
        self,
        canvas: Canvas,
        y: int,
        name: EngineName,
        probabilities: Sequence[float],
        facts: DigitFacts,
    ) -> None:
        read = max(range(len(probabilities)), key=probabilities.__getitem__)
        right = read == facts.true
        x = canvas.put(0, y, f"{TITLES[name]:<8}", ACCENTS[name])
        x = canvas.put(x, y, "reads ")
        x = canvas.put(x, y, facts.names[read], Role.GOOD if right else Role.BAD)
        x = canvas.put(x, y, f" {probabilities[read] * 100:5.1f} %  ")
        canvas.put(x, y, "right" if right else "wrong", Role.GOOD if right else Role.BAD)

    def _put_bars(self, canvas: Canvas, top: int, facts: DigitFacts) -> None:
        """One row per class: name, then a bar and percent per model; the true class is marked."""
        engines = list(facts.probabilities)
        if not engines:
            return
        share = (canvas.width - 4) // len(engines)
        for n, name in enumerate(engines):
            canvas.put(4 + n * share, top, TITLES[name], ACCENTS[name])
        for y, number in enumerate(
            self._most_telling(facts, canvas.height - top - 1), start=top + 1
        ):
            is_true = number == facts.true
            role = Role.STRONG if is_true else Role.DIM
            canvas.put(0, y, (">" if is_true else " ") + " " + facts.names[number], role)
            for n, name in enumerate(engines):
                probability = facts.probabilities[name][number]
                x = 4 + n * share
                columns = share - _PERCENT_COLUMNS - 1
                if columns >= _SMALLEST_BAR:
                    canvas.put(x, y, self._bar(probability, columns), ACCENTS[name])
                    x += columns
                percent = f"{probability * 100:5.1f}"
                canvas.put(x, y, percent, Role.TEXT if probability >= 0.1 else Role.DIM)  # noqa: PLR2004

    def _bar(self, share: float, columns: int) -> str:
        if self.look.ascii_only:
            return "=" * round(share * columns)
        whole, eighths = divmod(round(share * columns * 8), 8)
        return "█" * whole + (_EIGHTHS[eighths] if eighths else "")

    @staticmethod
    def _most_telling(facts: DigitFacts, rows: int) -> list[int]:
        """Return all classes, or where there is no room the true and the most probable ones."""
        everyone = range(len(facts.names))
        if len(facts.names) <= rows:
            return list(everyone)

        def weight(number: int) -> tuple[bool, float]:
            most = max(p[number] for p in facts.probabilities.values())
            return number == facts.true, most

        return sorted(sorted(everyone, key=weight, reverse=True)[: max(0, rows)])
