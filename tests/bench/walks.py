"""Random walks through the real command: keys in bursts, any size, bytes that are no keys.

    python -m tests.bench.walks [--walks 30] [--seconds 120] [--seed 1] [--jobs 2]

Each walk starts the dashboard on a recipe, goes where chance leads it, and leaves by `q`. It fails
on a traceback, a screen that no longer answers, an end that takes long, or a status other than 0.
A walk's seed is printed; `--walks 1 --seed N` walks the same way again, though not at the same
moments.
"""

import argparse
import os
import random
import re
import secrets
import select
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic

from mlpwatch.core.recipes import RECIPES
from mlpwatch.tui.kit.keys import KEYS
from tests.bench.our_runs import scratch
from tests.bench.verdicts import say
from tests.support.pty.program import PtyProgram
from tests.support.terminal import environment, mlpwatch_command

ANSWER_SECONDS = 20.0
"""A screen that shows nothing new for so long, after it was asked to, hangs."""

END_SECONDS = 30.0

KEPT_ACTIONS, KEPT_BYTES = 25, 3_000
"""Of what was done and seen last, for the report of a failure."""

_BYTES = {
    "up": b"\x1b[A", "down": b"\x1b[B", "right": b"\x1b[C", "left": b"\x1b[D",
    "shift+up": b"\x1b[1;2A", "shift+down": b"\x1b[1;2B", "shift+right": b"\x1b[1;2C",
    "shift+left": b"\x1b[1;2D", "ctrl+right": b"\x1b[1;5C", "ctrl+left": b"\x1b[1;5D",
    "ctrl+up": b"\x1b[1;5A", "ctrl+down": b"\x1b[1;5B", "pageup": b"\x1b[5~",
    "pagedown": b"\x1b[6~", "home": b"\x1b[H", "end": b"\x1b[F", "delete": b"\x1b[3~",
    "tab": b"\t", "shift+tab": b"\x1b[Z", "enter": b"\r", "escape": b"\x1b", "backspace": b"\x7f",
    "space": b" ", "full_stop": b".", "slash": b"/", "question_mark": b"?", "less_than_sign": b"<",
    "greater_than_sign": b">", "left_square_bracket": b"[", "right_square_bracket": b"]",
    "ctrl+p": b"\x10", "equals_sign": b"=", "plus": b"+", "minus": b"-",
}  # fmt: skip

_ENDING = {"q", "ctrl+c", "ctrl+z", "ctrl+q"}

WALKED = sorted(
    {
        _BYTES.get(name, name.encode() if len(name) == 1 else b"")
        for key in KEYS
        for name in key.names
        if name not in _ENDING
    }
    - {b""}
)
"""Every key of the table but those that end the app."""

OPENING = [b"m", b"m\r", b"m\rg", b"e", b"d", b"w", b"r", b"rm\x1b[Bmo", b"r/", b"?", b"\x10"]

NO_KEYS = [
    b"\xe9", b"\x80", b"\xff\xfe", b"\xf0\x9f", b"\x13", b"\x1b[MC\x85*", b"\x1bP1$r0 q q\x1b\\",
    b"\x1b]11;rgb:1e/qq/[[\x07", b"\x1b_Gi=1;q\x1b\\", b"\x1b^q\x1b\\", b"\x1bXq\x1b\\",
    b"\x1b[?64;1;22c", b"\x1b[1;1;99999999999u", b"\x1b[48;0;0;0;0t", b"\x1b[" + b"1;" * 99 + b"q",
    b"\x1b[200~pasted \x1b[A q\n words\x1b[201~", b"\x1b[<0;999999;999999M", b"\x1b[I\x1b[O",
    b"\x1b[12;40R", b"\x1bOz", b"\x9b?1;2q", b"\x00", b"\x1b\x1b\x1b", b"\x1bz",
]  # fmt: skip


class WalkError(Exception):
    """A walk came to a bad end; the message says which."""


