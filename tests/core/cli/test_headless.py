"""`mlpwatch train` as a user or a script runs it: output, exit status, signals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.runs.run import Run
from mlpwatch.tui.__main__ import main
from tests.support.checkout import CHECKOUT

pytestmark = pytest.mark.slow

SECONDS = 60.0

RESULT_KEYS = {"run", "dataset", "recipe", "epochs", "engines", "max_weight_difference"}
ENGINE_KEYS = {"test_accuracy", "test_loss", "val_accuracy", "seconds", "samples_per_second"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mlpwatch", "train", *arguments]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_json_prints_one_object_and_progress_goes_to_stderr(tmp_path: Path) -> None:
    done = run(
        *("--data", "digits", "--hidden", "16", "--epochs", "2", "--threads", "2"),
        *("--json", "--saved", str(tmp_path), "--name", "one"),
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    result = json.loads(done.stdout)
    assert set(result) == RESULT_KEYS
    assert result["run"] == str(tmp_path / "one")
    assert (result["dataset"], result["recipe"], result["epochs"]) == ("digits", "twin", 2)
    assert set(result["engines"]) == set(ENGINE_NAMES)
    for engine in result["engines"].values():
        assert set(engine) >= ENGINE_KEYS
        assert all(isinstance(engine[key], float) for key in ENGINE_KEYS)
        assert 0.7 < engine["test_accuracy"] <= 1
        assert engine["seconds"] > 0
    assert 0 <= result["max_weight_difference"] < 1e-3
    assert json.loads((tmp_path / "one" / "result.json").read_text()) == result
    lines = [line.split() for line in done.stderr.splitlines() if "epoch" in line]
    assert sorted(line[:3] for line in lines) == [
        [name, "epoch", f"{epoch}/2"] for name in ENGINE_NAMES for epoch in (1, 2)
    ]


SETTINGS = {
    "hidden": [16],
    "activation": "gelu",
    "optimizer": "nesterov",
    "momentum": 0.8,
    "weight_decay": 0.0001,
    "schedule": "cosine",
    "warmup": 5,
    "dropout": 0.1,
    "input_dropout": 0.05,
    "initialization": "normal",
    "pixel_range": "-1..1",
    "validation": 100,
    "train_size": 300,
    "only": "numpy",
}


def test_settings_are_kept_and_a_resumed_run_has_them(tmp_path: Path) -> None:
    options = [
        word
        for name, value in (SETTINGS | {"hidden": 16}).items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    where = ("--saved", str(tmp_path), "--epochs")
    assert run("--data", "digits", *options, "--name", "one", *where, "1").returncode == 0
    kept = json.loads((tmp_path / "one" / "config.json").read_text())["config"]
    assert kept | SETTINGS == kept
    arguments = [sys.executable, "-m", "mlpwatch", "resume", "one", "--headless", "--json"]
    done = subprocess.run(
        [*arguments, *where, "2"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["epochs"] == 2
    found = Run.open(tmp_path, "one").read_latest("numpy")
    assert found is not None
    assert found.checkpoint.position.step == 2 * 5  # 300 images in batches of 64


def test_a_run_stops_at_a_difference_and_says_which_tensor_and_why(tmp_path: Path) -> None:
    done = run(
        *("--data", "digits", "--recipe", "seed", "--stop-at-difference", "--threads", "2"),
        *("--json", "--saved", str(tmp_path), "--name", "seed"),
    )
    assert done.returncode == 1
    reported = [line for line in done.stderr.splitlines() if "differs from step" in line]
    start = "torch  differs from step 1 on, first in loss: loss-mean-over-classes, factor 1/10; "
    assert [line.startswith(start) for line in reported] == [True]
    result = json.loads(done.stdout)
    found = result["difference"]
    assert (found["code"], found["tensor"], found["step"]) == ("loss-mean-over-classes", "loss", 1)
    assert found["factor"] == pytest.approx(0.1)
    assert {engine["ended"] for engine in result["engines"].values()} == {"stopped"}


def test_twins_never_stop_at_a_difference(tmp_path: Path) -> None:
    done = run(
        *("--data", "digits", "--epochs", "3", "--stop-at-difference", "--threads", "2"),
        *("--saved", str(tmp_path), "--name", "twin"),
    )
    assert (done.returncode, "differs" in done.stderr) == (0, False)
    assert "finished after" in done.stdout


@dataclass
class Running:
    """A long run that has ended its first epochs."""

    process: subprocess.Popen[str]
    saved: Path
    engines: tuple[EngineName, ...]


@pytest.fixture
def running(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    """Start a run of the engines, and with the words before the command, that a test names."""
    engines, before = request.param
    only = ("--only", *engines) if len(engines) == 1 else ()
    arguments = command(
        *("--data", "digits", "--hidden", "16", "--epochs", "100000", "--threads", "2"),
        *("--saved", str(tmp_path), "--name", "long", "--json", *only),
    )
    process = subprocess.Popen(
        [*before, *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    waiting = set(engines)
    assert process.stderr is not None
    for line in process.stderr:
        waiting -= {name for name in engines if line.startswith(name)}
        if not waiting:
            break
    yield Running(process, tmp_path, engines)
    process.kill()
    process.communicate()


@pytest.mark.parametrize(
    ("running", "number", "status"),
    [
        ((("numpy", "torch"), ()), signal.SIGINT, 130),
        ((("numpy",), ()), signal.SIGTERM, 143),
        pytest.param(
            (("numpy",), ()),
            signal.SIGHUP,
            129,
            marks=pytest.mark.skipif(
                signal.getsignal(signal.SIGHUP) is signal.SIG_IGN,
                reason="started under nohup, which programs inherit",
            ),
        ),
    ],
    indirect=["running"],
    ids=["SIGINT", "SIGTERM", "SIGHUP"],
)
def test_a_signal_saves_and_leaves(running: Running, number: signal.Signals, status: int) -> None:
    running.process.send_signal(number)
    out, err = running.process.communicate(timeout=SECONDS)
    assert running.process.returncode == status
    assert "Traceback" not in err
    result = json.loads(out)
    saved = Run.open(running.saved, "long")
    assert saved.read_result() is None  # the run can go on
    assert set(result["engines"]) == set(running.engines)
    for name in running.engines:
        assert result["engines"][name]["ended"] == "stopped"
        latest = saved.read_latest(name)
        assert latest is not None
        assert latest.note == ""
        assert latest.checkpoint.position.step > 0
        assert latest.checkpoint.state.updates == latest.checkpoint.position.step


@pytest.mark.parametrize("running", [(("numpy",), ("nohup",))], indirect=True, ids=["nohup"])
def test_under_nohup_a_hangup_does_not_stop_the_run(running: Running) -> None:
    running.process.send_signal(signal.SIGHUP)
    running.process.send_signal(signal.SIGTERM)
    out, _ = running.process.communicate(timeout=SECONDS)
    assert running.process.returncode == 143
    assert json.loads(out)["engines"]["numpy"]["ended"] == "stopped"


def test_a_bad_data_path_is_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    done = run("--data", str(tmp_path / "none.npz"), "--saved", str(saved), "--json")
    assert (done.returncode, done.stdout) == (2, "")
    last = done.stderr.splitlines()[-1]
    assert "none.npz" in last
    assert "expected auto, mnist, digits" in last
    assert "Traceback" not in done.stderr
    assert not saved.exists()


def on_digits(saved: Path, *arguments: str) -> int:
    """Run the command in this process."""
    small = ("--data", "digits", "--hidden", "8", "--epochs", "1", "--threads", "2")
    return main(["train", *small, "--saved", str(saved), "--name", "one", *arguments])


def test_a_diverging_run_is_a_failure_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_digits(tmp_path, "--learning-rate", "1e30", "--json") == 1
    out, err = capsys.readouterr()
    result = json.loads(out)
    for name in ENGINE_NAMES:
        assert result["engines"][name]["ended"] == "diverged"
        assert result["engines"][name]["test_accuracy"] is None
        assert f"{name:<5}  diverged: the loss is" in err
        latest = Run.open(tmp_path, "one").read_latest(name)
        assert latest is not None
        assert latest.checkpoint.position.step == 0, "what has diverged is not saved"


def test_a_figure_that_is_not_finite_is_null_in_the_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's own `NaN` is no JSON: `jq` and JavaScript refuse it."""
    monkeypatch.setattr(
        "mlpwatch.core.training.result.max_weight_difference", lambda _outcomes: float("nan")
    )
    assert on_digits(tmp_path, "--only", "numpy", "--json") == 0
    out = capsys.readouterr().out
    assert "NaN" not in out
    assert json.loads(out)["max_weight_difference"] is None


