"""The mistakes screen: digits that a model got wrong, as a sheet of many or one enlarged."""

from time import monotonic
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Resize
from textual.timer import Timer

from mlpwatch.core.analysis.mistakes import MistakeList
from mlpwatch.core.errors import MlpwatchError
from mlpwatch.tui.images.contact_sheet import ContactSheet
from mlpwatch.tui.images.renderers import RendererChoice
from mlpwatch.tui.kit.base_screen import ClosesOnce, can_draw
from mlpwatch.tui.kit.epoch_bar import EpochBar
from mlpwatch.tui.kit.hints import Hints, View, message_text
from mlpwatch.tui.kit.keys import Where, bindings
from mlpwatch.tui.kit.lines import Footer, TextLine
from mlpwatch.tui.kit.pace import NUMBERS_SECONDS, SHEET_SECONDS, Pace
from mlpwatch.tui.mistakes.digit_panel import DigitPanel
from mlpwatch.tui.mistakes.life import LifeStrip
from mlpwatch.tui.mistakes.selection import MistakeSelection
from mlpwatch.tui.mistakes.split_images import SplitImages
from mlpwatch.tui.mistakes.text import (
    LIST_TITLES,
    detail_text,
    filters_text,
    lists_text,
    why_empty,
)
from mlpwatch.tui.state.watch import Watch
from mlpwatch.tui.terminal.textual_internals import is_being_removed

ROWS_AROUND = 4
"""Lists, filters, message and footer."""

READING_TEST = "reading the test images …"


