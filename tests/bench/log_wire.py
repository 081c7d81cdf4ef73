"""Bytes that the screen of a foreign log sends, against W&B LEET on the same twenty metrics.

    python -m tests.bench.log_wire [--rounds 3] [--seconds 20] [--wandb PATH]

Both at 140x40 in real pseudo-terminals, in turn, ten points a second of each metric: mlpwatch
follows JSON lines, LEET its own file. LEET draws its default layout, and once more as many charts
as mlpwatch does.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from threading import Event as Flag
from threading import Thread

from tests.bench import leet
from tests.bench.our_runs import START_SECONDS, scratch
from tests.bench.verdicts import Row, load, print_rows, say
from tests.support.pty.noted import NotedProgram, environment

METRICS, PER_SECOND = 20, 10.0

GRID = (4, 3)
"""Rows and columns of our charts at 140x40."""

SETTLE_SECONDS = 5.0

SILENT_SECONDS = 10.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each reading")
    parser.add_argument("--wandb", help="the wandb command, if it is not in this environment")
    options = parser.parse_args()
    readings: dict[str, list[float]] = {
        name: [] for name in ("ours", "silent", "default", "filled")
    }
    with scratch() as folder:
        for number in range(options.rounds):
            _our_round(folder / f"ours{number}", options.seconds, readings)
            with suppress(leet.NoWandbError):
                _leet_round(folder / f"leet{number}", options, readings)
    ours, theirs = readings["ours"], readings["default"]
    if not ours:
        raise SystemExit("mlpwatch has drawn nothing in any round: there is no rate to compare")
    rows = [Row("mlpwatch, B/s", ours, most=median(theirs) if theirs else None)]
    if theirs:
        rows += [
            Row("LEET in its default layout, B/s", theirs),
            Row("mlpwatch ÷ LEET in its default layout", [median(ours) / median(theirs)]),
        ]
        if filled := readings["filled"]:
            rows.append(Row("LEET, twelve charts fill the screen, B/s", filled))
    else:
        say("LEET was not measured or drew nothing: install the extra `bench`, or use --wandb")
    rows.append(Row("mlpwatch once nothing is written, B/s over 10 s", readings["silent"]))
    print_rows(f"{METRICS} metrics, {PER_SECOND:g} points a second of each, 140x40", rows)


@contextmanager
def _logging(path: Path) -> Iterator[None]:
    """Append points to JSON lines as long as the block lasts."""
    stop = Flag()

    def log() -> None:
        with path.open("a") as file:
            n = 0
            while not stop.wait(1 / PER_SECOND):
                record: dict[str, float] = {"step": n}
                for k in range(METRICS):
                    wave = 0.05 * math.sin(1.7 * n + k)
                    record[f"metric{k}"] = 2.3 * math.exp(-n / (500 + 20 * k)) + wave
                file.write(json.dumps(record) + "\n")
                file.flush()
                n += 1

    path.touch()
    logger = Thread(target=log)
    logger.start()
    try:
        yield
    finally:
        stop.set()
        logger.join()


def _our_round(folder: Path, seconds: float, readings: dict[str, list[float]]) -> None:
    folder.mkdir()
    log = folder / "log.jsonl"
    command = [sys.executable, "-m", "mlpwatch", "attach", log.name]
    with _logging(log):
        program = NotedProgram(command, folder, environment())
        program.read_until(lambda: program.saw(b"metric0"), START_SECONDS, pause=0.02)
        program.read(SETTLE_SECONDS)
        rate = program.read(seconds) / seconds
    program.read(2 * SETTLE_SECONDS)
    readings["silent"].append(program.read(SILENT_SECONDS) / SILENT_SECONDS)
    program.end(b"q")
    _keep("mlpwatch", rate, readings["ours"])


def _leet_round(
    folder: Path, options: argparse.Namespace, readings: dict[str, list[float]]
) -> None:
    wandb = leet.find_wandb(options.wandb)
    folder.mkdir()
    with leet.logging_run(wandb, folder, per_second=PER_SECOND, metrics=METRICS) as run:
        for name, filled in (("default", False), ("filled", True)):
            with leet.leet(wandb, run, folder, filled=filled, grid=GRID) as program:
                drawn = b"metric" if filled else leet.DRAWN
                program.read_until(lambda: program.saw(drawn), START_SECONDS, pause=0.02)  # noqa: B023
                program.read(SETTLE_SECONDS)
                rate = program.read(options.seconds) / options.seconds
                program.end(b"q")
            _keep(f"LEET, {name}", rate, readings[name])


def _keep(name: str, rate: float, rates: list[float]) -> None:
    """Keep a rate; without bytes nothing was drawn, and a ratio to it means nothing."""
    if rate:
        rates.append(rate)
    say(f"{name}: {rate:,.0f} B/s{'' if rate else ', nothing was drawn: left out'}, {load()}")


if __name__ == "__main__":
    main()
