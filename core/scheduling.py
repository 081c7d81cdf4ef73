"""Cores, BLAS threads, the interpreter's lock and priorities: how threads share the machine."""

import os
import sys
from contextlib import suppress
from functools import cache
from threading import get_native_id
from typing import Any

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
    """Let the thread that has the interpreter's lock keep it for longer, for the whole process."""
    sys.setswitchinterval(UNSHARED_SECONDS)


NICENESS = 5
"""A thread that stands back gets a third of a core that another one of this process wants too, and
any that is idle. Beside two trainers of the same priority the screen's 15 ms for a frame took more
than 50 ms eleven times in 45 s, at 2 or 3 never more than 48 or 38; at 5 never, and once more than
30. It is the same for all that stand back: one of them that holds a lock, or the interpreter's,
while others go before it makes the threads that wait for the lock wait for them too."""


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


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def set_numpy_threads(threads: int) -> None:
    """Set the thread count of the BLAS that NumPy is linked with, for the whole process.

    PyTorch brings its own pool and is not touched: both trainers get their share.
    """
    for library in _numpy_blas():
        library.set_num_threads(threads)


@cache
def _numpy_blas() -> tuple[Any, ...]:
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - not before the first frame

    # SciPy and PyTorch ship BLAS copies of their own; only NumPy's runs our products.
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    own = tuple(lib for lib in libraries if "numpy" in lib.filepath)
    return own or tuple(libraries)
