"""Runs a user's network in a process of its own, and reads what it gave, for a limited time."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.errors import InputError
from mlpwatch.core.text import excerpt

IMPORT_SECONDS = 60.0
"""For the import of the file besides the user's time limit: PyTorch takes 1 to 20 s."""

MOST_LINE_BYTES = 1 << 20
"""Of one line of the worker; the longest has 64 layers."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The user's code failed, or did not end."""

    code: str
    """`exception`, `timeout` or `shape`."""
    scenario: str
    call: str
    text: str
    where: str = ""
    """Line of the user's file."""


@dataclass(frozen=True, slots=True)
class Given:
    """One array that the user's network returned."""

    shape: tuple[int, ...] | None
    """None: nothing, or no array at all."""
    dtype: str
    values: NDArray[np.float64] | None
    """As float64."""
    type_name: str = ""
    """Where it is no array."""


@dataclass(slots=True)
class Answers:
    """All that a user's network gave in one check."""

    arrays: dict[str, dict[str, Given]] = field(default_factory=dict)
    """By scenario and name."""
    flags: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    is_done: bool = False


class ForeignProcess:
    """A user's file in a process of its own.

    Args:
        path: of the file.
        name: of the class in it, or None.
        seconds: that its calls may take in all.
    """

    def __init__(self, path: Path, name: str | None, seconds: float) -> None:
        self._seconds = seconds
        self._file = path.name
        self._call = ("import", "import")
        own_results, results = os.pipe()
        jobs, self._jobs = os.pipe()
        self._results = own_results
        self._pending = b""
        command = [
            sys.executable, "-m", "mlpwatch.core.checking.foreign.worker",
            str(path), name or "", str(jobs), str(results),
        ]  # fmt: skip
        environment = os.environ | {
            "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": "1",
        }  # fmt: skip
        try:
            self._process = subprocess.Popen(
                command, pass_fds=(jobs, results), env=environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(jobs)
            os.close(results)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, and what it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, 9)
        self._process.wait()
        for descriptor in (self._results, self._jobs):
            with suppress(OSError):
                os.close(descriptor)

    def load(self) -> dict[str, Any] | Fault:
        """Return what the file has, or why it could not be imported.

        Raises:
            InputError: it has no network, or several; the message names the accepted forms.
        """
        for line in self._lines(self._seconds + IMPORT_SECONDS):
            if isinstance(line, Fault):
                return line
            if line["kind"] == "not understood":
                raise InputError(f"{self._file}: {line['text']}")
            if line["kind"] == "import failed":
                return Fault("exception", "import", "import", line["text"], line["where"])
            if line["kind"] == "loaded":
                return line
        return Fault("exception", "import", "import", "the process ended while it was imported")

    def run(
        self, folder: Path, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> Answers:
        """Have the network do a job; return all that it gave before it ended or time was up.

        Raises:
            InputError: the network does not fit the data.
        """
        np.savez(folder / "job.npz", allow_pickle=False, **dict(arrays))
        (folder / "job.json").write_text(json.dumps(dict(settings)))
        with suppress(BrokenPipeError):
            os.write(self._jobs, f"{folder}\n".encode())
        answers = Answers()
        for line in self._lines(self._seconds):
            if isinstance(line, Fault):
                answers.faults.append(line)
                break
            if line["kind"] == "not understood":
                raise InputError(f"{self._file}: {line['text']}")
            if line["kind"] == "done":
                answers.is_done = True
                break
            self._take(line, folder, answers)
        return answers

    def _take(self, line: dict[str, Any], folder: Path, answers: Answers) -> None:
        scenario = str(line.get("scenario", ""))
        if line["kind"] == "call":
            self._call = (scenario, str(line["call"]))
        elif line["kind"] == "error":
            answers.faults.append(
                Fault(
                    line["code"], scenario, line["call"],
                    excerpt(line["text"], 400), excerpt(line.get("where", ""), 300),
                )
            )  # fmt: skip
        elif line["kind"] == "result":
            named = {key: _given(fact, folder) for key, fact in line["arrays"].items()}
            answers.arrays.setdefault(scenario, {}).update(named)
            answers.flags.setdefault(scenario, {}).update(line["flags"])

    def _lines(self, seconds: float) -> Iterator[dict[str, Any] | Fault]:
        """Yield the worker's lines; a `Fault` last where it dies or takes too long."""
        until = monotonic() + seconds
        while True:
            while b"\n" in self._pending:
                raw, self._pending = self._pending.split(b"\n", 1)
                yield json.loads(raw)
            left = until - monotonic()
            if left <= 0 or not select.select([self._results], [], [], left)[0]:
                scenario, call = self._call
                yield Fault(
                    "timeout", scenario, call,
                    f"{call} did not return within {self._seconds:g} s; --timeout allows longer",
                )  # fmt: skip
                return
            chunk = os.read(self._results, 1 << 16)
            if not chunk or len(self._pending) > MOST_LINE_BYTES:
                scenario, call = self._call
                yield Fault(
                    "exception", scenario, call, f"the process ended during {call}: {self._end()}"
                )
                return
            self._pending += chunk

    def _end(self) -> str:
        try:
            status = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "it closed its results"
        return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


@contextmanager
def started(path: Path, name: str | None, seconds: float) -> Iterator[ForeignProcess]:
    """Start the process of a user's file; end it with the block."""
    with ForeignProcess(path, name, seconds) as process:
        yield process


def _given(fact: dict[str, Any], folder: Path) -> Given:
    if "shape" not in fact:
        return Given(None, "", None, str(fact.get("type", "")))
    shape = tuple(int(n) for n in fact["shape"])
    if "file" not in fact:
        return Given(shape, str(fact["dtype"]), None)
    values = np.load(folder / Path(fact["file"]).name, allow_pickle=False)
    return Given(shape, str(fact["dtype"]), np.asarray(values, np.float64))
