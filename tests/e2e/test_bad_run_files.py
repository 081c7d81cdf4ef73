"""`mlpwatch runs` lists every run, soon and in little memory, whatever one of them holds."""

import json
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpwatch.core.runs.run import Run
from tests.support.samples.run_samples import create, line
from tests.support.terminal import environment, mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.xdist_group("bad runs")

MOST_ADDRESSES = 3 * 2**30
"""Bytes; the file of holes has more."""


def many_zeros(run: Run) -> None:
    accuracy = "1" + "0" * 400
    text = '{"engines": {"numpy": {"test_accuracy": ' + accuracy + "}}}"
    (run.path / "result.json").write_text(text)


def million_million_classes(run: Run) -> None:
    path = run.path / "config.json"
    values = json.loads(path.read_text())
    values["dataset"] |= {"classes": 10**12, "image_shape": [8, 8, 3]}
    path.write_text(json.dumps(values))


def fifo(run: Run) -> None:
    (run.path / "config.json").unlink()
    os.mkfifo(run.path / "config.json")


def holes(run: Run) -> None:
    with (run.path / "metrics.jsonl").open("ab") as file:
        file.truncate(10 * 2**30)


@pytest.mark.parametrize("harm", [many_zeros, million_million_classes, fifo, holes])
def test_one_bad_run_is_a_row_marked_damaged(tmp_path: Path, harm: Callable[[Run], None]) -> None:
    for name in ("bad", "good"):
        create(tmp_path / "saved", name).append_metrics(line("numpy", 2))
    harm(Run.open(tmp_path / "saved", "bad"))
    done = subprocess.run(
        [*mlpwatch_command(), "runs", "--json"], cwd=tmp_path, env=environment(), check=False,
        capture_output=True, timeout=DEADLINE_SECONDS, stdin=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES,) * 2),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    states = {run["run"]: run["state"] for run in json.loads(done.stdout)}
    assert states == {"bad": "damaged", "good": "stopped"}
