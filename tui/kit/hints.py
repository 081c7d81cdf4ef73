"""The row above the footer: hints for new users, answers to keys, messages of the run."""

from typing import Literal

from mlpwatch.tui.formatting import with_keys
from mlpwatch.tui.kit.keys import Where
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.watch import Watch

View = Literal["sheet", "digit", "weights"]

_HINTS: dict[View, str] = {
    "sheet": "arrows choose a digit, {enter} enlarges it; "
    "{tab} list, {o} order, {v} view, {T} test",
    "weights": "ink on + pixels raises a unit's answer, on − lowers it; {tab} model, {z} zoom",
    "digit": "{y} why: the training digits most alike; {g} gradient; {a} other model; "
    "{escape} back",
}

_HINTS_OF_POINTS: dict[View, str] = {
    "sheet": "arrows choose a point, {enter} enlarges it; "
    "{tab} list, {o} order, {v} view, {T} test",
    "weights": "each tile is the plane: where a unit answers, and how much; {tab} model, {z} zoom",
    "digit": "{y} why: the training points most alike; {a} other model; {escape} back",
}

READ_KEYS = 6
"""A hint has been visible long enough after this many keys."""


class Hints:
    """Counts keys, so that each hint disappears after some and never comes back."""

    def __init__(self) -> None:
        self._keys: dict[View, int] = {}

    def of(self, view: View, *, are_points: bool) -> str:
        """Return the view's hint for images or for points; empty once it has disappeared."""
        if self._keys.get(view, 0) >= READ_KEYS:
            return ""
        return with_keys((_HINTS_OF_POINTS if are_points else _HINTS)[view])

    def count_key(self, view: View) -> None:
        """Count a key press in a view."""
        self._keys[view] = self._keys.get(view, 0) + 1


def message_text(watch: Watch, where: Where, answer: str, hint: str) -> list[tuple[str, Role]]:
    """Return the row above the footer: an answer, the view's hint, or the run's message.

    Args:
        watch: its message comes before a hint while it is new.
        where: the screen.
        answer: to the last key, or what the screen waits for; may be empty.
        hint: of the view; may be empty.
    """
    state = watch.state
    text, bad, is_new = watch.loading, False, False
    if state:
        text, bad, is_new = state.message_on(where), state.message_is_bad, state.message_is_new
    if answer or (hint and not (text and is_new)):
        text, bad = answer or hint, False
    return [(" " + text, Role.BAD if bad else Role.DIM)]