class Walk:
    """One walk.

    Args:
        folder: to work in.
        seed: of all that is left to chance.
        command: the program, by default the real one; its options follow.
    """

    def __init__(self, folder: Path, seed: int, command: list[str] | None = None) -> None:
        self.folder, self.seed = folder, seed
        self._command = command or mlpwatch_command()
        self._chance = random.Random(seed)
        self._actions: list[str] = []
        self._seen = bytearray()
        self._received = 0
        self._program: PtyProgram

    def run(self, seconds: float) -> int:
        """Walk for some seconds; return how many actions it were.

        Raises:
            WalkError: it came to a bad end.
        """
        until, count = monotonic() + seconds, 0
        while monotonic() < until:
            with self._started() as self._program:
                self._drain_until(lambda: b"mlpwatch" in self._seen)
                while monotonic() < until and self._program.process.poll() is None:
                    self._act()
                    count += 1
                    if count % 50 == 0:
                        self._check_answer()
                self._leave()
        return count

    def _started(self) -> PtyProgram:
        self._seen.clear()
        recipe = self._chance.choice(sorted(RECIPES))
        options = ["--data", "digits", "--recipe", recipe, "--threads", "1"]
        options += self._chance.choice([[], ["--only", "numpy"], ["--ascii"], ["--no-mouse"]])
        self._note(" ".join(options))
        env = environment(**self._chance.choice([{}, {"NO_COLOR": "1"}, {"TERM": "linux"}]))
        return PtyProgram(
            [*self._command, *options], self.folder, columns=100, rows=30,
            env=env | {"MLPWATCH_DRAWINGS": str(self.folder / "drawings")},
        )  # fmt: skip

    def _act(self) -> None:
        chance = self._chance
        kind = chance.choices(
            ["keys", "open", "bytes", "noise", "size", "mouse"], [9, 3, 3, 1, 4, 2]
        )
        match kind[0]:
            case "keys":
                self._send(b"".join(chance.choices(WALKED, k=chance.randint(1, 8))))
            case "open":
                self._send(b"\x1b" * chance.randint(0, 3))
                self._drain(0.15)
                self._send(chance.choice(OPENING))
            case "bytes":
                self._send_in_parts(chance.choice(NO_KEYS))
            case "noise":
                # A letter might open a sequence that `q` ends; what ends the app is left out.
                noise = bytes(set(range(0x80, 0x100)) - {0x9B})
                self._send(bytes(chance.choices(noise, k=chance.randint(1, 6))))
            case "size":
                self._resize()
            case "mouse":
                button, x, y = chance.choice([0, 2, 35, 64, 65]), *self._place()
                self._send(b"\x1b[<%d;%d;%dM\x1b[<%d;%d;%dm" % (button, x, y, button, x, y))
        self._drain(chance.choice([0.0, 0.01, 0.05, 0.3]))

    def _place(self) -> tuple[int, int]:
        return self._chance.randint(1, 120), self._chance.randint(1, 40)

    def _send_in_parts(self, data: bytes) -> None:
        cut = self._chance.randint(0, len(data))
        self._send(data[:cut])
        self._drain(self._chance.choice([0.0, 0.0, 0.15]))
        self._send(data[cut:])

    def _resize(self) -> None:
        chance = self._chance
        size = chance.choice(
            [(1, 1), (80, 24), (140, 40), (chance.randint(1, 200), chance.randint(1, 60)),
             (chance.randint(1, 12), chance.randint(1, 60)), (80, chance.randint(1, 8))]
        )  # fmt: skip
        self._note(f"{size[0]}x{size[1]}")
        self._program.resize(*size)

    def _send(self, data: bytes) -> None:
        if data:
            self._note(repr(data)[2:-1])
            with suppress(OSError):
                self._program.send(data)

    def _check_answer(self) -> None:
        """Change the size, and wait for the new screen."""
        self._program.resize(91, 25)
        self._drain(0.3)
        before = self._received
        self._program.resize(92, 26)
        self._drain_until(lambda: self._received > before)

    def _leave(self) -> None:
        """Go back until `q` leaves."""
        self._note("leaves")
        self._program.resize(90, 28)
        until = monotonic() + END_SECONDS
        while self._program.process.poll() is None:
            if monotonic() > until:
                raise WalkError(self._report(f"no end within {END_SECONDS:g} s of escape and q"))
            for keys in (b"\x1b", b"\x1b", b"q"):
                with suppress(OSError):
                    self._program.send(keys)
                self._drain(0.4)
        self._drain(0.1)
        if b"Traceback" in self._seen:
            raise WalkError(self._report("a traceback"))
        if status := self._program.process.returncode:
            raise WalkError(self._report(f"exit status {status}"))

    def _drain(self, seconds: float) -> None:
        until = monotonic() + seconds
        main = self._program.main
        while select.select([main], [], [], max(0.0, until - monotonic()))[0]:
            data = b""
            with suppress(OSError):
                data = os.read(main, 65_536)
            if not data:
                return
            self._received += len(data)
            self._seen += data
            del self._seen[:-400_000]

    def _drain_until(self, condition: Callable[[], bool]) -> None:
        until = monotonic() + ANSWER_SECONDS
        while not condition():
            if self._program.process.poll() is not None:
                return
            if monotonic() > until:
                raise WalkError(self._report(f"nothing new for {ANSWER_SECONDS:g} s"))
            self._drain(0.1)

    def _note(self, action: str) -> None:
        self._actions.append(action)
        del self._actions[:-KEPT_ACTIONS]

    def _report(self, fault: str) -> str:
        text = re.sub(rb"\x1b\[[<>=?0-9;]*[A-Za-z]", b" ", bytes(self._seen[-3 * KEPT_BYTES :]))
        found = text.find(b"Traceback")
        tail = text[found : found + KEPT_BYTES] if found >= 0 else text[-KEPT_BYTES:]
        did = " | ".join(self._actions)
        return f"seed {self.seed}: {fault}\n  did {did}\n{tail.decode(errors='replace')}"


def walk(seed: int, seconds: float) -> str:
    """Walk in a folder of its own; return what went wrong, or ""."""
    with scratch() as folder:
        try:
            count = Walk(folder, seed).run(seconds)
        except WalkError as error:
            return str(error)
    say(f"seed {seed}: {count} actions")
    return ""


def main() -> int:
    """Walk; return 1 if any walk came to a bad end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--walks", type=int, default=30, help="how many (30)")
    parser.add_argument("--seconds", type=float, default=120.0, help="of each (120)")
    parser.add_argument("--seed", type=int, help="of the first; each has the next (by chance)")
    parser.add_argument("--jobs", type=int, default=2, help="walks at the same time (2)")
    options = parser.parse_args()
    first = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    say(f"{options.walks} walks of {options.seconds:g} s, seeds from {first}")
    with ThreadPoolExecutor(options.jobs) as pool:
        seeds = range(first, first + options.walks)
        faults = [fault for fault in pool.map(lambda n: walk(n, options.seconds), seeds) if fault]
    for fault in faults:
        say(fault)
    say(f"{options.walks - len(faults)} of {options.walks} walks ended well")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
