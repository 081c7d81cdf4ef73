"""`mlpwatch why`: two real runs whose cause is known, killed in the middle and started again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlpwatch.core.runs.layout import WHY_NAME
from mlpwatch.tui.__main__ import main
from tests.support.checkout import CHECKOUT, SOURCE
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

TINY = ("--data", "digits", "--hidden", "16", "--epochs", "4", "--only", "numpy")


def test_the_cause_gets_the_points_and_a_kill_costs_only_what_was_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = str(tmp_path)
    slow = ("--learning-rate", "0.003", "--initialization", "normal")
    for name, given in (("a", ()), ("b", slow)):
        assert main(["train", *TINY, *given, "--saved", saved, "--name", name]) == 0
    words = ["why", "a", "b", "--saved", saved, "--epochs", "4", "--seeds", "2", "--json"]
    folder = tmp_path / "why-a-b"
    process = subprocess.Popen(
        [sys.executable, "-m", "mlpwatch", *words], cwd=CHECKOUT, stderr=subprocess.PIPE,
        text=True, start_new_session=True, env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    wait_until(lambda: len(list(folder.glob("*/result.json"))) >= 1, 60)
    os.killpg(process.pid, signal.SIGKILL)
    assert "4 networks x 2 seeds" in process.communicate()[1]
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/result.json")}
    assert 1 <= len(before) < 8

    capsys.readouterr()
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert f"[{len(before) + 1}/8]" in err
    found = json.loads(out)
    assert json.loads((folder / WHY_NAME).read_text()) == found
    rate, start = found["attributions"]["numpy"]
    assert (rate["setting"], rate["from"], rate["to"]) == ("learning_rate", 0.3, 0.003)
    assert (start["setting"], start["to"]) == ("initialization", "normal")
    assert rate["points"] < -20
    assert abs(start["points"]) < abs(rate["points"]) / 4
    assert rate["points"] + start["points"] == pytest.approx(found["gap"]["numpy"])
    # The same from the files of the runs, by the formula for two settings.
    shares = [0.0, 0.0]
    for seed in range(2):
        v = {
            (r, i): _accuracy(folder, f"learning-rate={r},initialization={i},seed={seed}")
            for r in ("0.3", "0.003") for i in ("scaled", "normal")
        }  # fmt: skip
        whole = v["0.003", "normal"] - v["0.3", "scaled"]
        apart = v["0.003", "scaled"] - v["0.3", "normal"]
        shares = [shares[0] + (whole + apart) / 4, shares[1] + (whole - apart) / 4]
    assert [rate["points"], start["points"]] == pytest.approx([100 * share for share in shares])

    monkeypatch.setattr("mlpwatch.core.sweeps.local.LocalPool._submit", _refuse)
    assert main(words[:-1]) == 0
    out, err = capsys.readouterr()
    assert "4 epochs: done" in err
    assert "points: learning rate; " in out
    assert main(["why", "a", "a", "--saved", saved]) == 2
    assert "a: has all settings of a" in capsys.readouterr().err


def _accuracy(folder: Path, name: str) -> float:
    name = name.replace(",initialization", ",epochs=4,initialization")
    result: Any = json.loads((folder / name / "result.json").read_text())
    accuracy: float = result["engines"]["numpy"]["test_accuracy"]
    return accuracy


def _refuse(*_arguments: object) -> None:
    raise AssertionError("nothing is left to train")