class MistakesScreen(ClosesOnce[None]):
    """Follows the newest predictions; the digit under the cursor stays until the user moves on.

    Args:
        watch: of the run.
        selection: the initial list, filters, order and place.
        renderers: how pixels are drawn; the user's choice is kept.
        hints: shown for the first few keys.
    """

    WHERE: ClassVar[Where] = "mistakes"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)

    def __init__(
        self,
        watch: Watch,
        *,
        selection: MistakeSelection,
        renderers: RendererChoice,
        hints: Hints,
    ) -> None:
        super().__init__()
        self._watch = watch
        self._selection, self._renderers = selection, renderers
        self._images = SplitImages(watch)
        self._view: View = "sheet"
        self._hints, self._busy = hints, ""
        self._note = ""
        """The answer to the last key."""
        self._paces = {"sheet": Pace(SHEET_SECONDS), "digit": Pace(NUMBERS_SECONDS)}
        self._late: Timer | None = None
        self._is_left = False
        """Whether it was closed: from then on the selection belongs to the next visit."""

    def compose(self) -> ComposeResult:
        """Make lists, filters, the sheet, one digit with its facts, and footer."""
        yield TextLine(id="lists")
        yield TextLine(id="filters")
        yield ContactSheet(id="sheet")
        yield TextLine(id="detail")
        yield DigitPanel(self._watch, id="digit-row")
        yield LifeStrip(self._watch)
        yield EpochBar(self._watch)
        yield TextLine(id="message")
        yield Footer("mistakes", self._watch)

    def on_mount(self) -> None:
        """Draw the lists for the first frame, and the rest when the size is known."""
        if is_being_removed(self):
            return  # closed before it was mounted
        self._watch.mark_read()
        self._watch.show_kept(self.WHERE)
        self._arrange()
        self._images.ask()
        self._take_in(at_once=True)
        self._draw_lists()

    def on_resize(self, _event: Resize) -> None:
        """Arrange for the new size."""
        self.set_class(self.size.width < 120, "-narrow")  # noqa: PLR2004 - see mlpwatch.tcss
        self.set_class(self.size.width >= 200, "-wide")  # noqa: PLR2004
        self.call_after_refresh(self.update, numbers=True)

    def on_contact_sheet_picked(self, event: ContactSheet.Picked) -> None:
        """Go to the clicked digit; a double click enlarges it."""
        self._selection.go_to(event.place)
        if event.twice:
            self.action_open()
        self._acted()

    def on_digit_panel_failed(self) -> None:
        """Say at once that there is no explanation."""
        self._draw_message()

    def on_life_strip_appeared(self) -> None:
        """Arrange the digit in the rows that are left."""
        self.call_after_refresh(self._draw)

    def update(self, *, numbers: bool = False) -> None:
        """Show new predictions, if there are any, and draw."""
        if not can_draw(self):
            return
        self._images.ask()
        if self._images.is_due:
            self.run_worker(self._images.read(self._read_epoch))
        if self._images.lacks_test and not self._busy:
            self._busy = self._watch.words(READING_TEST)
            self.run_worker(self._read_test())
        if self._take_in(at_once=numbers) or numbers:
            self._draw()
        self._draw_filters()
        self._draw_message()

    def _read_epoch(self) -> None:
        """Show the predictions of a past epoch that has been read."""
        self.update(numbers=True)

    def action_move(self, by: int) -> None:
        """Move by some digits, from the last to the first and back."""
        self._selection.move(by)
        self._acted()

    def action_move_row(self, by: int) -> None:
        """Move by a row of the sheet; an enlarged digit by one digit."""
        self._move(by * self.query_one(ContactSheet).across, by)

    def action_move_page(self, by: int) -> None:
        """Move by a page of the sheet; an enlarged digit by ten digits."""
        self._move(by * self.query_one(ContactSheet).per_page, 10 * by)

    def _move(self, in_sheet: int, of_large_digits: int) -> None:
        if self._view == "sheet":
            self._selection.move_within(in_sheet)
        else:
            self._selection.move(of_large_digits)
        self._acted()

    def action_open(self) -> None:
        """Enlarge the digit under the cursor."""
        if self._selection.row is not None:
            self._show("digit")

    def action_next_renderer(self) -> None:
        """Draw pixels with the next renderer that the terminal supports."""
        is_small = self._view == "sheet"
        hides = not is_small and self.query_one(DigitPanel).shows_gradient
        note = self._renderers.next(small=is_small, under_gradient=hides)
        self._acted(note)

    async def action_first(self) -> None:
        """Go to the first digit; in the past to the first epoch."""
        if self._watch.shown.epoch is not None:
            await self.run_action("app.epoch('first')")
            return
        self._selection.go_to(0)
        self._acted()

    async def action_last(self) -> None:
        """Go to the last digit; in the past back to now."""
        if self._watch.shown.epoch is not None:
            await self.run_action("app.epoch('now')")
            return
        self._selection.go_to(-1)
        self._acted()

    def action_next_list(self, by: int) -> None:
        """Switch to another list of this run."""
        lists, now = self._lists(), self._selection.which
        # A model without any event so far has no list.
        place = lists.index(now) + by if now in lists else 0
        self._selection.choose_list(lists[place % len(lists)])
        self._acted()

    def action_next_order(self) -> None:
        """Sort by image, confidence in the wrong answer, loss or true label."""
        self._selection.next_order()
        self._acted()

    def action_filter_true(self) -> None:
        """Keep only one true label: none, then each class in turn."""
        if session := self._watch.session:
            self._selection.next_true(session.dataset.classes)
        self._acted()

    def action_filter_predicted(self) -> None:
        """Keep only one predicted label: none, then each class in turn."""
        if session := self._watch.session:
            self._selection.next_predicted(session.dataset.classes)
        self._acted()

    def action_clear_filters(self) -> None:
        """Show all labels."""
        self._selection.filter(None, None)
        self._acted()

    def action_next_gradient(self) -> None:
        """Mark the pixels that speak for the predicted class, for the true label, or none."""
        self._enlarged().next_gradient()
        if self._watch.are_points:
            self._acted(
                "a point has no pixels to mark: the plane on the dashboard shows its region"
            )

    def action_other_model(self) -> None:
        """Explain the other model's prediction."""
        self._enlarged().next_model()

    def action_toggle_neighbours(self) -> None:
        """Show the nearest training images in place of the bars, or the bars again."""
        panel = self._enlarged()
        panel.toggle_neighbours()
        note = self._watch.words("bars and nearest digits both fit here")
        self._acted("" if panel.has_to_choose else note)

    def action_toggle_test(self) -> None:
        """Switch to the test images, predicted with the newest epoch's weights, or back."""
        if self._busy or self._watch.session is None:
            return
        if self._images.split == "test":
            self._leave_test()
            self._acted()
        else:
            self._busy = self._watch.words(READING_TEST)
            self._draw_message()
            self.run_worker(self._read_test())

    def action_back(self) -> None:
        """Go back from an enlarged digit to the sheet, and from there to the dashboard."""
        if self._view == "digit":
            self._show("sheet")
            return
        if self._images.split == "test":
            self._leave_test()  # the next visit begins with the validation images
        self._is_left = True
        self.dismiss()

    def _leave_test(self) -> None:
        self._images.split = "validation"
        self._selection.start_with(self._images.predictions)

    async def _read_test(self) -> None:
        """Predict the test images in a thread, then show them."""
        try:
            await self._images.read_test()
        except (MemoryError, RuntimeError, MlpwatchError) as error:
            # PyTorch raises RuntimeError if memory runs out. Training continues.
            if state := self._watch.state:
                fault = f"{self._watch.words('the test images')} could not be read: {error}"
                state.say(fault, bad=True, where=self.WHERE)
            self._images.split = "validation"
        self._busy = ""
        if self._is_left:
            return
        self._selection.start_with(self._images.predictions)
        if can_draw(self):
            self.update(numbers=True)

    def _take_in(self, *, at_once: bool) -> bool:
        """Accept new predictions, but not too often; return whether there were any."""
        if not self._selection.is_news(self._images.predictions):
            return False
        if (pace := self._paces[self._view]).allows(monotonic(), at_once=at_once):
            self._late = None
            return self._selection.take(self._images.predictions)
        # After a pause or the end no further event would draw the last ones.
        self._late = self._late or self.set_timer(pace.seconds, self.update)
        return False

    def _lists(self) -> list[MistakeList]:
        only = session.config.only if (session := self._watch.session) else None
        return list(LIST_TITLES) if only is None else [only, "newly-wrong", "newly-right"]

    def _draw(self) -> None:
        if not can_draw(self):
            return
        self._draw_lists()
        self._draw_filters()
        if self._view == "sheet":
            self._draw_sheet()
        else:
            self._draw_digit()

    def _acted(self, note: str = "") -> None:
        """Show the effect of a key or a click, and the answer to it."""
        self._note = note
        self._hints.count_key(self._view)
        self._draw()
        self._draw_message()

    def _enlarged(self) -> DigitPanel:
        """Enlarge the digit, for its explanation, and return its panel."""
        if self._view == "sheet":
            self.action_open()
        return self.query_one(DigitPanel)

    def _draw_sheet(self) -> None:
        source, absent = self._images.sheet_source(self._selection), self._why_empty()
        place, choice = self._selection.place, self._renderers
        renderer = choice.shaded if self._watch.are_points else choice.small
        self.query_one(ContactSheet).update(source, place, renderer, absent=absent)
        row, images = self._selection.row, self._images
        title = "" if row is None else f"{images.title(row)}{images.place(row)}"
        text = detail_text(self._selection, title, images.names, self.size.width, images.titles)
        self.query_one("#detail", TextLine).update(text)

    def _draw_digit(self) -> None:
        digit = self._images.seen_digit(self._selection)
        panel, others = self.query_one(DigitPanel), ROWS_AROUND + self.query_one(EpochBar).rows
        panel.look_at(digit, self._renderers, absent=self._why_empty())
        room = panel.rows_to_spare(self.size.height - others)
        self.query_one(LifeStrip).look_at(digit, room if self._view == "digit" else 0)

    def _why_empty(self) -> str:
        ended = bool((state := self._watch.state) and state.ended)
        if self._images.fault:
            return self._images.fault
        why = why_empty(self._images.split, self._selection, ended=ended)
        return self._images.missing or self._watch.words(why)

    def _show(self, view: View) -> None:
        self._view, self._note = view, ""
        self._watch.mark_read()
        self._draw()  # for the frame in which it appears
        self._arrange()

    def _arrange(self) -> None:
        """Show the sheet or one digit."""
        for name, view in (("#sheet", "sheet"), ("#detail", "sheet"), ("#digit-row", "digit")):
            self.query_one(name).display = self._view == view
        if self._view == "sheet":
            self.query_one(LifeStrip).look_at(None, 0)
        without = {"next_gradient"} if self._watch.are_points else set()
        self.query_one(Footer).update(without | ({"open"} if self._view == "digit" else set()))
        self.call_after_refresh(self.update, numbers=True)

    def _draw_lists(self) -> None:
        text = lists_text(self._lists(), self._selection, self.size.width, self._images.titles)
        self.query_one("#lists", TextLine).update(text)

    def _draw_filters(self) -> None:
        self.query_one(EpochBar).update()
        text = filters_text(self._images.split, self._selection, self._images.names)
        text = [(self._watch.words(piece), role) for piece, role in text]
        self.query_one("#filters", TextLine).update(text, self._images.epochs_text())

    def _draw_message(self) -> None:
        said = self._busy or self._note
        text = message_text(
            self._watch,
            self.WHERE,
            said,
            self._hints.of(self._view, are_points=self._watch.are_points),
        )
        self.query_one("#message", TextLine).update(text)
