"""Both models' predictions for an image: labels, probabilities, bars."""

from collections.abc import Sequence

from textual.geometry import Size

from mlpwatch.core.config import EngineName
from mlpwatch.tui.formatting import clipped
from mlpwatch.tui.kit.bars import most_probable, share_bar
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.mistakes.split_images import DigitFacts

_SMALLEST_BAR = 3
_PERCENT_COLUMNS = 6

_NOTED = 0.1
"""Least probability whose percentage is not dimmed."""

_ROWS_ABOVE_BARS = 5
"""Place, prediction of the epoch before, true label, a note, the models' names. Each model adds
a row."""


class DigitFactsView(CellView):
    """Text and bars beside the digit."""

    _facts: DigitFacts | None = None

    def update(self, facts: DigitFacts | None) -> None:
        """Show an image's facts; None if the list is empty."""
        before, self._facts = self.rows_needed, facts
        if self.is_attached and before != self.rows_needed:
            self.refresh(layout=True)
        self.repaint()

    def get_content_height(self, _container: Size, _viewport: Size, _width: int) -> int:
        """Return the rows needed for all bars; the neighbours use the rows below."""
        return self.rows_needed

    @property
    def rows_needed(self) -> int:
        """Rows for all bars."""
        if self._facts is None:
            return 0
        return _ROWS_ABOVE_BARS + len(self._facts.probabilities) + len(self._facts.names)

    def paint(self, width: int, height: int) -> Canvas:
        """Return place, true label, one line per model, and as many bars as fit."""
        canvas = Canvas(width, height)
        facts = self._facts
        if facts is None:
            return canvas
        canvas.put(0, 0, facts.place, Role.DIM)
        if facts.before:
            was = (f"{facts.titles[name]} {facts.names[n]}" for name, n in facts.before.items())
            canvas.put(0, 1, f"an epoch before: {', '.join(was)}", Role.DIM)
        x = canvas.put(0, 2, f"{'true label':<17}")
        x = canvas.put(x, 2, facts.names[facts.true], Role.STRONG)
        canvas.put(x, 2, f" {facts.at}", Role.DIM)
        y = 3
        for name, probabilities in facts.probabilities.items():
            _put_prediction(canvas, y, name, probabilities, facts)
            y += 1
        canvas.put(0, y, facts.note, Role.DIM)
        self._put_bars(canvas, y + 1, facts)
        return canvas

    def _put_bars(self, canvas: Canvas, top: int, facts: DigitFacts) -> None:
        """Draw a row per class: name, then a bar and percent per model; mark the true class."""
        engines = list(facts.probabilities)
        if not engines:
            return
        share = (canvas.width - 4) // len(engines)
        for n, name in enumerate(engines):
            canvas.put(4 + n * share, top, clipped(facts.titles[name], share - 1), ACCENTS[name])
        rows = canvas.height - top - 1
        shown = most_probable(facts.probabilities, len(facts.names), rows, always=[facts.true])
        for y, number in enumerate(shown, start=top + 1):
            is_true = number == facts.true
            role = Role.STRONG if is_true else Role.DIM
            canvas.put(0, y, (">" if is_true else " ") + " " + facts.names[number], role)
            for n, name in enumerate(engines):
                probability = facts.probabilities[name][number]
                x = 4 + n * share
                columns = share - _PERCENT_COLUMNS - 1
                if columns >= _SMALLEST_BAR:
                    bar = share_bar(probability, columns, self.look)
                    canvas.put(x, y, bar, ACCENTS[name])
                    x += columns
                role = Role.TEXT if probability >= _NOTED else Role.DIM
                canvas.put(x, y, f"{probability * 100:5.1f}", role)


def _put_prediction(
    canvas: Canvas,
    y: int,
    name: EngineName,
    probabilities: Sequence[float],
    facts: DigitFacts,
) -> None:
    predicted = max(range(len(probabilities)), key=probabilities.__getitem__)
    right = predicted == facts.true
    role = Role.GOOD if right else Role.BAD
    titles = [clipped(facts.titles[one], 18) for one in facts.probabilities]
    width = max(7, *map(len, titles)) + 1
    x = canvas.put(0, y, f"{clipped(facts.titles[name], 18):<{width}}", ACCENTS[name])
    x = canvas.put(x, y, "predicts ")
    x = canvas.put(x, y, facts.names[predicted], role)
    x = canvas.put(x, y, f" {probabilities[predicted] * 100:5.1f} %  ")
    canvas.put(x, y, "right" if right else "wrong", role)
