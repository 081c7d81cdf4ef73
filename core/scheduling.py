"""How threads share the machine: cores, BLAS threads, the interpreter's lock, priorities."""

import os
import sys
from contextlib import suppress
from functools import cache
from threading import get_native_id
from typing import Any

SHARED_SECONDS = 1e-5
"""After this wait a thread requests the interpreter's lock from its holder; Python's default is 500
times longer. With so short a timer the core of a waiting thread does not sleep, so the thread also
wakes sooner. At 784-50-10 both engines together reach 0.89 and 0.89 of their speeds alone; with ten
times the interval 0.87 and 0.85."""

UNSHARED_SECONDS = 5e-3
"""Python's default, used while a key is answered: with `SHARED_SECONDS` the screen would yield to
two trainers many times per millisecond, and the answer would take 67 ms instead of 26 ms."""


def share_interpreter() -> None:
    """Make threads hand over the interpreter's lock soon, in the whole process."""
    sys.setswitchinterval(SHARED_SECONDS)


def keep_interpreter() -> None:
    """Let threads keep the interpreter's lock longer, in the whole process."""
    sys.setswitchinterval(UNSHARED_SECONDS)


NICENESS = 5
"""With this niceness a thread gets a third of a core that another thread of this process needs too,
and any idle core. With two trainers of the screen's own priority, a frame of 15 ms took more than
50 ms eleven times in 45 s; at niceness 2 or 3 never more than 48 or 38 ms; at 5 only once more than
30 ms. All such threads have the same value: if one of them held a lock (or the interpreter's) and
ran after the others, threads that wait for this lock would wait for the others too."""


def stand_back() -> None:
    """Give the main thread priority over the calling thread and the threads that it starts.

    On Linux each thread has its own priority, which the threads that it starts inherit; elsewhere
    this has no effect. A second call changes nothing.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            # The main thread's id is the process id. Other systems have no priority per thread.
            first = os.getpriority(os.PRIO_PROCESS, os.getpid())
            os.setpriority(os.PRIO_PROCESS, get_native_id(), first + NICENESS)


def own_rank() -> int | None:
    """Return this process's number among those that train one run; None if it trains alone.

    torch.distributed's launchers say it in the environment.
    """
    if not all(os.environ.get(name) for name in ("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")):
        return None
    number = os.environ.get("RANK", "")
    return int(number) if number.isdecimal() else None


def available_cores() -> int:
    """Return how many cores this process may use; the ranks of one machine share them."""
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    if own_rank() is None:
        return cores
    ranks = os.environ.get("LOCAL_WORLD_SIZE", "")
    return max(1, cores // max(1, int(ranks) if ranks.isdecimal() else 1))


def set_numpy_threads(threads: int) -> None:
    """Set the thread count of NumPy's BLAS for the whole process.

    PyTorch has its own pool, which is not changed: both trainers get their share.
    """
    for library in _numpy_blas():
        library.set_num_threads(threads)


@cache
def _numpy_blas() -> tuple[Any, ...]:
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - not before the first frame

    # SciPy and PyTorch have their own copies of BLAS; only NumPy's computes our products.
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    own = tuple(lib for lib in libraries if "numpy" in lib.filepath)
    return own or tuple(libraries)
