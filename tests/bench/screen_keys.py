"""How long after a key the screen begins to change, while both train and while torch is imported.

Run through `python -m tests.bench.screen --parts keys,import`. While the program runs, its output
is only noted with the time of each chunk; the emulator reads it afterwards.
"""

import random
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path

import pyte

from tests.bench.our_runs import START_SECONDS, TRAINING, watched, watching
from tests.bench.verdicts import Row, quantile, say
from tests.support.pty.noted import COLUMNS, ROWS, NotedProgram

EPOCHS = 2_000
"""Longer than any reading."""

WAIT_SECONDS = 0.6
"""How long an answer is waited for; a later one counts as this long, twice the laxest target."""

_UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>=?][0-9;$]*[a-z]")
"""Keyboard and mode switches, which pyte would print."""

Signature = Callable[[list[str]], Hashable]
"""What of the screen's rows only this key changes."""


def _marks(rows: list[str]) -> Hashable:
    return tuple(
        (y, x) for y, row in enumerate(rows) for x in range(COLUMNS) if row[x : x + 1] == "▸"
    )


def _y_labels(rows: list[str]) -> Hashable:
    """Return the y labels of the first chart, without its curve."""
    return "".join(row[:7] for row in rows[5:14])


def _has_gap(rows: list[str]) -> Hashable:
    return any("gap by layer" in row for row in rows)


def _has_help(rows: list[str]) -> Hashable:
    return any("Everywhere" in row for row in rows)


KEYS: tuple[tuple[bytes, Signature], ...] = (
    *([(b"\t", _marks)] * 3),
    *([(b"l", _y_labels)] * 2),
    *([(b"o", _has_gap)] * 2),
    (b"?", _has_help),
    (b"?", _has_help),
)
"""A round of keys that ends where it began. Escape is not among them: terminals send what also
begins an arrow key, and Textual waits 100 ms (ESCDELAY, as in curses) before it knows."""

HELP_KEYS = KEYS[-2:]
"""Those that answer before there is anything to show."""


@dataclass(frozen=True, slots=True)
class Press:
    """A key that was typed."""

    at: float
    chunks_before: int
    key: bytes
    signature: Signature


def key_rows(folder: Path, data: str, rounds: int) -> list[Row]:
    """Type keys while both train; return the seconds to their first changed cells."""
    random.seed(0)
    with watched(folder, data, EPOCHS) as program:
        program.read(3.0)
        presses = [press_key(program, *key) for _ in range(rounds) for key in KEYS]
        program.end(b"q")
    found = answers(program, presses)
    say_slowest(found, presses)
    p95 = quantile(0.95)
    return [
        Row("key to first changed cell, median, ms", found),
        Row("key to first changed cell, p95, ms", found, most=50, pick=p95),
        Row("key to first changed cell, max, ms", found, most=150, pick=max),
    ]


def import_rows(folder: Path, data: str, rounds: int) -> list[Row]:
    """Type keys from the first frame to the first step; return the seconds to the changes."""
    found: list[float] = []
    for number in range(rounds):
        saved = folder / f"import{number}"
        saved.mkdir()
        with watching(saved, data, EPOCHS) as program:
            wait_for_frame(program)
            presses: list[Press] = []
            while not program.saw(TRAINING):
                presses.append(press_key(program, *HELP_KEYS[len(presses) % 2]))
            if len(presses) % 2:
                press_key(program, *HELP_KEYS[1])
            program.end(b"q")
        found += answers(program, presses)
        say_slowest(found[-len(presses) :], presses)
    return [
        Row("key while torch is imported, median, ms", found),
        Row("key while torch is imported, max, ms", found, most=300, pick=max),
    ]


def wait_for_frame(program: NotedProgram) -> float:
    """Drain until mlpwatch has drawn its first frame; return when."""
    return program.read_until(lambda: program.saw(b"mlpwatch"), START_SECONDS)


def press_key(program: NotedProgram, key: bytes, signature: Signature) -> Press:
    """Type a key, and note what comes until the next one may be typed."""
    before = len(program.chunks)
    press = Press(program.press(key), before, key, signature)
    # At a random moment of the frame; long enough that no two answers overlap.
    program.read(WAIT_SECONDS + random.uniform(0.0, 0.25), pause=0.0)
    return press


def answers(program: NotedProgram, presses: list[Press]) -> list[float]:
    """Return the milliseconds from each key to the first change of what it alone changes."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    found: list[float] = []
    fed = 0

    def feed(until: int) -> None:
        nonlocal fed
        for chunk in program.chunks[fed:until]:
            stream.feed(_UNKNOWN_TO_PYTE.sub(b"", chunk.data))
        fed = max(fed, until)

    for press in presses:
        feed(press.chunks_before)
        before, waited = press.signature(screen.display), WAIT_SECONDS
        for number in range(press.chunks_before, len(program.chunks)):
            at = program.chunks[number].at
            if at - press.at > WAIT_SECONDS:
                break
            feed(number + 1)
            if press.signature(screen.display) != before:
                waited = at - press.at
                break
        found.append(waited * 1_000)
    return found


def say_slowest(found: list[float], presses: list[Press]) -> None:
    """Print the keys whose answers took longest."""
    slowest = sorted(zip(found, (press.key for press in presses), strict=True), reverse=True)[:5]
    told = ", ".join(f"{key!r} {waited:.0f} ms" for waited, key in slowest)
    say(f"slowest of {len(found)} keys: {told}")
