"""How long mlpwatch takes to its first frame and its first training step, and its peak memory.

Run through `python -m tests.bench.screen --parts start,memory`.
"""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from time import monotonic

from tests.bench import leet
from tests.bench.our_runs import START_SECONDS, watched, watching
from tests.bench.verdicts import Row
from tests.support.pty.noted import NotedProgram, environment

EPOCHS = 2_000
"""Longer than any reading."""

TRAIN_SECONDS = 15.0
"""After which the peak of memory is read: epochs, evaluations and a checkpoint are behind it."""

_BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("ready")
Bare().run()
"""

_FIRST_STEP = """
import sys
from time import monotonic
from mlpwatch.core.events import Mailbox
put, path = Mailbox.put_steps, sys.argv.pop()
def first(mailbox, steps):
    Mailbox.put_steps = put
    with open(path, "w") as file:
        file.write(f"{monotonic()}\\n")
    put(mailbox, steps)
Mailbox.put_steps = first
from mlpwatch.tui.__main__ import main
main(sys.argv[1:])
"""
"""mlpwatch that writes the time at which the first step is told to the file named last."""

_IMPORTS = "import torch, sklearn"

_FLOOR = """
import sys, numpy, torch, sklearn, textual
images = numpy.ones((70_000, 784), numpy.float32)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def start_rows(folder: Path, data: str, rounds: int, wandb: str | None) -> list[Row]:
    """Start a bare Textual app, mlpwatch and LEET in turn; then the same up to the first step."""
    bare: list[float] = []
    ours: list[float] = []
    theirs: list[float] = []
    steps: list[float] = []
    imports: list[float] = []
    with suppress(leet.NoWandbError), leet.logging_run(leet.find_wandb(wandb), folder) as run:
        for _ in range(rounds):
            with leet.leet(leet.find_wandb(wandb), run, folder) as program:
                theirs.append(_first_frame(program, leet.DRAWN, b"q"))
    for _ in range(rounds + 1):
        with NotedProgram([sys.executable, "-c", _BARE], folder) as program:
            bare.append(_first_frame(program, b"ready", b"\x11"))
        with watching(folder, data, EPOCHS) as program:
            ours.append(_first_frame(program, b"mlpwatch", b"q"))
        imports.append(_import_seconds(folder))
        steps.append(_first_step(folder))
    # The first round read what was not in the page cache.
    bare, ours, imports, steps = bare[1:], ours[1:], imports[1:], steps[1:]
    return _start_rows(bare, ours, theirs, imports, steps)


def _start_rows(
    bare: list[float],
    ours: list[float],
    theirs: list[float],
    imports: list[float],
    steps: list[float],
) -> list[Row]:
    def ratios(over: Sequence[float]) -> list[float]:
        return [own / other for own, other in zip(ours, over, strict=True)]

    floors = [a + b for a, b in zip(imports, ours, strict=True)]
    shares = [step / floor for step, floor in zip(steps, floors, strict=True)]
    rows = [
        Row("first frame, bare Textual app, s", bare),
        Row("first frame, mlpwatch, s", ours, most=median(theirs) if theirs else None),
        Row("first frame, mlpwatch / bare Textual app", ratios(bare), most=1.2),
    ]
    if theirs:
        rows.append(Row("first frame, LEET, s", theirs))
    return [
        *rows,
        Row("import torch, sklearn, s", imports),
        Row("first training step on digits, mlpwatch, s", steps),
        Row("first step / (imports + first frame)", shares, most=1.15),
    ]


def memory_rows(folder: Path, data: str, rounds: int) -> list[Row]:
    """Compare peaks of resident memory, in MB."""
    floors, ours = [], []
    for number in range(rounds):
        command = [sys.executable, "-c", _FLOOR]
        floor = subprocess.run(command, env=environment(), capture_output=True, check=True)
        floors.append(int(floor.stdout) / 1024)
        saved = folder / f"memory{number}"
        saved.mkdir()
        with watched(saved, data, EPOCHS) as program:
            program.read(TRAIN_SECONDS)
            status = Path(f"/proc/{program.process.pid}/status").read_text().splitlines()
            peak = next(line for line in status if line.startswith("VmHWM")).split()[1]
            ours.append(int(peak) / 1024)
    over = [own - floor for own, floor in zip(ours, floors, strict=True)]
    return [
        Row("peak memory, imports and one MNIST, MB", floors),
        Row("peak memory, mlpwatch, MB", ours),
        Row("peak memory over imports and one MNIST, MB", over, most=150),
    ]


def _first_frame(program: NotedProgram, words: bytes, quit_keys: bytes) -> float:
    """Return the seconds from the start of a program to these words on its terminal."""
    drawn = program.read_until(lambda: program.saw(words), START_SECONDS)
    program.send(quit_keys)
    return drawn - program.started_at


def _first_step(folder: Path) -> float:
    told = folder / "first-step"
    told.unlink(missing_ok=True)
    options = ["--data", "digits", "--recipe", "twin", f"--saved={folder}", str(told)]
    with NotedProgram([sys.executable, "-c", _FIRST_STEP, *options], folder) as program:
        program.read_until(
            lambda: told.is_file() and told.read_text().endswith("\n"), START_SECONDS, pause=0.02
        )
        # On Linux all processes share one monotonic clock.
        took = float(told.read_text()) - program.started_at
        program.end(b"q")
    return took


def _import_seconds(folder: Path) -> float:
    with NotedProgram([sys.executable, "-c", _IMPORTS], folder) as program:
        program.process.wait()
        return monotonic() - program.started_at