def test_without_json_the_result_is_told_in_two_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_digits(tmp_path, "--only", "numpy") == 0
    accuracies, where = capsys.readouterr().out.splitlines()
    assert accuracies.startswith("numpy test accuracy ")
    assert "torch" not in accuracies
    assert where == f"run saved in {tmp_path / 'one'}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--epochs", "0"), "epochs 0: expected a whole number from 1 to 100,000"),
        (("--hidden", "x"), "argument --hidden: 'x': expected layer widths"),
        (("--name", "a/b"), "a/b"),
        (("--data", "/no/such/folder"), "/no/such/folder"),
        (("--device", "cuda", "--only", "torch"), "device 'cuda'"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, str], message: str
) -> None:
    import torch

    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("this machine has the device that should be absent")
    saved = tmp_path / "saved"
    assert on_digits(saved, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err.splitlines()[-1]
    assert not saved.exists()


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_taken_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert on_digits(tmp_path, "--only", "numpy") == 0
    before = contents(tmp_path / "one")
    assert on_digits(tmp_path, "--only", "numpy") == 2
    assert "run 'one': exists already" in capsys.readouterr().err
    assert contents(tmp_path / "one") == before


def test_a_network_beyond_memory_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise MemoryError("Unable to allocate 32.0 GiB")

    monkeypatch.setattr("mlpwatch.core.network.build.initial_weights", refuse)
    assert on_digits(tmp_path / "saved") == 2
    assert "hidden 8: does not fit in memory; " in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "saved").exists()


def test_a_reader_that_leaves_does_not_end_the_training(tmp_path: Path) -> None:
    """As in `mlpwatch train 2>&1 | head -1`."""
    reading, writing = os.pipe()
    arguments = ("--data", "digits", "--hidden", "8", "--epochs", "3", "--only", "numpy")
    process = subprocess.Popen(
        command(*arguments, "--saved", str(tmp_path), "--name", "one"),
        cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=writing,
    )  # fmt: skip
    os.close(writing)
    os.close(reading)
    assert process.wait(SECONDS) == 0
    saved = Run.open(tmp_path, "one")
    result = saved.read_result()
    assert result is not None
    assert np.isfinite(result["engines"]["numpy"]["test_loss"])
