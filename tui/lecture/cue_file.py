"""A cue file: what a talk says and shows, and when. One cue a line.

    # moment  action   what
    start     say      Two networks, the same weights.
    epoch 1   pause
              say      After one epoch the curves lie on each other.
              open     why
    +20s      back
              resume
    end       say      That is all.

A line without a moment follows the line above it at once.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol, get_args, runtime_checkable

from mlpwatch.core.errors import InputError
from mlpwatch.core.text import excerpt
from mlpwatch.tui.kit.keys import KEYS

MomentKind = Literal["start", "epoch", "after", "end"]
CueAction = Literal["say", "pause", "resume", "open", "back", "press"]

SCREENS: Mapping[str, str] = MappingProxyType(
    {
        "mistakes": "mistakes",
        "why": "explain",
        "weights": "weights",
        "layers": "layers",
        "draw": "draw",
        "runs": "runs",
        "numbers": "above('metrics')",
        "big": "above('big')",
        "help": "help",
    }
)
"""Names of screens, and the app's actions that open them."""

MOST_BYTES = 100_000
MOST_CHARACTERS = 200
"""Of what is said: three lines of 76 at 80 columns."""

MOST_SECONDS = 86_400.0

_SAYS_WHEN = re.compile(r"(start|end)(?=\s|$)|epoch\s+(\S+)|\+(\S+)")
_SECONDS = re.compile(r"(\d{1,5}(?:\.\d{1,3})?)s?")
_MOMENTS = "start, epoch N, +Ns or end"


class Moment(NamedTuple):
    """When a cue is due."""

    kind: MomentKind
    number: float = 0.0
    """Epochs that both models have done, or seconds since the cue above."""


class Cue(NamedTuple):
    """One thing that a talk does."""

    line: int
    """In the file, from 1 on."""
    moment: Moment
    action: CueAction
    what: str = ""
    """What is said, the screen that is opened, the key that is pressed."""


@runtime_checkable
class PausesAhead(Protocol):
    """A run that pauses by itself at the end of an epoch."""

    def pause_at_epoch(self, epoch: int) -> None:
        """Pause all engines once each has trained so many epochs."""
        ...


def read_cues(path: Path) -> tuple[Cue, ...]:
    """Return the cues of a file, in its order.

    Raises:
        InputError: it can't be read, or a line is wrong; the message names the line.
    """
    try:
        # A FIFO would wait for its writer.
        if not path.is_file():
            raise InputError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
        with path.open("rb") as file:
            read = file.read(MOST_BYTES + 1)
        text = read.decode()
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text in UTF-8") from error
    if len(read) > MOST_BYTES:
        raise InputError(f"{path}: expected at most {MOST_BYTES:,} bytes")
    cues = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                cues.append(_cue(number, line))
                _check_order(cues)
            except InputError as error:
                raise InputError(f"{path}:{number}: {error}") from None
    if not cues:
        raise InputError(f"{path}: no cue in it; a line is like: epoch 1  pause")
    return tuple(cues)


def check_cues(cues: Sequence[Cue], epochs: int, no_screen: str) -> None:
    """Check that a run has the epochs that its cues wait for, and a screen.

    Args:
        cues: of a file.
        epochs: of the run.
        no_screen: why it has none; empty if it has one.

    Raises:
        InputError: it has not.
    """
    if no_screen:
        raise InputError(f"--cues: {no_screen}; a talk needs a screen")
    for cue in cues:
        if cue.moment.kind == "epoch" and cue.moment.number > epochs:
            raise InputError(
                f"--cues: line {cue.line} waits for epoch {cue.moment.number:.0f}, and the run has "
                f"{epochs}; give it --epochs {cue.moment.number:.0f}"
            )


def plan_pause(session: object, cues: Sequence[Cue]) -> None:
    """Let a run that can do so pause by itself after the epoch of the next pause."""
    planned = (
        int(cue.moment.number)
        for cue in cues
        if cue.action == "pause" and cue.moment.kind in ("start", "epoch")
    )
    epoch = next(planned, None)
    if epoch is not None and isinstance(session, PausesAhead):
        session.pause_at_epoch(epoch)


def _cue(number: int, line: str) -> Cue:
    """Parse a line.

    Raises:
        InputError: something in it is wrong.
    """
    rest, moment = line.strip(), Moment("after")
    if not line[0].isspace():
        if (found := _SAYS_WHEN.match(rest)) is None:
            raise InputError(f"{excerpt(rest, 40)!r}: expected {_MOMENTS} first, or a space")
        moment, rest = _moment(found), rest[found.end() :].strip()
    word, _, what = rest.partition(" ")
    what = " ".join(what.split())
    actions: dict[str, CueAction] = {action: action for action in get_args(CueAction)}
    if word not in actions:
        expected = ", ".join(actions)
        raise InputError(f"action {excerpt(word, 40)!r}: expected one of {expected}")
    _check_what(actions[word], what)
    return Cue(number, moment, actions[word], what)


def _moment(found: re.Match[str]) -> Moment:
    named, epoch, after = found.groups()
    if named is not None:
        return Moment("start" if named == "start" else "end")
    if epoch is not None:
        if not (epoch.isascii() and epoch.isdecimal() and len(epoch) <= 6 and int(epoch)):  # noqa: PLR2004
            raise InputError(f"epoch {excerpt(epoch, 20)!r}: expected a number from 1 on")
        return Moment("epoch", int(epoch))
    seconds = _SECONDS.fullmatch(after)
    if seconds is None or float(seconds[1]) > MOST_SECONDS:
        raise InputError(f"'+{excerpt(after, 20)}': expected seconds, like +20s")
    return Moment("after", float(seconds[1]))


def _check_what(action: CueAction, what: str) -> None:
    """Check what follows an action.

    Raises:
        InputError: it does not fit.
    """
    if action == "say":
        if len(what) > MOST_CHARACTERS:
            raise InputError(f"say: {len(what)} characters; expected at most {MOST_CHARACTERS}")
        if not what.isprintable():
            raise InputError(f"say {excerpt(what, 40)!r}: expected printable text")
    elif action == "open":
        if what not in SCREENS:
            expected = ", ".join(SCREENS)
            raise InputError(f"open {excerpt(what, 40)!r}: expected one of {expected}")
    elif action == "press":
        if what not in _key_names():
            raise InputError(f"press {excerpt(what, 40)!r}: expected a key of the help, like o")
    elif what:
        raise InputError(f"{action} {excerpt(what, 40)!r}: expected nothing after {action}")


def _check_order(cues: Sequence[Cue]) -> None:
    """Check that the newest cue is not due before the others.

    Raises:
        InputError: it is.
    """
    *before, last = cues
    if last.moment.kind == "start" and any(cue.moment.kind != "start" for cue in before):
        raise InputError("start: expected before all other moments")
    earlier = [cue.moment.number for cue in before if cue.moment.kind == "epoch"]
    if last.moment.kind == "epoch":
        if earlier and last.moment.number < earlier[-1]:
            number = last.moment.number
            raise InputError(f"epoch {number:.0f}: expected after epoch {earlier[-1]:.0f}")
        if any(cue.moment.kind == "end" for cue in before):
            raise InputError("epoch: expected before end")


def _key_names() -> set[str]:
    return {name for key in KEYS for name in (*key.names, key.shown)}
