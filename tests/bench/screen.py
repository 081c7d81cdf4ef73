"""What the screen costs: speed, answers to keys, start, memory, frames of a long run.

    python -m tests.bench.screen [--rounds 5]
        [--parts speed,keys,mistakes,import,start,memory,frame]

All at 140x40 in real pseudo-terminals, on MNIST with the recipe twin unless said otherwise. What
is compared runs in turn, so that a busy machine slows all of it alike.
"""

import argparse
from pathlib import Path

from tests.bench.our_runs import data_argument, scratch
from tests.bench.screen_frame import frame_rows
from tests.bench.screen_keys import import_rows, key_rows
from tests.bench.screen_mistakes import mistake_rows
from tests.bench.screen_speed import speed_rows
from tests.bench.screen_start import memory_rows, start_rows
from tests.bench.verdicts import Row, print_rows

PARTS = ("speed", "keys", "mistakes", "import", "start", "memory", "frame")

KEY_ROUNDS = 4
"""Rounds of keys, eight each, per round of the other parts."""


def main() -> None:
    """Measure the parts asked for, and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help="joined by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each reading of speed")
    parser.add_argument("--wandb", help="the wandb command, if it is not in this environment")
    options = parser.parse_args()
    with scratch() as folder:
        data = data_argument(folder)
        for part in options.parts.split(","):
            print_rows(part, _measure(part, folder / part, data, options))


def _measure(part: str, folder: Path, data: str, options: argparse.Namespace) -> list[Row]:
    rounds: int = options.rounds
    folder.mkdir()
    match part:
        case "speed":
            return speed_rows(folder, data, rounds, options.seconds)
        case "keys":
            return key_rows(folder, data, rounds * KEY_ROUNDS)
        case "mistakes":
            return mistake_rows(folder, data, rounds)
        case "import":
            return import_rows(folder, data, rounds)
        case "start":
            return start_rows(folder, data, rounds, options.wandb)
        case "memory":
            return memory_rows(folder, data, rounds)
        case "frame":
            return frame_rows(rounds)
    raise SystemExit(f"part {part!r}: expected some of {','.join(PARTS)}")


if __name__ == "__main__":
    main()
