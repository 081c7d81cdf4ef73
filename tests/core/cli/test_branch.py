"""`mlpwatch branch`: what its options may change, and what it says."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlpwatch.core.cli.branch import add_branch_options, config_for_branch
from mlpwatch.core.cli.parser import Parser
from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import ConfigError, InputError
from mlpwatch.tui.__main__ import main

CONFIG = RunConfig(hidden=(64,), dropout=0.1, epochs=9)


def options(*words: str) -> argparse.Namespace:
    parser = Parser(prog="mlpwatch branch")
    add_branch_options(parser)
    return parser.parse_args(words)


def test_a_branch_keeps_what_is_not_given() -> None:
    assert config_for_branch(options("--at", "5"), CONFIG) == CONFIG
    changed = config_for_branch(options("--at", "5", "--dropout", "0.5", "--epochs", "20"), CONFIG)
    assert changed == replace(CONFIG, dropout=0.5, epochs=20)
    assert config_for_branch(options("--at", "5", "--only", "torch"), CONFIG).only == "torch"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--hidden", "32"], "--hidden 32: the weights that the branch begins with have 64"),
        (["--dtype", "float64"], "--dtype float64: the weights that the branch begins with have"),
        (["--initialization", "zeros"], "--initialization zeros: the weights"),
        (["--recipe", "seed"], "--recipe seed: a branch keeps its parent's settings"),
        (["--network", "a.py"], "a branch trains the networks of its parent"),
        (["--dropout", "1"], "dropout 1.0: expected a share"),
    ],
)
def test_what_does_not_fit_the_weights_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_for_branch(options("--at", "5", *words), CONFIG)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_epoch_is_a_number() -> None:
    with pytest.raises(InputError, match="expected a number of epochs"):
        options("--at", "five")
    with pytest.raises(InputError, match="--at"):
        options()


def test_a_branch_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["--data", "digits", "--hidden", "8", "--epochs", "3", "--train-size", "100"]
    assert main(["train", "--name", "base", "--only", "numpy", *small]) == 0
    assert main(["branch", "base", "--at", "1", "--headless", "--json", "--dropout", "0.5"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["run"] == "saved/base-at-1"
    capsys.readouterr()
    refusals = {
        "--at 7 --headless": "mlpwatch: run 'base': epoch 7 is not kept; kept are 0-3",
        "--at 1 --hidden 4": "mlpwatch: --hidden 4: the weights",
        "--at 1 --headless --name base": "exists already",
        "--at 1 --headless --epochs 1": "mlpwatch: epochs 1: the branch begins after epoch 1",
    }
    for words, said in refusals.items():
        assert main(["branch", "base", *words.split()]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
