"""Which threads go first where there are more than cores."""

import os
import sys
from contextlib import suppress
from threading import get_native_id

NICENESS = 5
"""A thread that stands back gets a third of a core that another one of this process wants too, and
any that is idle. Beside two trainers of the same priority the screen's 15 ms for a frame took more
than 50 ms eleven times in 45 s, at 2 or 3 never more than 48 or 38; at 5 never, and once more than
30. It is the same for all that stand back: one of them that holds a lock, or the interpreter's,
while others go before it makes whoever waits for the lock wait for them too."""


def stand_back() -> None:
    """Let the main thread go before the calling one and all that it starts, where that is possible.

    On Linux each thread has a priority of its own, and gives it to those that it starts. Told
    twice, it stays the same.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            # The main thread's id is the process's; elsewhere a priority belongs to the process.
            first = os.getpriority(os.PRIO_PROCESS, os.getpid())
            os.setpriority(os.PRIO_PROCESS, get_native_id(), first + NICENESS)
