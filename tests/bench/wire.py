"""Bytes that the screen sends to its terminal, against W&B LEET on the same machine.

    python -m tests.bench.wire [--rounds 3] [--seconds 20] [--epochs 100] [--wandb PATH]

Both at 140x40 in real pseudo-terminals, in turn: mlpwatch with the full dashboard on MNIST with
the recipe twin at its default refresh; LEET with four live charts of a run that logs 20 points
a second. LEET draws its default layout (four charts on a third of the screen), and once more with
the charts as large as ours.
"""

import argparse
from contextlib import suppress
from pathlib import Path
from statistics import median

from tests.bench import leet
from tests.bench.our_runs import START_SECONDS, data_argument, epochs_logged, scratch, watched
from tests.bench.verdicts import Row, load, print_rows, say
from tests.support.pty.noted import NotedProgram

SETTLE_SECONDS = 5.0
"""After a start, a pause or an end: the last numbers come within a second, and after two or three
the screen's own cost is shown as 0, once."""

SILENT_SECONDS = 10.0

OPENING_SECONDS = 2.0
"""After the key that opens the weights."""

SHORT_EPOCHS = 2
"""Of the run whose end is watched."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each reading")
    parser.add_argument("--epochs", type=int, default=100, help="planned: the x axis's length")
    parser.add_argument("--wandb", help="the wandb command, if it is not in this environment")
    options = parser.parse_args()
    with scratch() as folder:
        data = data_argument(folder)
        readings: dict[str, list[float]] = {
            name: [] for name in ("ours", "leet", "filled", "silent", "opening", "weights")
        }
        for number in range(options.rounds):
            _our_round(folder / f"run{number}", data, options, readings)
            with suppress(leet.NoWandbError):
                _leet_round(folder / f"leet{number}", options, readings)
        ended = _silence_after_the_end(folder, data)
    _print(readings, ended)


def _our_round(
    folder: Path, data: str, options: argparse.Namespace, readings: dict[str, list[float]]
) -> None:
    folder.mkdir()
    with watched(folder, data, options.epochs) as program:
        program.read(SETTLE_SECONDS)
        before = epochs_logged(folder)
        rate = program.read(options.seconds) / options.seconds
        done = epochs_logged(folder)
        readings["ours"].append(rate)
        if done >= options.epochs:
            say("the run ended before the reading did: give more --epochs")
        program.send(b"w")
        readings["opening"].append(program.read(OPENING_SECONDS) / 1_000)
        readings["weights"].append(program.read(SETTLE_SECONDS) / SETTLE_SECONDS)
        program.send(b"w")
        program.send(b" ")
        program.read(SETTLE_SECONDS)
        readings["silent"].append(program.read(SILENT_SECONDS) / SILENT_SECONDS)
    speed = (done - before) / options.seconds
    say(f"mlpwatch {rate:,.0f} B/s at {speed:.2f} epochs/s of the slower engine, {load()}")


def _leet_round(
    folder: Path, options: argparse.Namespace, readings: dict[str, list[float]]
) -> None:
    wandb = leet.find_wandb(options.wandb)
    folder.mkdir()
    with leet.logging_run(wandb, folder) as run:
        for name, filled in (("leet", False), ("filled", True)):
            with leet.leet(wandb, run, folder, filled=filled) as program:
                _wait_for_charts(program, filled=filled)
                program.read(SETTLE_SECONDS)
                rate = program.read(options.seconds) / options.seconds
                program.end(b"q")
            readings[name].append(rate)
            say(f"{name} {rate:,.0f} B/s, {load()}")


def _wait_for_charts(program: NotedProgram, *, filled: bool) -> None:
    drawn = b"val_loss" if filled else leet.DRAWN
    program.read_until(lambda: program.saw(drawn), START_SECONDS, pause=0.02)


def _silence_after_the_end(folder: Path, data: str) -> float:
    saved = folder / "short"
    saved.mkdir()
    with watched(saved, data, SHORT_EPOCHS) as program:
        while not list(saved.glob("*/result.json")):
            program.read(0.5)
        program.read(SETTLE_SECONDS)
        return program.read(SILENT_SECONDS) / SILENT_SECONDS


def _print(readings: dict[str, list[float]], ended: float) -> None:
    ours, theirs = readings["ours"], readings["leet"]
    rows = [Row("mlpwatch, both engines train, B/s", ours, most=median(theirs) if theirs else None)]
    if theirs:
        ratios = [own / other for own, other in zip(ours, theirs, strict=True)]
        rows += [
            Row("LEET, four live charts, default layout, B/s", theirs),
            Row("LEET, the four charts fill the screen, B/s", readings["filled"]),
            Row("mlpwatch / LEET in its default layout", ratios, most=1.0),
        ]
    else:
        say("LEET was not measured: install the extra `bench`, or name wandb with --wandb")
    rows += [
        Row("opening the weights, kB in 2 s", readings["opening"], most=60.0),
        Row("weights of both, live, B/s after that", readings["weights"], most=8_000.0),
        Row("mlpwatch paused, B/s over 10 s", readings["silent"], most=0.0),
        Row("mlpwatch after the end, B/s over 10 s", [ended], most=0.0),
    ]
    print_rows("bytes to the terminal, 140x40", rows)


if __name__ == "__main__":
    main()
