"""What the terminal can show, according to the environment: characters, colours, speed."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

_FEWEST_COLOURS = 8

STANDARD_SIZE = (80, 24)
"""Columns and rows of a terminal that reports 0 because it does not know its size, as with
`docker run -t` without a client and `ssh -tt` from cron."""

LARGEST_SIZE = (640, 180)
"""Most columns and rows that are drawn: a 4K screen in letters of 6x12 pixels. At 1,000x400 a
frame takes seconds, in which keys and signals get no answer."""

_UNUSABLE = ("dumb", "unknown")
"""Names of terminals that can't move their cursor; Rich draws on none of them."""


def has_unicode(environment: Mapping[str, str] | None = None, encoding: str | None = None) -> bool:
    """Return whether the locale is UTF-8, as the user set it.

    Python's own encoding is no evidence: under LC_ALL=C it switches to UTF-8 (PEP 540), and under
    LANG=C it sets LC_CTYPE to C.UTF-8 (PEP 538). It decides only if no variable is set.

    Args:
        environment: by default the one with which this process was started.
        encoding: the output's encoding; by default standard output's.
    """
    variables = _first_environment() if environment is None else environment
    encoding = (encoding or sys.stdout.encoding or "").lower().replace("-", "")
    # The order of POSIX (Base Definitions, 8.2): the first that is set and not empty counts.
    names = (variables.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    named = next((name for name in names if name), "UTF-8")
    is_utf8 = "utf8" in named.partition("@")[0].lower().replace("-", "")
    return encoding == "utf8" and is_utf8


def has_colour(environment: Mapping[str, str] | None = None) -> bool:
    """Return whether the terminal shows colours and the user wants them.

    A terminal that terminfo does not know is assumed to have colours, as most have.
    """
    variables = os.environ if environment is None else environment
    if variables.get("NO_COLOR"):
        return False
    if variables.get("COLORTERM"):
        return True
    # Only here: most terminals set COLORTERM.
    import curses  # noqa: PLC0415

    with suppress(curses.error, OSError):
        # Not on the terminal itself: only its description is needed.
        with Path(os.devnull).open("w") as nowhere:
            curses.setupterm(variables.get("TERM") or "unknown", nowhere.fileno())
        return curses.tigetnum("colors") >= _FEWEST_COLOURS
    return True


def terminal_size() -> tuple[int, int]:
    """Return the terminal's own columns and rows, regardless of COLUMNS and LINES.

    Shells and users set these, and they do not change with the window.
    """
    size = (0, 0)
    for stream in (sys.__stdin__, sys.__stdout__):
        with suppress(OSError, ValueError, AttributeError):
            size = os.get_terminal_size(stream.fileno())  # type: ignore[union-attr]
            break
    columns, rows = (
        min(own or standard, most)
        for own, standard, most in zip(size, STANDARD_SIZE, LARGEST_SIZE, strict=True)
    )
    return columns, rows


def unusable_terminal(environment: Mapping[str, str] | None = None) -> str:
    """Return why the terminal can't show a screen, or ""."""
    name = (os.environ if environment is None else environment).get("TERM", "")
    return f"TERM is {name}" if name.lower() in _UNUSABLE else ""


def no_screen() -> str:
    """Return why there is no terminal to draw on; empty if there is one."""
    if fault := unusable_terminal():
        return fault
    if not is_terminal(sys.stdout):
        return "the output is no terminal"
    return "" if is_terminal(sys.stdin) else "the input is no terminal"


def is_terminal(stream: IO[str] | None) -> bool:
    """Return whether a standard stream is a terminal; a closed one is None."""
    return stream is not None and stream.isatty()


def is_remote() -> bool:
    """Return whether the terminal is at the other end of an SSH connection."""
    return bool(os.environ.get("SSH_CONNECTION"))


def _first_environment() -> Mapping[str, str]:
    """Return the variables before Python changed them, if the system reports them."""
    with suppress(OSError):
        text = Path("/proc/self/environ").read_bytes().decode(errors="replace")
        return dict(line.partition("=")[::2] for line in text.split("\0") if "=" in line)
    return os.environ
