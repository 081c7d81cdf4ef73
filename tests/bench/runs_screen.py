"""What 1,000 saved runs cost: reading the list, looking for changes, scrolling and filtering.

    python -m tests.bench.runs_screen [--runs 1000] [--presses 60]

The list is read by `core`; the screen is measured at 140x40 in a real pseudo-terminal, with the run
on the dashboard paused, so that every byte belongs to a key.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from mlpwatch.core.runs.listing import RunIndex, list_runs
from tests.bench.our_runs import START_SECONDS, scratch, watched
from tests.bench.verdicts import Row, print_rows, quantile
from tests.support.pty.noted import NotedProgram
from tests.support.samples.many_runs import make_many_runs

ROUNDS = 5

DOWN, UP, PAGE_DOWN, HOME = b"\x1b[B", b"\x1b[A", b"\x1b[6~", b"\x1b[H"

ANSWER_SECONDS = 0.25
"""How long what a key brings is waited for; a key that brings nothing in this time counts so."""


def main() -> None:
    """Make the runs, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--presses", type=int, default=60)
    options = parser.parse_args()
    with scratch() as folder:
        make_many_runs(folder, options.runs)
        print_rows(
            f"{options.runs:,} runs", list_rows(folder) + screen_rows(folder, options.presses)
        )


def list_rows(saved: Path) -> list[Row]:
    """Return the seconds that a first reading takes, and a look for changes after it."""
    index = RunIndex(saved)
    index.read()
    return [
        Row("list all runs, s", _times(lambda: list_runs(saved)), most=0.5),
        Row("look for changes, s", _times(index.read), most=0.2),
    ]


def screen_rows(saved: Path, presses: int) -> list[Row]:
    """Return what keys on the runs screen cost in bytes and milliseconds."""
    with watched(saved, "digits", 2_000) as program:
        program.send(b" ")
        program.read(2.0)
        before = len(program.chunks)
        pressed = program.press(b"r")
        shown = program.read_until(lambda: program.saw(b"finished", before), START_SECONDS)
        program.read(3.0)
        steps = [_press(program, DOWN) for _ in range(presses)]
        pages = [_press(program, PAGE_DOWN) for _ in range(presses // 3)]
        _press(program, HOME)
        sorts = [_press(program, b"v") for _ in range(6)]
        _press(program, b"/")
        letters = [_press(program, letter) for letter in (b"b", b"e", b"s", b"t")]
        program.send(b"\x1b")
        program.read(1.0)
    p95 = quantile(0.95)
    return [
        Row("r to the list, s", [shown - pressed], most=1.0),
        Row("one run on, bytes, median", [size for size, _ in steps], most=400),
        Row("one run on, ms, p95", [wait for _, wait in steps], most=50, pick=p95),
        Row("a page on, bytes", [size for size, _ in pages]),
        Row("a page on, ms, p95", [wait for _, wait in pages], most=100, pick=p95),
        Row("other order, ms, p95", [wait for _, wait in sorts], most=100, pick=p95),
        Row("a letter of the filter, ms, p95", [wait for _, wait in letters], most=100, pick=p95),
    ]


def _press(program: NotedProgram, key: bytes) -> tuple[int, float]:
    """Return the bytes that a key brought, and the milliseconds until the first of them."""
    chunks, received = len(program.chunks), program.received
    at = program.press(key)
    program.read(ANSWER_SECONDS, pause=0.0)
    answers = program.chunks[chunks:]
    waited = answers[0].at - at if answers else ANSWER_SECONDS
    return program.received - received, 1_000 * waited


def _times(work: Callable[[], object]) -> list[float]:
    found = []
    for _ in range(ROUNDS):
        began = perf_counter()
        work()
        found.append(perf_counter() - began)
    return found


if __name__ == "__main__":
    main()
