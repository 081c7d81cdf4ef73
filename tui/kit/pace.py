"""How often something that changes all the time is shown."""

NUMBERS_SECONDS = 0.5
"""Least time between two changes of the numbers: faster ones can't be read."""

MATRICES_SECONDS = 1.0
"""The same for the matrices, of whose cells an epoch changes dozens: on MNIST, with two epochs
a second, they were nine tenths of all bytes."""

SCORES_SECONDS = 3.0
"""The same for matrices with a score of each class beside them: at 220x60 an epoch changes most
of those numbers, 3.9 kB/s if they were shown each second."""

RECENT_SECONDS = 1.5
"""Least time between two pictures of the last 1,000 steps, which are all others half a second
later: at 220x60 one of both models is 1.4 kB."""

SHEET_SECONDS = 2.0
"""The same for a sheet of mistakes that follows the training: an epoch moves most of its digits,
8 to 12 kB at 140x40, and on MNIST there are two or three epochs a second."""

LATE_SECONDS = 0.1
"""How long what is due waits for the next event's update: one frame instead of two."""


class Pace:
    """Lets something be shown at most once in so many seconds, and knows when that holds it back.

    Args:
        seconds: between two showings.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.due = 0.0
        """When it may be shown again, on the clock of the caller."""
        self.is_late = False
        """Whether the last answer was no: what is shown may be old."""

    def allows(self, now: float, *, at_once: bool = False) -> bool:
        """Tell whether to show it now; `at_once` asks for a yes."""
        self.is_late = now < self.due and not at_once
        if not self.is_late:
            self.due = now + self.seconds
        return not self.is_late
