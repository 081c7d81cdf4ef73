"""How many cores there are, and how many threads NumPy's matrix products use."""

import os
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


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
