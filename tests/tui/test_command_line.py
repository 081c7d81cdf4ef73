"""The grammar of the command line: what is refused is refused in one line, with what to do."""

import os
import re
import sys
from pathlib import Path

import pytest

from mlpwatch import __version__
from mlpwatch.core.recipes import RECIPES
from mlpwatch.tui.__main__ import main
from mlpwatch.tui.startup import ScreenOptions
from tests.support.checkout import SOURCE


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder with an empty cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLPWATCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


REFUSED = {
    "unknown command": (
        ["frobnicate"],
        ["'frobnicate'", "resume, branch, attach, order, sweep, compare"],
    ),
    "misspelt command": (["runz"], ["'runz'", "did you mean runs?"]),
    "unknown option": (["--frobnicate"], ["--frobnicate", "mlpwatch --help"]),
    "abbreviated option": (["--epo", "3"], ["--epo"]),
    "option without value": (["--epochs"], ["--epochs", "expected one argument"]),
    "no number": (["--epochs", "many"], ["--epochs", "'many'", "whole number"]),
    "out of range": (["--epochs", "0"], ["epochs 0", "from 1"]),
    "no such choice": (["--optimizer", "lion"], ["--optimizer", "'lion'", "sgd"]),
    "no such recipe": (["--recipe", "stew"], ["--recipe", "'stew'", "twin"]),
    "zero frames": (["--fps", "0"], ["--fps", "'0'", "above 0, up to 60"]),
    "too many frames": (["--fps", "61"], ["--fps", "'61'", "above 0, up to 60"]),
    "frames in words": (["--fps", "nan"], ["--fps", "'nan'"]),
    "no such theme": (["--theme", "nosuch"], ["--theme", "'nosuch'", "dark", "nord"]),
    "no such talk": (["--cues", "talk"], ["--cues: talk: no such file"]),
    "screen option without a screen": (["train", "--fps", "4"], ["--fps"]),
    "missing data": (["train", "--data", "none.npz"], ["none.npz'", "no such file"]),
    "mnist not fetched": (["train", "--data", "mnist"], ["mlpwatch data fetch mnist"]),
    "nothing to resume": (["resume"], ["no run in it", "--saved"]),
    "no such run": (["resume", "nowhere"], ["'nowhere'", "see mlpwatch runs"]),
    "no such data set": (["data", "fetch", "imagenet"], ["'imagenet'", "mnist"]),
    "nothing to fetch": (["data"], ["mlpwatch data --help"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_that_names_it_and_nothing_is_written(
    case: str, capsys: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    arguments, words = REFUSED[case]
    assert main(arguments) == 2
    said = capsys.readouterr()
    (line,) = [line for line in said.err.splitlines() if not line.startswith("loading ")]
    assert line.startswith("mlpwatch: ")
    for word in words:
        assert word in line
    assert said.out == ""
    assert list(empty_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--help"],
            [
                "mlpwatch [OPTIONS]",
                "mlpwatch resume [RUN]",
                "mlpwatch data fetch mnist",
                "--on-hangup",
            ],
        ),
        (["train", "--help"], ["--data", "--recipe", "--json", "--threads"]),
        (["resume", "--help"], ["RUN", "--headless", "--fps"]),
        (["runs", "--help"], ["--json", "--saved"]),
        (["data", "fetch", "--help"], ["mnist"]),
        (["--version"], [f"mlpwatch {__version__}\n"]),
    ],
)
def test_help_is_told_on_stdout(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 0
    said = capsys.readouterr()
    for word in words:
        assert word in said.out
    assert said.err == ""


@pytest.mark.parametrize("command", [[], ["train"], ["resume"]])
@pytest.mark.parametrize("width", [60, 80, 100])
def test_help_begins_with_what_people_use_and_fits(
    command: list[str], width: int, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", str(width))
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= width
    heads = re.findall(r"^(\w+):$", text, re.MULTILINE)
    groups = ["basics", "recipes", "data", "network", "training", "regularization", "machine"]
    assert heads[heads.index("basics") :][: len(groups)] == groups
    basics, recipes = text.partition("basics:")[2].split("data:\n")[0].split("recipes:")
    assert len(re.findall(r"^  --", basics, re.MULTILINE)) == 8
    assert re.findall(r"^  ([\w-]+)  ", recipes, re.MULTILINE) == list(RECIPES)
    assert text.index("basics:") < 1_900, "in sight at once"


def test_runs_without_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    assert capsys.readouterr().out == "no runs in saved\n"
    assert main(["runs", "--json", "--saved", "elsewhere"]) == 0
    assert capsys.readouterr().out == "[]\n"


def test_ctrl_c_during_a_command_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_saved: Path, _width: int | None) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlpwatch.tui.runs.listing_text.runs_as_text", interrupted)
    assert main(["runs"]) == 130


def test_a_reader_that_has_gone_is_no_traceback() -> None:
    import subprocess

    script = "import sys; from mlpwatch.tui.__main__ import run; sys.argv[1:] = ['runs']; run()"
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) in (0, 1)
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize(
    ("fps", "connection", "expected"),
    [(None, "", 4.0), (None, "10.0.0.1 5 10.0.0.2 22", 2.0), (10.0, "1 2 3 4", 10.0)],
)
def test_frames_come_half_as_often_over_ssh_unless_asked_for(
    fps: float | None, connection: str, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", connection)
    assert ScreenOptions(fps=fps).frames_per_second == expected


def test_nothing_heavy_is_imported_for_the_grammar() -> None:
    import subprocess

    heavy = ("torch", "sklearn", "numpy", "textual", "plotext", "pandas")
    script = (
        "import sys; from mlpwatch.tui.__main__ import main\n"
        f"status = main(['--epochs', '0']); print(status, [m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
    )
    assert done.stdout.strip() == "2 []"
