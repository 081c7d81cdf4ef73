"""The sequences for what a terminal shows beside its cells, and a word to it without a screen."""

import sys
from base64 import b64encode
from typing import IO

from mlpwatch.core.text import printable
from mlpwatch.tui.terminal.window.abilities import Abilities, abilities

_ST = "\x1b\\"
_BELL = "\a"

MOST_NOTE_LENGTH = 120
"""Characters of a notification; desktops cut longer ones."""


def notification(text: str, can: Abilities) -> str:
    """Return what makes the terminal say a text, or ring; "" if it can do neither.

    Inside tmux also its own bell, which marks the window: without `allow-passthrough` tmux drops
    what is for the terminal outside.
    """
    # A semicolon would begin another parameter.
    said = printable(text).replace(";", ",")[:MOST_NOTE_LENGTH]
    match can.notification:
        case "osc9":
            # A text that begins with a number would be one of ConEmu's commands.
            sequence = f"\x1b]9;mlpwatch: {said}{_ST}"
        case "osc777":
            sequence = f"\x1b]777;notify;mlpwatch;{said}{_ST}"
        case kind:
            return _BELL if kind else ""
    return passed_through(sequence) + _BELL if can.is_tmux else sequence


def clipboard(text: str, can: Abilities) -> str:
    """Return what makes the terminal copy a text (OSC 52); "" if it has no clipboard.

    Inside tmux twice: one is for `set-clipboard on`, the other for `allow-passthrough on`.
    """
    if not can.has_clipboard:
        return ""
    sequence = f"\x1b]52;c;{b64encode(text.encode()).decode()}\a"
    return sequence + passed_through(sequence) if can.is_tmux else sequence


def passed_through(sequence: str) -> str:
    """Return a sequence in tmux's envelope for the terminal outside."""
    return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + _ST


def notify_stderr(text: str, stream: IO[str] | None = None) -> None:
    """Write a notification to standard error if that is a terminal.

    Args:
        text: one line.
        stream: in place of standard error.
    """
    stream = stream or sys.stderr
    if stream is not None and stream.isatty():
        stream.write(notification(text, abilities()))
        stream.flush()
