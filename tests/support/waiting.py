"""Waiting for what a test expects, for as long as the machine ran, not as long as the clock did.

A machine, or a test, that was suspended meanwhile sees all of that time pass at once.
"""

import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from time import monotonic, sleep
from typing import Any

DEADLINE_SECONDS = 60.0
"""For anything that is waited for: slow and busy machines need tens of seconds to import torch."""

_LOOK_SECONDS = 0.01
"""Between two looks at what is waited for."""


def wait_until(condition: Callable[[], object], seconds: float = DEADLINE_SECONDS) -> None:
    """Look again and again until a condition holds.

    Raises:
        TimeoutError: it did not in time.
    """
    # Looks are counted, not seconds: see the top of this file.
    for _ in range(round(seconds / _LOOK_SECONDS)):
        if condition():
            return
        sleep(_LOOK_SECONDS)
    raise TimeoutError(f"not within {seconds:g} s")


def seconds_to_end(process: "subprocess.Popen[Any]", seconds: float = DEADLINE_SECONDS) -> float:
    """Wait for a process's end; return how long it took while the machine ran.

    Raises:
        TimeoutError: it does not end.
    """
    took = 0.0
    while took < seconds:
        began = monotonic()
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
        took += min(monotonic() - began, 0.5)
        if process.poll() is not None:
            return took
    raise TimeoutError(f"{process.args!r} did not end")


class LateError(AssertionError):
    """Something took longer than it may."""


def in_time(took: float, limit: float) -> None:
    """Check a time; under `three_tries` a late one is tried again.

    Raises:
        LateError: it took too long.
    """
    if took >= limit:
        raise LateError(f"{took:.2f} s, expected less than {limit:g} s")


def three_tries(test: Callable[..., None]) -> Callable[..., None]:
    """Try a test in three folders of its own before it fails for being late.

    One late end may be due to what else a machine does; three in a row are the program's. Whatever
    else does not hold fails at once.
    """

    @wraps(test)
    def tried(tmp_path: Path, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        for number in range(3):
            folder = tmp_path / str(number)
            folder.mkdir()
            try:
                test(folder, *arguments, **named)
            except LateError:
                if number == 2:
                    raise
            else:
                return

    return tried


def last_words(process: "subprocess.Popen[str]") -> str:
    """Wait for a process's end; return what it has written to its standard error.

    Raises:
        TimeoutError: it does not end.
    """
    # In slices, as in `seconds_to_end`.
    for _ in range(round(DEADLINE_SECONDS)):
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=1.0)[1]
    raise TimeoutError(f"{process.args!r} did not end")
