"""The completion scripts, asked by the shells themselves."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from mlpwatch.tui.__main__ import main

pytest.importorskip("shtab")

ASK = {
    "bash": """
source ./script
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_shtab_mlpwatch
printf '%s\\n' "${{COMPREPLY[@]}}"
""",
    "fish": "source ./script; complete -C {line}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two saved runs, a sweep with one trial, and a folder whose name is a command."""
    for run in ("saved/first", "saved/second", "saved/sweep/trial", "other/third"):
        (tmp_path / run).mkdir(parents=True)
        (tmp_path / run / "config.json").touch()
    (tmp_path / "saved" / "sweep" / "group.json").touch()
    (tmp_path / "saved" / "$(touch harm)").mkdir()
    (tmp_path / "saved" / "$(touch harm)" / "config.json").touch()
    return tmp_path


def ask(shell: str, folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> set[str]:
    """Return what a shell offers for the last of these words."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    assert main(["completion", shell]) == 0
    (folder / "script").write_text(capsys.readouterr().out)
    line = shlex.join(words) if words[-1] else f"{shlex.join(words[:-1])} "
    text = ASK[shell].format(words=shlex.join(words), line=shlex.quote(line))
    done = subprocess.run(
        [program, "-c", text], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    assert not (folder / "harm").exists()
    return {row.split("\t")[0] for row in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", ASK)
def test_a_shell_completes_commands_options_and_runs(
    shell: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = ask(shell, folder, capsys, "mlpwatch", "re")
    assert "resume" in commands
    assert {"first", "second", "sweep", "sweep/trial"} <= ask(
        shell, folder, capsys, "mlpwatch", "resume", ""
    )
    assert ask(shell, folder, capsys, "mlpwatch", "attach", "sec") == {"second"}
    there = ask(shell, folder, capsys, "mlpwatch", "attach", "--saved", "other", "")
    assert {"third"} <= there
    assert "first" not in there
    assert "--learning-rate" in ask(shell, folder, capsys, "mlpwatch", "train", "--learning")
    assert "--learning-rate" in ask(shell, folder, capsys, "mlpwatch", "--learning")
    assert {"cosine", "linear"} <= ask(shell, folder, capsys, "mlpwatch", "--schedule", "")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_reads_its_script_and_finds_the_runs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "zsh"]) == 0
    (folder / "script").write_text(capsys.readouterr().out)
    text = """
    autoload -U compinit; compinit -D -u
    eval "$(<script)"
    compadd() { shift; print -l ${(P)1}; }
    words=(mlpwatch attach --saved saved ''); CURRENT=5
    _mlpwatch_runs
    """
    done = subprocess.run(
        ["zsh", "-f", "-c", text], cwd=folder, capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    assert {"first", "second", "sweep", "sweep/trial"} <= set(done.stdout.splitlines())
    assert not (folder / "harm").exists()


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "csh"]) == 2
    assert "'csh'" in capsys.readouterr().err
