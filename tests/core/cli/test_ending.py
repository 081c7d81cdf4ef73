"""`--on-end`: the command runs once, with the result; it neither writes here nor holds us up."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from math import nan
from pathlib import Path
from time import monotonic

import pytest

from mlpwatch.core.cli.ending import LEAVE_SECONDS, MOST_OUTPUT_BYTES, RunEndings, end_text
from mlpwatch.core.runs.layout import END_OUTPUT_NAME, RESULT_NAME
from mlpwatch.core.training.launch import new_session
from mlpwatch.core.training.session import Session
from mlpwatch.tui.__main__ import main
from tests.support.samples.engines import small_config
from tests.support.terminal import environment, mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS, in_time, three_tries, wait_until

SMALL = (
    "--data", "digits", "--hidden", "8", "--epochs", "1", "--threads", "1", "--only", "numpy",
    "--name", "one",
)  # fmt: skip

NOTE = 'env | grep ^MLPWATCH_ > "$MLPWATCH_PATH/noted"; ls "$MLPWATCH_PATH" > "$MLPWATCH_PATH/ls"'


def train(saved: Path, *words: str) -> int:
    return main(["train", *SMALL, "--saved", str(saved), *words])


def noted(folder: Path) -> dict[str, str]:
    lines = (folder / "noted").read_text().splitlines()
    return dict(line.partition("=")[::2] for line in lines)


def assert_result(found: Mapping[str, str], folder: Path) -> None:
    result = json.loads((folder / RESULT_NAME).read_text())["engines"]["numpy"]
    assert found["MLPWATCH_NUMPY_TEST_ACCURACY"] == f"{result['test_accuracy']:.6g}"
    assert found["MLPWATCH_NUMPY_TEST_LOSS"] == f"{result['test_loss']:.6g}"
    assert found["MLPWATCH_NUMPY_VAL_ACCURACY"] == f"{result['val_accuracy']:.6g}"


@pytest.mark.parametrize("shell", ["/bin/sh", ""])
def test_the_command_has_the_result_and_finds_the_run_saved(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    shell: str,
) -> None:
    monkeypatch.setenv("SHELL", shell)
    assert train(tmp_path, "--on-end", f"echo out; echo err >&2; {NOTE}") == 0
    folder, found = tmp_path / "one", noted(tmp_path / "one")
    assert (found["MLPWATCH_RUN"], found["MLPWATCH_ENDED"]) == ("one", "finished")
    assert found["MLPWATCH_PATH"] == str(folder.resolve())
    assert "MLPWATCH_TORCH_ENDED" not in found, "only NumPy trains"
    assert_result(found, folder)
    assert {"numpy.safetensors", RESULT_NAME} <= set((folder / "ls").read_text().split())
    assert (folder / END_OUTPUT_NAME).read_text() == "out\nerr\n"
    said = capfd.readouterr()
    assert "out" not in said.out.split()
    assert "err" not in said.err.split()
    assert "on-end" not in said.err


def test_a_failure_is_one_line_and_not_the_runs_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, "--on-end", "echo first; echo no such host >&2; exit 7") == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "on-end" in line]
    assert line.startswith("on-end: exit status 7: no such host (echo first; ")


def test_a_shell_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", "/nowhere/sh")
    assert train(tmp_path, "--on-end", "true") == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "on-end" in line]
    assert "/nowhere/sh" in line
    assert "SHELL names the shell" in line


def test_endless_output_fills_no_disk_and_holds_nothing_up(session: Session) -> None:
    command = f"head -c {2 * MOST_OUTPUT_BYTES} /dev/zero; echo last >&2"
    endings = RunEndings(command)
    endings.follow(session)
    assert endings.finish() == []
    assert (session.run.path / END_OUTPUT_NAME).stat().st_size == MOST_OUTPUT_BYTES


def test_a_diverging_run_says_so(tmp_path: Path) -> None:
    assert train(tmp_path, "--learning-rate", "1e30", "--on-end", NOTE) == 1
    found = noted(tmp_path / "one")
    assert (found["MLPWATCH_ENDED"], found["MLPWATCH_NUMPY_ENDED"]) == ("diverged", "diverged")
    assert found["MLPWATCH_NUMPY_TEST_ACCURACY"] == ""
    assert found["MLPWATCH_NUMPY_DETAIL"]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    config = small_config(data="digits", only="numpy", epochs=100_000, threads=1)
    return new_session(config, tmp_path, "two", lambda _text: None)


@three_tries
def test_a_command_that_takes_long_does_not_hold_up_who_leaves(tmp_path: Path) -> None:
    config = small_config(data="digits", only="numpy", epochs=100_000, threads=1)
    session = new_session(config, tmp_path, "two", lambda _text: None)
    endings = RunEndings('echo $$ > "$MLPWATCH_PATH/pid"; exec sleep 600')
    session.start()
    endings.follow(session)
    endings.follow(session)
    session.stop()
    assert session.join(DEADLINE_SECONDS)
    began = monotonic()
    (line,) = endings.finish()
    took = monotonic() - began
    pid = int((tmp_path / "two" / "pid").read_text())
    assert os.getsid(pid) == pid, "no hangup of this terminal ends it"
    os.kill(pid, signal.SIGKILL)
    assert line.startswith(f"on-end: still runs, and writes to {tmp_path}")
    in_time(took, LEAVE_SECONDS + 1.0)


def test_a_run_that_did_not_end_in_time_counts_as_stopped(session: Session) -> None:
    endings = RunEndings(NOTE)
    endings.follow(session)
    endings.begin()
    wait_until((session.run.path / "ls").exists)
    assert endings.finish() == []
    found = noted(session.run.path)
    assert (found["MLPWATCH_ENDED"], found["MLPWATCH_NUMPY_TEST_ACCURACY"]) == ("stopped", "")


def test_a_word_for_a_run_without_a_screen_unless_it_was_stopped(session: Session) -> None:
    said: list[str] = []
    endings = RunEndings(notify=said.append)
    endings.follow(session)
    session.start()
    session.stop()
    assert session.join(DEADLINE_SECONDS)
    endings.begin()
    assert said == []


def test_the_word_names_the_worst_end_first() -> None:
    ends = {"NumPy": ("finished", 0.97514), "PyTorch": ("diverged", nan)}
    assert end_text("demo", ends) == "demo diverged: NumPy 97.51%, PyTorch diverged"
    assert "\x1b" not in end_text("a\x1b]0;b", ends)


@pytest.mark.slow
def test_a_signal_runs_the_command_too(tmp_path: Path) -> None:
    words = [*SMALL, "--epochs", "100000", "--saved", str(tmp_path), "--on-end", NOTE]
    process = subprocess.Popen(
        [*mlpwatch_command(), "train", *words], cwd=tmp_path, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert any("epoch" in line for line in process.stderr)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 143
    found = noted(tmp_path / "one")
    assert found["MLPWATCH_ENDED"] == "stopped"
    assert 0.1 < float(found["MLPWATCH_NUMPY_TEST_ACCURACY"]) <= 1
