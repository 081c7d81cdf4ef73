"""Names, paths and error texts that hold escape sequences are shown as text, nothing else."""

import re
import subprocess
from pathlib import Path

import pytest

from mlpwatch.core.errors import RunError
from mlpwatch.core.runs.run import Run
from mlpwatch.core.text import MAX_LINE_LENGTH
from tests.support.faults.faulty_runs import faulty_environment
from tests.support.faults.run_losses import nothing_lost
from tests.support.samples.sample_files import sample_arrays, write_npz
from tests.support.terminal import Terminal, assert_restored, environment, mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.xdist_group("hostile")

HOSTILE = "\x1b]0;owned\x07\x1b[31;5m[bold red]not [@click=app.quit]m\u202esrac\x1b[2J\x9b"
"""Window title, blinking colour, two kinds of markup, right-to-left, a wiped screen, a C1 code."""

SHOWN = r"\x1b]0;owned\x07\x1b[31;5m[bold red]not [@click=app.quit]m\u202esrac\x1b[2J\x9b"

RAW = [b"\x1b]0;", b"\x1b[31;5m", "\u202e".encode(), b"\x9b"]


def assert_nothing_was_obeyed(sent: bytes) -> None:
    # U+009B is sent as two bytes, of which the second also ends other characters.
    sent = re.sub(rb"[\xe0-\xf7][\x80-\xbf]{2,3}", b"", sent)
    assert [raw for raw in RAW if raw in sent] == []


def said(folder: Path, *arguments: str) -> tuple[int, bytes]:
    done = subprocess.run(
        [*mlpwatch_command(), *arguments], cwd=folder, env=environment(), timeout=DEADLINE_SECONDS,
        stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--data", HOSTILE),
        ("train", "--name", HOSTILE),
        ("train", f"--{HOSTILE}"),
        ("train", "--epochs", HOSTILE),
        ("train", "--recipe", HOSTILE),
        ("resume", HOSTILE),
        ("runs", "--saved", HOSTILE),
        ("data", "fetch", HOSTILE),
        (HOSTILE,),
    ],
    ids=lambda arguments: " ".join(arguments).partition("\x1b")[0],
)
def test_what_is_typed_is_told_back_as_text(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    status, sent = said(tmp_path, *arguments)
    assert status == (0 if arguments[0] == "runs" else 2)
    assert_nothing_was_obeyed(sent)
    assert b"[31;5m" in sent, "it is shown, as text"
    assert len(sent.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--data", "--name", "--saved", "--hidden", "--activation"])
def test_ten_thousand_characters_are_cut_in_the_middle(tmp_path: Path, option: str) -> None:
    status, sent = said(tmp_path, "train", "--data", "digits", option, "n" * 10_000)
    assert status == 2
    (line,) = sent.decode().splitlines()
    assert len(line) <= MAX_LINE_LENGTH + len("mlpwatch:  … ")
    assert line.startswith("mlpwatch: ")
    assert not line.endswith("n"), "what to do stands at the end"


@pytest.mark.rare
def test_hostile_paths_and_reasons_change_nothing_on_the_screen(tmp_path: Path) -> None:
    """The data, the folder of runs and the error of an engine: one of them fails, one goes on."""
    (tmp_path / HOSTILE).mkdir()
    write_npz(tmp_path / HOSTILE / f"{HOSTILE}.npz", **sample_arrays(train=400))
    command = [
        *mlpwatch_command(), "--data", f"{HOSTILE}/{HOSTILE}.npz", "--saved", HOSTILE,
        "--epochs", "300", "--hidden", "8", "--name", "demo",
    ]  # fmt: skip
    env = faulty_environment("raise_at=300 save_every=20")
    with Terminal(command, tmp_path, columns=220, rows=40, env=env) as terminal:
        seen = terminal.wait_for(lambda text: "failed" in text and "finished" in text)
        assert SHOWN[:40] in seen
        assert r"RuntimeError: told to \x1b[31;5mfail" in seen
        assert "owned" not in terminal.screen.title
        with nothing_lost(tmp_path / HOSTILE):
            terminal.send("q")
            assert terminal.wait_for_end() == 1
        assert_restored(terminal)
        how_it_ended, where = terminal.after_the_app()[-2:]
        assert_nothing_was_obeyed(terminal.received())
    assert r"numpy failed: RuntimeError: told to \x1b[31;5mfail; last good checkpoint at step" in (
        how_it_ended
    )
    assert "torch test accuracy" in how_it_ended
    assert SHOWN in where
    latest = Run.open(tmp_path / HOSTILE, "demo").read_latest("numpy")
    assert latest is not None
    assert 0 < latest.checkpoint.position.step < 300


def test_no_name_leads_out_of_the_folder_of_runs(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("../outside/x", "..", "/tmp/x", "a/../../x", "a\0b", "~root"):
        with pytest.raises((RunError, ValueError, OSError)):
            Run.open(tmp_path / "saved", name)
    status, _ = said(tmp_path, "train", "--data", "digits", "--name", "../outside/x")
    assert status == 2
    assert list(outside.iterdir()) == []
