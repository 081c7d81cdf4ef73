"""Keys and bytes of the mistakes browser on 10,000 validation images of MNIST while both train.

Run through `python -m tests.bench.screen --parts mistakes`. A round opens the contact sheet, moves
and pages in it, enlarges a digit, asks for its gradient and for its neighbours alone, goes on to
others, and back to the dashboard.
"""

import random
import re
from collections.abc import Hashable
from pathlib import Path

from tests.bench.our_runs import watched_with_validation
from tests.bench.screen_keys import EPOCHS, Press, Signature, answers, press_key, say_slowest
from tests.bench.verdicts import Row, quantile
from tests.support.pty.noted import NotedProgram

RIGHT, LEFT, PAGE_DOWN, PAGE_UP = b"\x1b[C", b"\x1b[D", b"\x1b[6~", b"\x1b[5~"

VALIDATION_IMAGES = 10_000
"""Twice as many as mlpwatch holds out."""

EVALUATIONS_SECONDS = 6.0
"""In which both models have read the validation images."""

ANSWER_SECONDS = 0.3
"""After a key, in which its bytes are counted; gradient and neighbours included."""

PICTURE_COLUMNS = 93
"""Of the large digit, at 140 columns."""


def _is_open(rows: list[str]) -> Hashable:
    return "NumPy wrong" in rows[0]


def _image(rows: list[str]) -> Hashable:
    return next(iter(re.findall(r"validation image ([\d,]+)", "\n".join(rows))), "")


def _is_large(rows: list[str]) -> Hashable:
    return any("true label  " in row for row in rows)


def _picture(rows: list[str]) -> Hashable:
    return tuple(row[:PICTURE_COLUMNS].rstrip() for row in rows[2:37])


def _has_bars(rows: list[str]) -> Hashable:
    return any(re.search(r"> \d .*\d\.\d", row[PICTURE_COLUMNS:]) for row in rows)


KEYS: tuple[tuple[bytes, Signature], ...] = (
    (b"m", _is_open),
    *([(RIGHT, _image)] * 4),
    (LEFT, _image),
    (PAGE_DOWN, _image),
    (PAGE_UP, _image),
    (b"\r", _is_large),
    (b"g", _picture),
    *([(RIGHT, _image)] * 3),
    *([(b"y", _has_bars)] * 2),
    *([(RIGHT, _image)] * 2),
    (b"m", _is_large),
    (b"m", _is_open),
)
"""A round that ends where it began."""


def mistake_rows(folder: Path, data: str, rounds: int) -> list[Row]:
    """Type keys while both train; return the milliseconds to their answers, and their bytes."""
    random.seed(0)
    with watched_with_validation(folder, data, EPOCHS, VALIDATION_IMAGES) as program:
        program.read(EVALUATIONS_SECONDS)
        presses = [press_key(program, *key) for _ in range(rounds) for key in KEYS]
        program.end(b"q")
    found = answers(program, presses)
    say_slowest(found, presses)
    told = zip(found, presses, strict=True)
    moved = [waited for waited, press in told if press.signature is _image]
    moves = [_kilobytes(program, press) for press in presses if press.key == RIGHT]
    pages = [_kilobytes(program, press) for press in presses if press.key in (PAGE_DOWN, PAGE_UP)]
    return [
        Row("move to another digit, median, ms", moved),
        Row("move to another digit, p95, ms", moved, most=50, pick=quantile(0.95)),
        Row("any key among mistakes, median, ms", found),
        Row("any key among mistakes, max, ms", found, most=150, pick=max),
        Row(f"next digit, kB in {ANSWER_SECONDS} s", moves, most=4.0),
        Row(f"next page of the sheet, kB in {ANSWER_SECONDS} s", pages),
    ]


def _kilobytes(program: NotedProgram, press: Press) -> float:
    answer = [c for c in program.chunks if 0 <= c.at - press.at < ANSWER_SECONDS]
    return sum(len(chunk.data) for chunk in answer) / 1_000
