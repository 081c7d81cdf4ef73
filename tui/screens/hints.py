"""Lines that tell once, to whoever sees a view for the first time, what can be done there."""

from typing import Literal

View = Literal["sheet", "digit"]

_HINTS: dict[View, str] = {
    "sheet": "arrows choose a digit, enter enlarges it; tab list, o order, v view, T test",
    "digit": "y why: the training digits most alike; g gradient; a other model; escape back",
}

READ_KEYS = 6
"""Keys after which a hint has been seen long enough."""


class Hints:
    """Counts keys, so that each hint goes away after some and never comes back."""

    def __init__(self) -> None:
        self._keys: dict[View, int] = {}

    def of(self, view: View) -> str:
        """Return the view's hint; empty once it has been seen."""
        return _HINTS[view] if self._keys.get(view, 0) < READ_KEYS else ""

    def count_key(self, view: View) -> None:
        """Note that a key was pressed in a view."""
        self._keys[view] = self._keys.get(view, 0) + 1
