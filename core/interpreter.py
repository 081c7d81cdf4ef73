"""How the two trainers and the screen share one Python interpreter."""

import sys

SHARED_SECONDS = 1e-5
"""After so long without the interpreter's lock, a thread asks its holder for it; Python's default
is 500 times longer. A waiting thread whose timer is that near is also woken sooner, since its core
does not fall asleep: of their speeds alone at 784-50-10 both engines at once keep 0.89 and 0.89,
with ten times the interval 0.87 and 0.85."""

UNSHARED_SECONDS = 5e-3
"""Python's default, while a key is answered: with `SHARED_SECONDS` the screen would stand back for
two trainers many times a millisecond, and the answer take 67 ms instead of 26."""


def share_interpreter() -> None:
    """Hand the interpreter's lock over soon, for the whole process."""
    sys.setswitchinterval(SHARED_SECONDS)


def keep_interpreter() -> None:
    """Let whoever has the interpreter's lock keep it for longer, for the whole process."""
    sys.setswitchinterval(UNSHARED_SECONDS)
