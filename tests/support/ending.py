"""Waiting for a process's end for as long as the machine ran, not as long as the clock did."""

import subprocess
from contextlib import suppress
from time import monotonic
from typing import Any

LONGEST_SECONDS = 60.0
"""On slow and busy machines."""


def seconds_to_end(process: "subprocess.Popen[Any]", seconds: float = LONGEST_SECONDS) -> float:
    """Wait for a process's end; return how long it took while the machine ran.

    Raises:
        TimeoutError: it does not end.
    """
    took = 0.0
    while took < seconds:
        began = monotonic()
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
        # A machine, or a test, that was suspended meanwhile sees all of that time pass at once.
        took += min(monotonic() - began, 0.5)
        if process.poll() is not None:
            return took
    raise TimeoutError(f"{process.args!r} did not end")


def last_words(process: "subprocess.Popen[str]") -> str:
    """Wait for a process's end; return what it has written to its standard error.

    Raises:
        TimeoutError: it does not end.
    """
    # In slices, as in `seconds_to_end`.
    for _ in range(round(LONGEST_SECONDS)):
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=1.0)[1]
    raise TimeoutError(f"{process.args!r} did not end")
