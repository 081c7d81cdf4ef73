"""The process's environment at its start: closed descriptors, encodings, folder, variables.

Unusable parts are repaired here, or reported as one line of error.
"""

import codecs
import os
import sys
from argparse import ArgumentTypeError
from collections.abc import Mapping
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

from mlpwatch.core.errors import InputError

_LOOK_ALIKES = {
    "…": "...", "–": "-", "—": "-", "·": "|", "×": "x", "→": "->", "←": "<-", "≤": "<=", "≥": ">=",
    "−": "-", "\N{NO-BREAK SPACE}": " ",
}  # fmt: skip
"""For streams whose encoding lacks the character; others are written as `\\u6570`."""

_MOST = {
    "TEXTUAL_FPS": 1_000,
    "TEXTUAL_SCREENSHOT": 86_400,
    "TEXTUAL_SLOW_THRESHOLD": 1_000_000,
    "TEXTUAL_DIM_FACTOR": 100,
    "ESCDELAY": 10_000,
}
"""Larger numbers make Textual wait forever or fail; it ignores values that are not numbers."""

_COLOUR_SYSTEMS = ("auto", "standard", "256", "truecolor")

THEMES = (
    "ansi-dark", "ansi-light", "atom-one-dark", "atom-one-light", "catppuccin-frappe",
    "catppuccin-latte", "catppuccin-macchiato", "catppuccin-mocha", "dracula", "flexoki", "gruvbox",
    "monokai", "nord", "rose-pine", "rose-pine-dawn", "rose-pine-moon", "solarized-dark",
    "solarized-light", "textual-dark", "textual-light", "tokyo-night",
)  # fmt: skip
"""Textual's; it is not imported only to check a name, which also commands without a screen do."""


def theme_named(name: str) -> str:
    """Return Textual's name of a theme.

    Raises:
        argparse.ArgumentTypeError: there is no such theme.
    """
    known = {"dark": "textual-dark", "light": "textual-light", **{name: name for name in THEMES}}
    if name not in known:
        where = getattr(name, "where", "")
        expected = ", ".join(sorted(known))
        raise ArgumentTypeError(f"{where} {name!r}: expected one of {expected}".lstrip())
    return known[name]


def prepare_streams() -> None:
    """Give the process three descriptors, and streams that accept any character.

    A file opened later would get the number of a closed descriptor, and output for stderr
    would be written into it. Printing a character that the encoding lacks would be an error.
    """
    with suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - 0, 1 and 2
            os.set_inheritable(number, True)
        os.close(number)
    codecs.register_error("mlpwatch", _look_alike)
    # `print` writes to stdout if it is given None.
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="mlpwatch")


def check_folder() -> None:
    """Check that the working folder exists.

    Raises:
        InputError: it was deleted.
    """
    try:
        Path.cwd()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"working folder: {reason}; expected one that exists; cd to another and start again"
        ) from error


def check_textual_variables(environment: Mapping[str, str]) -> None:
    """Check those of Textual's own variables that would end it with a traceback.

    Raises:
        InputError: the message names the variable.
    """
    for name, most in _MOST.items():
        with suppress(ValueError):
            if int(environment.get(name, "0")) > most:
                raise InputError(
                    f"{name}={environment[name]!r}: expected a number up to {most}; unset it"
                )
    colours = environment.get("TEXTUAL_COLOR_SYSTEM", "auto")
    if colours not in _COLOUR_SYSTEMS:
        expected = ", ".join(_COLOUR_SYSTEMS)
        raise InputError(f"TEXTUAL_COLOR_SYSTEM={colours!r}: expected {expected}; unset it")
    _check_log(environment.get("TEXTUAL_LOG"))
    _check_driver(environment.get("TEXTUAL_DRIVER"))


def _check_log(path: str | None) -> None:
    if path is None:
        return
    try:
        with Path(path).open("a"):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"TEXTUAL_LOG={path!r}: {reason}; expected a file that can be written; unset it"
        ) from error


def _check_driver(named: str | None) -> None:
    if named is None:
        return
    from importlib import import_module  # noqa: PLC0415

    from textual.driver import Driver  # noqa: PLC0415

    module, _, symbol = named.partition(":")
    found: object = None
    # A module may raise anything when it is imported.
    with suppress(Exception):
        found = getattr(import_module(module), symbol)
    if not isinstance(found, type) or not issubclass(found, Driver):
        raise InputError(
            f"TEXTUAL_DRIVER={named!r}: expected MODULE:CLASS of a driver of Textual; unset it"
        )


def _look_alike(error: UnicodeError) -> tuple[str, int]:
    """Replace what a stream can't encode by similar characters, or by its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    shown = (
        _LOOK_ALIKES.get(character) or character.encode("unicode_escape").decode("ascii")
        for character in characters
    )
    return "".join(shown), error.end
