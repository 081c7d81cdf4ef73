"""The mistakes browser: the validation digits that were read wrong, one at a time."""

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.screen import Screen

from core.config import EngineName
from tui import formatting
from tui.keys import Where, bindings, footer_keys
from tui.palette import Role
from tui.watch import Watch
from tui.widgets.digit import DigitView
from tui.widgets.digit_facts import DigitFacts, DigitFactsView
from tui.widgets.status import ACCENTS, Footer, TextLine

if TYPE_CHECKING:
    from core.evaluation import Evaluation, MistakeList

LIST_TITLES: dict["MistakeList", str] = {
    "numpy": "NumPy wrong",
    "torch": "PyTorch wrong",
    "both": "both wrong",
    "disagree": "they disagree",
}


class MistakesScreen(Screen[None]):
    """Follows the newest evaluation; the digit that is looked at stays until one moves on.

    Args:
        watch: the session that is followed.
        which: the list to begin with.
        true: only images of this class.
        predicted: only images read as this class.
        ascii_only: write no character above U+007E.
    """

    WHERE: ClassVar[Where] = "mistakes"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)

    def __init__(
        self,
        watch: Watch,
        *,
        which: "MistakeList",
        true: int | None = None,
        predicted: int | None = None,
        ascii_only: bool = False,
    ) -> None:
        super().__init__()
        self._watch, self._ascii = watch, ascii_only
        self._which, self._true, self._predicted = which, true, predicted
        self._rows: list[int] = []
        self._row: int | None = None
        self._seen: tuple[Evaluation, ...] = ()

    def compose(self) -> ComposeResult:
        """Make lists, filters, digit, facts and footer."""
        yield TextLine(id="lists")
        yield TextLine(id="filters")
        with Horizontal(id="digit-row"):
            yield DigitView(id="digit")
            yield DigitFactsView(id="facts", ascii_only=self._ascii)
        yield TextLine(id="message")
        yield Footer(footer_keys("mistakes"))

    def on_mount(self) -> None:
        """Draw once the size is known."""
        self.call_after_refresh(self.update, numbers=True)

    def update(self, *, numbers: bool = False) -> None:
        """Take in a new evaluation, if there is one, and draw."""
        if not self.is_attached:
            return
        newest = tuple(self._evaluations().values())
        if (
            numbers
            or len(newest) != len(self._seen)
            or any(a is not b for a, b in zip(newest, self._seen, strict=True))
        ):
            self._seen = newest
            self._select()
            self._draw()
        self._draw_filters()
        self._draw_message()

    def action_move(self, by: int) -> None:
        """Go some digits on or back, round the ends."""
        if self._rows:
            self._go_to((self._position() + by) % len(self._rows))

    def action_first(self) -> None:
        """Go to the first digit."""
        self._go_to(0)

    def action_last(self) -> None:
        """Go to the last digit."""
        self._go_to(len(self._rows) - 1)

    def action_next_list(self, by: int) -> None:
        """Switch to another list of those that this run has."""
        lists = self._lists()
        self._which = lists[(lists.index(self._which) + by) % len(lists)]
        self._start_over()

    def action_filter_true(self) -> None:
        """Keep only one true label: none, then each class in turn."""
        self._true = self._next_class(self._true)
        self._start_over()

    def action_filter_predicted(self) -> None:
        """Keep only one predicted label: none, then each class in turn."""
        self._predicted = self._next_class(self._predicted)
        self._start_over()

    def action_clear_filters(self) -> None:
        """Show all labels."""
        self._true = self._predicted = None
        self._start_over()

    def action_back(self) -> None:
        """Go back to the dashboard."""
        self.dismiss()

    def _evaluations(self) -> dict[EngineName, "Evaluation"]:
        state = self._watch.state
        engines = state.engines.items() if state else ()
        return {name: engine.validation for name, engine in engines if engine.validation}

    def _lists(self) -> list["MistakeList"]:
        session = self._watch.session
        only = session.config.only if session else None
        return list(LIST_TITLES) if only is None else [only]

    def _rows_of(self, which: "MistakeList", *, filtered: bool) -> list[int]:
        from core.evaluation import mistake_rows  # noqa: PLC0415 - after the first frame

        session = self._watch.session
        if session is None:
            return []
        read = {name: one.predictions for name, one in self._evaluations().items()}
        labels = session.dataset.validation_labels
        true, predicted = (self._true, self._predicted) if filtered else (None, None)
        return [int(row) for row in mistake_rows(labels, read, which, true, predicted)]

    def _select(self) -> None:
        self._rows = self._rows_of(self._which, filtered=True)
        if self._row is None and self._rows:
            self._row = self._rows[0]

    def _start_over(self) -> None:
        self._row = None
        self._select()
        self._draw()

    def _next_class(self, current: int | None) -> int | None:
        session = self._watch.session
        if session is None:
            return None
        following = 0 if current is None else current + 1
        return following if following < session.dataset.classes else None

    def _position(self) -> int:
        """Return the place in the list of the digit shown, or where it would stand."""
        return sum(row < (self._row or 0) for row in self._rows)

    def _go_to(self, position: int) -> None:
        if self._rows:
            self._row = self._rows[position]
            self._draw()

    def _draw(self) -> None:
        self._draw_lists()
        session = self._watch.session
        digit, facts = self.query_one(DigitView), self.query_one(DigitFactsView)
        if session is None or self._row is None:
            digit.draw(None, absent=self._why_empty())
            facts.draw(None)
            return
        data = session.dataset
        image = data.validation_images[self._row].reshape(data.image_shape)
        low = -1.0 if session.config.pixel_range == "-1..1" else 0.0
        digit.draw((image - low) / (1.0 - low))
        number = int(data.source_rows[data.train_count + self._row])
        here = self._row in self._rows
        place = f"{self._position() + 1:,} of {len(self._rows):,}" if here else "no longer here"
        facts.draw(
            DigitFacts(
                place=f"{place} · validation image {number:,}",
                true=int(data.validation_labels[self._row]),
                probabilities={
                    name: [float(p) for p in one.probabilities[self._row]]
                    for name, one in self._evaluations().items()
                },
                names=data.class_names,
            )
        )

    def _why_empty(self) -> str:
        if not self._evaluations():
            return "after the first epoch, what was read wrong appears here"
        if self._true is not None or self._predicted is not None:
            return "nothing with these labels; c shows all"
        return "nothing: every digit was read right"

    def _draw_lists(self) -> None:
        pieces: list[tuple[str, Role]] = [(" ", Role.TEXT)]
        for which in self._lists():
            count = len(self._rows_of(which, filtered=False))
            role = Role.STRONG if which == self._which else Role.DIM
            mark = "▸ " if which == self._which else "  "
            pieces += [(mark + LIST_TITLES[which], role), (f" {count:,}  ", Role.DIM)]
        self.query_one("#lists", TextLine).draw(pieces)
        self._draw_filters()

    def _draw_filters(self) -> None:
        names = self._watch.session.dataset.class_names if self._watch.session else ""
        true = "any" if self._true is None else names[self._true]
        predicted = "any" if self._predicted is None else names[self._predicted]
        text = f"   true label {true} · read as {predicted}"
        filtered = self._true is not None or self._predicted is not None
        self.query_one("#filters", TextLine).draw(
            [(text, Role.WARNING if filtered else Role.DIM)], self._epochs()
        )

    def _epochs(self) -> list[tuple[str, Role]]:
        state = self._watch.state
        pieces: list[tuple[str, Role]] = []
        for name, engine in state.engines.items() if state else ():
            if engine.epochs:
                text = f"{formatting.TITLES[name]} epoch {engine.epochs[-1].epoch}"
                text += "  " if engine.phase == "training" else f" {engine.phase}  "
                pieces.append((text, ACCENTS[name]))
        return pieces

    def _draw_message(self) -> None:
        state = self._watch.state
        text, bad = (state.message, state.message_is_bad) if state else (self._watch.loading, False)
        self.query_one("#message", TextLine).draw([(" " + text, Role.BAD if bad else Role.DIM)])
