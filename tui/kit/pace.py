"""How often constantly changing parts of the screen are drawn."""

NUMBERS_SECONDS = 0.5
"""Least time between two changes of the numbers: faster ones can't be read."""

MATRICES_SECONDS = 1.0
"""The same for the matrices. An epoch changes dozens of their cells: on MNIST, with two epochs
a second, they were nine tenths of all bytes."""

PLANES_SECONDS = 2.0
"""The same for decision regions: while they move, an epoch changes a tenth of their cells, 1 kB
of both models at 140x40."""

SCORES_SECONDS = 3.0
"""The same for matrices with a score of each class beside them: at 220x60 an epoch changes most
of those numbers, which would be 3.9 kB/s if they were shown each second."""

RECENT_SECONDS = 1.5
"""Least time between two drawings of the last 1,000 steps, which are all new half a second
later: at 220x60 drawing both models takes 1.4 kB."""

SHEET_SECONDS = 2.0
"""The same for a sheet of mistakes that follows the training: an epoch moves most of its digits,
8 to 12 kB at 140x40, and on MNIST there are two or three epochs a second."""

LATE_SECONDS = 0.1
"""A due drawing waits this long for the next event's update: one frame instead of two."""


class Pace:
    """Allows a drawing at most once in some seconds, and remembers whether it was refused.

    Args:
        seconds: between two drawings.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.due = 0.0
        """When the next drawing is allowed, on the caller's clock."""
        self.is_late = False
        """Whether the last answer was no: the screen may be outdated."""

    def allows(self, now: float, *, at_once: bool = False) -> bool:
        """Return whether to draw now; always true with `at_once`."""
        self.is_late = now < self.due and not at_once
        if not self.is_late:
            self.due = now + self.seconds
        return not self.is_late
