"""How often something that changes all the time is shown."""


class Pace:
    """Lets something be shown at most once in so many seconds, and knows when that holds it back.

    Args:
        seconds: between two showings.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.due = 0.0
        """When it may be shown again, on the clock of the caller."""
        self.is_late = False
        """Whether the last answer was no: what is shown may be old."""

    def allows(self, now: float, *, at_once: bool = False) -> bool:
        """Tell whether to show it now; `at_once` asks for a yes."""
        self.is_late = now < self.due and not at_once
        if not self.is_late:
            self.due = now + self._seconds
        return not self.is_late
