"""Which signs beside its cells a terminal understands, according to the environment.

A sequence that a terminal does not understand is printed by a few, and taken for another one by
some: an `OSC 9` that is progress in one is a notification in another. So all are absent unless the
terminal is known.
"""

import os
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from mlpwatch.tui.terminal.traits import unusable_terminal

Notification = Literal["osc9", "osc777", "bell", ""]

_OF_PROGRAM: dict[str, Notification] = {
    "iterm.app": "osc9",
    "iterm2": "osc9",
    "wezterm": "osc777",
    "ghostty": "osc777",
    "kitty": "osc777",
    "foot": "osc777",
    "contour": "osc777",
    "konsole": "osc777",
    "rxvt-unicode": "osc777",
    "warpterminal": "osc777",
}
"""How a terminal is asked for a notification; all others have a bell."""

_LEAVES_TRACES = {
    "KITTY_WINDOW_ID": "kitty",
    "GHOSTTY_RESOURCES_DIR": "ghostty",
    "WEZTERM_PANE": "wezterm",
    "ITERM_SESSION_ID": "iterm.app",
    "KONSOLE_VERSION": "konsole",
    "WT_SESSION": "windows-terminal",
}
"""Variables that a terminal sets for what runs in it; inside tmux they are what is left of it."""

_TITLED = (
    "xterm", "tmux", "rxvt", "alacritty", "foot", "wezterm", "ghostty", "kitty", "contour",
    "konsole", "gnome", "vte", "mintty", "putty", "st-",
)  # fmt: skip
"""Beginnings of the names of terminals that have a title and a stack of titles. Not screen, which
has no stack, nor the Linux console, which has no title."""

_PROGRESS_SINCE = {
    "ghostty": (),
    "wezterm": (),
    "windows-terminal": (),
    "mintty": (),
    "iterm.app": (3, 6, 6),
}
"""Versions that show progress for `OSC 9;4`; iTerm2 before 3.6.6 shows a notification instead."""

_WITH_PICTURES = ("kitty", "ghostty", "wezterm")
"""Terminals that know kitty's graphics protocol."""

VTE_PROGRESS, KONSOLE_PROGRESS = 7900, 250_400
"""The first versions of VTE's terminals and of Konsole with progress; earlier ones ignore it."""


class Abilities(NamedTuple):
    """What a terminal shows beside its cells."""

    notification: Notification = ""
    has_title: bool = False
    has_progress: bool = False
    has_clipboard: bool = False
    has_background: bool = False
    """Whether it can be asked for the colour of its background."""
    has_pictures: bool = False
    """Whether it can be asked if it shows pixels by kitty's graphics protocol."""
    is_tmux: bool = False
    """Whether sequences for the terminal outside need tmux's passthrough."""


def abilities(environment: Mapping[str, str] | None = None) -> Abilities:
    """Return what the terminal can show.

    Args:
        environment: by default this process's.
    """
    variables = os.environ if environment is None else environment
    term = variables.get("TERM", "").lower()
    if not term or unusable_terminal(variables):
        return Abilities()
    is_tmux = bool(variables.get("TMUX"))
    if not is_tmux and (variables.get("STY") or term.startswith(("screen", "linux"))):
        return Abilities("bell")
    program, version = _program(variables, term)
    return Abilities(
        notification=_OF_PROGRAM.get(program, "bell"),
        has_title=is_tmux or term.startswith(_TITLED),
        # tmux has a tab for each of its own windows, and knows nothing of progress.
        has_progress=not is_tmux and _has_progress(program, version, variables),
        has_clipboard=is_tmux or (term.startswith(_TITLED) and program != "apple_terminal"),
        # Known terminals alone: some print what they do not know.
        has_background=(is_tmux or term.startswith(_TITLED)) and not variables.get("NO_COLOR"),
        # Through tmux they would need its passthrough, and stay when it redraws.
        has_pictures=program in _WITH_PICTURES
        and not (is_tmux or term.startswith("tmux") or variables.get("NO_COLOR")),
        is_tmux=is_tmux,
    )


def _program(variables: Mapping[str, str], term: str) -> tuple[str, tuple[int, ...]]:
    """Return the name of the terminal, in small letters, and its version, as it says them."""
    program = variables.get("TERM_PROGRAM", "").lower()
    if program and program != "tmux":
        numbers = re.findall(r"\d+", variables.get("TERM_PROGRAM_VERSION", ""))
        return program, tuple(map(int, numbers))
    for variable, name in _LEAVES_TRACES.items():
        if variables.get(variable):
            return name, ()
    if variables.get("LC_TERMINAL"):
        # iTerm2 sends it through ssh.
        numbers = re.findall(r"\d+", variables.get("LC_TERMINAL_VERSION", ""))
        return variables["LC_TERMINAL"].lower().replace("iterm2", "iterm.app"), tuple(
            map(int, numbers)
        )
    name = term.removeprefix("xterm-")
    return next((known for known in _OF_PROGRAM if name.startswith(known)), ""), ()


def _has_progress(program: str, version: tuple[int, ...], variables: Mapping[str, str]) -> bool:
    if program in _PROGRESS_SINCE:
        return version >= _PROGRESS_SINCE[program]
    versions = {"VTE_VERSION": VTE_PROGRESS, "KONSOLE_VERSION": KONSOLE_PROGRESS}
    of_library = any(
        variables.get(name, "").isdecimal() and int(variables[name]) >= first
        for name, first in versions.items()
    )
    return of_library or variables.get("ConEmuANSI") == "ON"
