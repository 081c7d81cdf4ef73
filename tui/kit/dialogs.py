"""Short screens that ask before something is done: yes or no, and a line to type."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from mlpwatch.core.errors import MlpwatchError
from mlpwatch.tui.kit.base_screen import ClosesOnce
from mlpwatch.tui.kit.keys import KEYS, Where, bindings
from mlpwatch.tui.kit.text_block import Row, TextBlock
from mlpwatch.tui.kit.theme import Role


class Confirmation(ModalScreen[bool], ClosesOnce[bool]):
    """Asks yes or no; dismissed with the answer.

    Args:
        title: what is asked, in one line.
        facts: what it would do, a line each; long ones are folded.
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
        """Ask."""
        self.query_one(TextBlock).update(self._rows)

    def action_answer(self, answer: bool) -> None:
        """Give the answer."""
        self.dismiss(answer)


class LineEntry(ModalScreen[str | None], ClosesOnce[str | None]):
    """Asks for a line, such as a name; dismissed with it, or with None.

    Args:
        title: what is asked, in one line.
        text: to begin with.
        check: raises the error that says what is wrong with a text.
        yes: what enter does.
        no: what escape does.
        facts: what enter would do besides, a line each; long ones are folded.
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
    ) -> None:
        super().__init__()
        self._rows: list[Row] = [[(title, Role.STRONG)], []]
        if facts:
            self._rows += [*([(fact, Role.TEXT)] for fact in facts), []]
        self._text, self._check = text, check
        self._hints = f"enter {yes}   escape {no}"

    def compose(self) -> ComposeResult:
        """Make the box."""
        with Vertical(classes="box"):
            yield TextBlock(id="question")
            yield TypedLine(self._text, id="line")
            yield TextBlock(id="fault")

    def on_mount(self) -> None:
        """Ask."""
        self.query_one("#question", TextBlock).update(self._rows)
        self._say(self._hints, Role.DIM)

    def on_input_changed(self, _event: Input.Changed) -> None:
        """Take back what was said of the text before."""
        self._say(self._hints, Role.DIM)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give the text, or say what is wrong with it."""
        try:
            self._check(event.value)
        except MlpwatchError as error:
            self._say(str(error), Role.BAD)
        else:
            self.dismiss(event.value)

    def action_cancel(self) -> None:
        """Give none."""
        self.dismiss(None)

    def _say(self, text: str, role: Role) -> None:
        self.query_one("#fault", TextBlock).update([[], [(text, role)]])


class TypedLine(Input):
    """A line to type into; its cursor does not blink, which would be bytes for ever."""

    def __init__(self, text: str, *, id: str, placeholder: str = "") -> None:
        super().__init__(
            text,
            placeholder=placeholder,
            id=id,
            compact=True,
            select_on_focus=False,
            # What is pasted may hold escape sequences.
            restrict=r"[^\x00-\x1f\x7f-\x9f]*",
        )
        self.cursor_blink = False
