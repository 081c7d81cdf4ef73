"""`mlpwatch status --wait` and `mlpwatch tail` on runs of ours."""

import json
from pathlib import Path
from threading import Thread

import pytest

from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.core.events import StepGroup
from mlpwatch.core.monitor.progress import log_lines, wait_for
from mlpwatch.core.runs.run import Run
from mlpwatch.tui.__main__ import main
from tests.support.samples.run_samples import create, line


def run_of_three_epochs(saved: Path) -> Run:
    """Return a run that is in training, as far as others can see."""
    run = create(saved, "demo")
    run.acquire()
    run.append_metrics(*(line(name, 3) for name in ENGINE_NAMES))
    return run


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(arguments)
    said = capsys.readouterr()
    return status, said.out, said.err


ENDS = {
    "finished": ({"ended": "finished"}, 0, "finished"),
    "diverged": ({"ended": "diverged", "detail": "loss"}, 1, "failed: numpy diverged: loss"),
    "killed": (None, 1, "stopped"),
}


@pytest.mark.parametrize("case", ENDS)
def test_waiting_ends_with_the_run_and_has_its_status(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    end, status, words = ENDS[case]
    run, saved = run_of_three_epochs(tmp_path), ("--saved", str(tmp_path))
    code, said, _ = command(capsys, "status", "demo", *saved)
    assert (code, said) == (0, "demo  training  epochs: numpy 3, torch 3 of 3\n")
    assert command(capsys, "status", "demo", "--wait", "--timeout", "0.1", *saved)[0] == 124
    codes: list[int] = []
    waiting = Thread(target=lambda: codes.append(wait_for(run.path, 60).exit_status))
    waiting.start()
    if end is not None:
        engine = {"test_accuracy": 0.9}
        run.write_result({"engines": {"numpy": {**engine, **end}, "torch": engine}})
    run.release()
    waiting.join(60)
    assert codes == [status]
    code, said, _ = command(capsys, "status", "demo", "--wait", "--json", *saved)
    assert code == status
    found = json.loads(said)
    assert f"{found['state']}: {found['reason']}".startswith(words)
    assert found["engines"]["numpy"]["epochs_done"] == 3


def test_the_tail_has_the_lines_of_both_logs_and_those_that_come(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, saved = run_of_three_epochs(tmp_path), ("--saved", str(tmp_path))
    run.events.append([StepGroup("numpy", 3, 3, 1.0, 0.5, 0.4, 0.6)])
    code, said, _ = command(capsys, "tail", "demo", "--json", "--no-follow", *saved)
    assert code == 0
    lines = [json.loads(one) for one in said.splitlines()]
    assert [one["kind"] for one in lines] == ["steps", "epoch", "epoch"]
    assert lines[1]["engine"] == "numpy"
    followed = log_lines(run.path, 1, follows=True)
    assert next(followed).fields["kind"] == "epoch"
    run.append_metrics(line("torch", 4))
    later = next(followed)
    assert json.loads(later.json_text())["epoch"] == 4
    run.release()
    assert list(followed) == []
    last = command(capsys, "tail", "demo", "--lines", "1", *saved)[1]
    assert last.startswith("epoch ")
    assert "val_accuracy 0.9" in last


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("status", "none"), "not found under"),
        (("status", "demo", "--wait", "--timeout", "-1"), "--timeout -1: expected seconds"),
        (("tail", "demo", "--lines", "-2"), "--lines -2: expected a whole number"),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create(tmp_path, "demo")
    status, _, said = command(capsys, *arguments, "--saved", str(tmp_path))
    assert status == 2
    assert words in said
    assert said.count("\n") == 1
