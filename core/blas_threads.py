"""How the two trainers share the machine: cores, BLAS threads, the interpreter's lock."""

import os
import sys
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

SWITCH_SECONDS = 1e-4
"""After so long without the interpreter's lock, a thread asks its holder for it; Python's default
is 50 times longer. A waiting thread whose timer is that near is also woken sooner, since its core
does not fall asleep: both engines at once reach 0.85 and 0.85 of their speeds alone at 784-50-10
and 0.90 and 0.86 at 784-128-10, with the default 0.81, 0.75, 0.83 and 0.83."""


def share_interpreter() -> None:
    """Hand the interpreter's lock over sooner, for the whole process."""
    sys.setswitchinterval(SWITCH_SECONDS)


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
    # SciPy and PyTorch ship BLAS copies of their own; only NumPy's runs our products.
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    own = tuple(lib for lib in libraries if "numpy" in lib.filepath)
    return own or tuple(libraries)
