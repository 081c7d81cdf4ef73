"""Dialogs that ask before an action: yes or no, or a line of text."""

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input
from textual.widgets.input import Selection

from mlpwatch.core.errors import MlpwatchError
from mlpwatch.tui.kit.base_screen import ClosesOnce
from mlpwatch.tui.kit.keys import KEYS, Where, bindings
from mlpwatch.tui.kit.text_block import Row, TextBlock
from mlpwatch.tui.kit.theme import Role


class Confirmation(ModalScreen[bool], ClosesOnce[bool]):
    """Asks yes or no; dismissed with the answer.

    Args:
        title: the question, in one line.
        facts: what the action would do, a line each; long lines are folded.
        yes: what `y` does.
        no: what `n` and escape do.
    """

    WHERE: ClassVar[Where] = "question"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)

    def __init__(self, title: str, facts: list[str], *, yes: str, no: str) -> None:
        super().__init__()
        self._rows: list[Row] = [[(title, Role.STRONG)], []]
        self._rows += [[(fact, Role.TEXT)] for fact in facts]
        answers = {"answer(True)": yes, "answer(False)": no}
        keys = [(key.shown, answers[key.action]) for key in KEYS if key.action in answers]
        hints: list[tuple[str, Role]] = []
        for shown, does in keys:
            hints += [(shown, Role.STRONG), (f" {does}   ", Role.DIM)]
        self._rows += [[], hints]

    def compose(self) -> ComposeResult:
        """Make the box."""
        with Vertical(classes="box"):
            yield TextBlock(id="question")

    def on_mount(self) -> None:
        """Show the question."""
        self.query_one(TextBlock).update(self._rows)

    def action_answer(self, answer: bool) -> None:
        """Give the answer."""
        self.dismiss(answer)


class LineEntry(ModalScreen[str | None], ClosesOnce[str | None]):
    """Asks for a line, such as a name; dismissed with it, or with None.

    Args:
        title: the question, in one line.
        text: the initial text.
        check: raises an error that says what is wrong with a text.
        yes: what enter does.
        no: what escape does.
        facts: other effects of enter, a line each; long lines are folded.
        effect: returns what enter would do with a valid text, in one line.
        act: does it; if that fails, the dialog says why, stays open, and takes all keys.
        is_selected: whether typing replaces the initial text, or adds to it.
    """

    WHERE: ClassVar[Where] = "entry"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)

    def __init__(
        self,
        title: str,
        text: str,
        check: Callable[[str], object],
        *,
        yes: str,
        no: str,
        facts: Sequence[str] = (),
        effect: Callable[[str], str] = lambda _text: "",
        act: Callable[[str], Awaitable[None]] | None = None,
        is_selected: bool = True,
    ) -> None:
        super().__init__()
        self._act, self._is_acting, self._is_selected = act, False, is_selected
        self._rows: list[Row] = [[(title, Role.STRONG)], []]
        self._effect = effect
        if facts:
            self._rows += [*([(fact, Role.TEXT)] for fact in facts), []]
        self._text, self._check = text, check
        self._hints = f"enter {yes}   escape {no}"

    def compose(self) -> ComposeResult:
        """Make the box."""
        with Vertical(classes="box"):
            yield TextBlock(id="question")
            yield TypedLine(self._text, id="line", is_selected=self._is_selected)
            yield TextBlock(id="fault")

    def on_mount(self) -> None:
        """Show the question and the effect of the initial text."""
        self.query_one("#question", TextBlock).update(self._rows)
        self._say_effect(self._text)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what enter would do with the text."""
        self._say_effect(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Dismiss with the text, or say what is wrong with it."""
        try:
            self._check(event.value)
        except MlpwatchError as error:
            self._say(str(error), Role.BAD)
        else:
            if self._act is None:
                self.dismiss(event.value)
            elif not self._is_acting:
                self._is_acting = True
                self.run_worker(self._do(self._act, event.value))

    async def _do(self, act: Callable[[str], Awaitable[None]], text: str) -> None:
        try:
            await act(text)
        except MlpwatchError as error:
            self._say(str(error), Role.BAD)
        else:
            self.dismiss(text)
        finally:
            self._is_acting = False

    def action_cancel(self) -> None:
        """Dismiss with None."""
        self.dismiss(None)

    def _say_effect(self, text: str) -> None:
        try:
            self._check(text)
        except MlpwatchError as error:
            self._say(str(error), Role.BAD)
        else:
            self._say(self._hints, Role.DIM, self._effect(text))

    def _say(self, text: str, role: Role, effect: str = "") -> None:
        rows: list[Row] = [[(effect, Role.TEXT)]] if effect else []
        self.query_one("#fault", TextBlock).update([[], *rows, [(text, role)]])


class TypedLine(Input):
    """A line to type into; its cursor does not blink, which would send bytes all the time."""

    def __init__(
        self, text: str, *, id: str, placeholder: str = "", is_selected: bool = False
    ) -> None:
        super().__init__(
            text,
            placeholder=placeholder,
            id=id,
            compact=True,
            select_on_focus=False,
            # Pasted text may contain escape sequences.
            restrict=r"[^\x00-\x1f\x7f-\x9f]*",
        )
        self.cursor_blink = False
        if is_selected:
            # Not on focus: keys typed before it would be selected too, and replaced.
            self.selection = Selection(0, len(text))

    def insert_text_at_cursor(self, text: str) -> None:
        """Insert text in place of the selection."""
        self.replace(text, *sorted(self.selection))
