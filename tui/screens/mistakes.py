"""The mistakes browser: the digits that were read wrong, or differently, one at a time."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Resize
from textual.screen import Screen

from core.errors import MlpwatchError
from core.mistakes import MistakeList
from tui.keys import Where, bindings, footer_keys
from tui.palette import Role
from tui.screens.digit_panel import DigitPanel, SeenDigit
from tui.screens.mistake_selection import MistakeSelection
from tui.screens.mistake_text import LIST_TITLES, filters_text, lists_text, why_empty
from tui.screens.split_images import SplitImages
from tui.watch import Watch
from tui.widgets.digit_facts import DigitFacts
from tui.widgets.status import Footer, TextLine


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
        which: MistakeList,
        true: int | None = None,
        predicted: int | None = None,
        ascii_only: bool = False,
    ) -> None:
        super().__init__()
        self._watch, self._ascii = watch, ascii_only
        self._selection = MistakeSelection(which, true, predicted)
        self._images = SplitImages(watch)
        self._busy = ""

    def compose(self) -> ComposeResult:
        """Make lists, filters, digit, facts and footer."""
        yield TextLine(id="lists")
        yield TextLine(id="filters")
        yield DigitPanel(self._watch, id="digit-row", ascii_only=self._ascii)
        yield TextLine(id="message")
        yield Footer(footer_keys("mistakes", attached=self._watch.attached))

    def on_mount(self) -> None:
        """Draw once the size is known."""
        self.call_after_refresh(self.update, numbers=True)

    def on_resize(self, _event: Resize) -> None:
        """Arrange for the new size."""
        self.set_class(self.size.width < 120, "-narrow")  # noqa: PLR2004 - see mlpwatch.tcss
        self.call_after_refresh(self.update, numbers=True)

    def update(self, *, numbers: bool = False) -> None:
        """Take in a new evaluation, if there is one, and draw."""
        if not self.is_attached:
            return
        if self._selection.take(self._images.readings) or numbers:
            self._draw()
        self._draw_filters()
        self._draw_message()

    def action_move(self, by: int) -> None:
        """Go some digits on or back, round the ends."""
        self._selection.move(by)
        self._draw()

    def action_first(self) -> None:
        """Go to the first digit."""
        self._selection.go_to(0)
        self._draw()

    def action_last(self) -> None:
        """Go to the last digit."""
        self._selection.go_to(-1)
        self._draw()

    def action_next_list(self, by: int) -> None:
        """Switch to another list of those that this run has."""
        lists = self._lists()
        now = lists.index(self._selection.which)
        self._selection.choose_list(lists[(now + by) % len(lists)])
        self._draw()

    def action_next_order(self) -> None:
        """Sort by image, by confidence in the wrong answer, by loss or by true label."""
        self._selection.next_order()
        self._draw()

    def action_filter_true(self) -> None:
        """Keep only one true label: none, then each class in turn."""
        self._selection.filter(self._next_class(self._selection.true), self._selection.predicted)
        self._draw()

    def action_filter_predicted(self) -> None:
        """Keep only one predicted label: none, then each class in turn."""
        self._selection.filter(self._selection.true, self._next_class(self._selection.predicted))
        self._draw()

    def action_clear_filters(self) -> None:
        """Show all labels."""
        self._selection.filter(None, None)
        self._draw()

    def action_next_gradient(self) -> None:
        """Mark the pixels that speak for what the model read, for the true label, or none."""
        self.query_one(DigitPanel).next_gradient()

    def action_other_model(self) -> None:
        """Ask the other model for its reasons."""
        self.query_one(DigitPanel).next_model()

    def action_toggle_neighbours(self) -> None:
        """Show the nearest training images in place of the bars, or the bars again."""
        self.query_one(DigitPanel).toggle_neighbours()

    def action_toggle_test(self) -> None:
        """Turn to the test images, read with the newest epoch's weights, or back."""
        if self._busy or self._watch.session is None:
            return
        if self._images.split == "test":
            self._images.split = "validation"
            self._selection.start_with(self._images.readings)
            self._draw()
        else:
            self._busy = "reading the test images …"
            self._draw_message()
            self.run_worker(self._read_test())

    def action_back(self) -> None:
        """Go back to the dashboard."""
        self.dismiss()

    async def _read_test(self) -> None:
        """Read the test images off the event loop, then show them."""
        try:
            await self._images.read_test()
        except (MemoryError, RuntimeError, MlpwatchError) as error:
            # PyTorch raises RuntimeError where memory runs out. Training goes on.
            if state := self._watch.state:
                state.say(f"the test images could not be read: {error}", bad=True)
        self._busy = ""
        self._selection.start_with(self._images.readings)
        if self.is_attached:
            self.update(numbers=True)

    def _lists(self) -> list[MistakeList]:
        session = self._watch.session
        only = session.config.only if session else None
        return list(LIST_TITLES) if only is None else [only, "newly-wrong", "newly-right"]

    def _next_class(self, current: int | None) -> int | None:
        session = self._watch.session
        if session is None:
            return None
        following = 0 if current is None else current + 1
        return following if following < session.dataset.classes else None

    def _draw(self) -> None:
        lists = lists_text(self._lists(), self._selection, self.size.width)
        self.query_one("#lists", TextLine).draw(lists)
        self._draw_filters()
        panel, images, row = self.query_one(DigitPanel), self._images, self._selection.row
        if row is None:
            why = images.missing or why_empty(images.split, self._selection)
            panel.look_at(None, absent=why)
            return
        digit = (images.split, row, images.pixels(row), images.ink(row))
        panel.look_at(SeenDigit(*digit, self._facts(row), images.epochs))

    def _facts(self, row: int) -> DigitFacts:
        readings = self._selection.readings
        return DigitFacts(
            place=f"{self._place()} · {self._images.title(row)}",
            true=int(readings.labels[row]),
            probabilities={
                name: [float(p) for p in one.probabilities[row]]
                for name, one in readings.now.items()
            },
            names=self._images.names,
        )

    def _place(self) -> str:
        selection = self._selection
        if not selection.is_here:
            return "no longer here"
        return f"{selection.place + 1:,} of {len(selection.rows):,}"

    def _draw_filters(self) -> None:
        text = filters_text(self._images.split, self._selection, self._images.names)
        self.query_one("#filters", TextLine).draw(text, self._images.epochs_text())

    def _draw_message(self) -> None:
        state = self._watch.state
        text, bad = (state.message, state.message_is_bad) if state else (self._watch.loading, False)
        text, bad = (self._busy, False) if self._busy else (text, bad)
        self.query_one("#message", TextLine).draw([(" " + text, Role.BAD if bad else Role.DIM)])
