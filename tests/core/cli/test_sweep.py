"""`mlpwatch sweep`: its grid, its refusals, and a sweep with real processes."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mlpwatch.core.cli.parser import Parser
from mlpwatch.core.cli.sweep import add_sweep_options, group_from
from mlpwatch.core.errors import InputError
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.runs.layout import GROUP_NAME, METRICS_NAME
from mlpwatch.core.runs.manifest import read_manifest
from mlpwatch.core.sweeps.group import held_group, read_group
from mlpwatch.core.sweeps.local import shared_cores
from mlpwatch.tui.__main__ import main
from tests.support.samples.sweep_samples import make_group

TINY = ("--data", "digits", "--hidden", "8", "--epochs", "2", "--train-size", "200")


def options(*words: str) -> argparse.Namespace:
    parser = Parser(prog="mlpwatch sweep", allow_abbrev=False)
    add_sweep_options(parser)
    return parser.parse_args(words)


def test_every_list_is_a_side_of_the_grid() -> None:
    group = group_from(options(
        "--learning-rate", "0.03,0.1", "--hidden", "64;128,64;", "--optimizer", "adam", "--seeds",
        "2", "--seed", "5", "--data", "digits", "--epochs", "3",
    ))  # fmt: skip
    assert group.varied == ("hidden", "learning_rate")
    assert [tuple(one.varied.values()) for one in group.settings] == [
        ((64,), 0.03), ((64,), 0.1), ((128, 64), 0.03), ((128, 64), 0.1), ((), 0.03), ((), 0.1),
    ]  # fmt: skip
    assert group.seeds == (5, 6)
    fixed = {(one.config.optimizer, one.config.epochs) for one in group.settings}
    assert fixed == {("adam", 3)}
    assert {one.config.history for one in group.settings} == {0}


def test_each_setting_is_what_train_makes_of_the_same_options() -> None:
    given = ("--data", "digits", "--optimizer", "sgd,adamw", "--recipe", "twin,seed")
    group = group_from(options(*given, "--pixel-range", "-1..1,0..1"))
    assert group.varied == ("recipe", "optimizer", "pixel_range")
    assert len(group.settings) == 8
    decay = {(one.config.optimizer, one.config.weight_decay) for one in group.settings}
    assert decay == {("sgd", 0.0), ("adamw", 0.01)}
    seed = next(one.config for one in group.settings if one.varied["recipe"] == "seed")
    assert seed.loss == from_recipe("seed").loss
    assert group.seeds == (0, 1, 2)


def test_seeds_are_named_or_counted() -> None:
    assert group_from(options("--seed", "3,8", "--data", "digits")).seeds == (3, 8)
    assert group_from(options("--seeds", "1", "--data", "digits")).seeds == (0,)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--learning-rate", "0.1,fast"), "'fast': expected a number"),
        (("--learning-rate", "0.1,-1"), "learning rate -1.0: expected a number above 0"),
        (("--learning-rate", "0.1,0.1"), "a value is given twice"),
        (("--hidden", "64;a,b"), "'a,b': expected layer widths"),
        (("--optimizer", "sgd,adm"), "'adm': expected one of sgd, momentum"),
        (("--momentum", "0.5,0.9"), "sgd has none"),
        (("--epochs", "0,1"), "epochs 0: expected a whole number"),
        (("--seeds", "0"), "'0': expected a whole number from 1 on"),
        (("--seeds", "2", "--seed", "1,2"), "--seed names 2 of them"),
        (("--seeds", "20000"), "expected 1 to 10,000 trials"),
        (("--jobs", "4096"), "--jobs 4096: expected 1 to"),
        (("--jobs", "x"), "'x': expected a whole number"),
        (("--network", "a.py"), "--network: a sweep trains mlpwatch's own networks"),
        (("--lockstep",), "--lockstep: nobody watches"),
        (("--data", "digits,nothing.npz"), "nothing.npz"),
        (("--name", "a/b"), "path separator"),
        (("--learningrate", "1"), "did you mean --learning-rate?"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "--data", "digits", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_is_no_list_is_parsed_as_by_train() -> None:
    with pytest.raises(InputError, match="expected a whole number"):
        options("--batch-size", "ten")


@pytest.mark.parametrize(
    ("cores", "jobs", "engines", "shared"),
    [(4, None, 2, (2, 2)), (4, None, 1, (4, 1)), (1, None, 2, (1, 1)), (4, 3, 2, (3, 1))],
)
def test_the_cores_are_shared_out(
    cores: int, jobs: int | None, engines: int, shared: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("mlpwatch.core.sweeps.local.available_cores", lambda: 4)
    assert shared_cores(cores, jobs, engines) == shared
    assert shared[0] * shared[1] <= cores


@pytest.mark.slow
def test_a_sweep_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["sweep", *TINY, "--learning-rate", "0.1,1e20", "--name", "lr", "--json"]
    assert main([*words, "--seeds", "1"]) == 0
    out, err = capsys.readouterr()
    assert "2 settings x 1 seed = 2 trials of 2 epochs; 1 at a time" in err
    assert "about" in err
    one = json.loads(out)
    assert one["settings"][0]["difference"]["low"] is None
    assert one["settings"][0]["verdict"].endswith("one pair, so no interval")
    assert [row["seed"] for row in one["failed"]] == [0]
    assert "diverged" in one["failed"][0]["reason"]
    folder = tmp_path / "saved" / "lr"
    before = {path: path.stat().st_mtime_ns for path in folder.glob(f"*/{METRICS_NAME}")}

    assert main([*words, "--seeds", "3"]) == 0
    out, err = capsys.readouterr()
    assert "6 trials of 2 epochs, 2 of them done" in err
    assert {path: path.stat().st_mtime_ns for path in before} == before
    found = json.loads(out)
    test: dict[str, list[float]] = {
        engine: [
            _result(folder / f"learning-rate=0.1,seed={seed}")[engine]["test_accuracy"]
            for seed in range(3)
        ]
        for engine in ("numpy", "torch")
    }
    low, high = stats.ttest_rel(test["torch"], test["numpy"]).confidence_interval(0.95)
    setting = found["settings"][0]
    for engine, values in test.items():
        said = setting[engine]["test_accuracy"]
        assert said["mean"] == pytest.approx(np.mean(values), rel=1e-12)
        assert said["std"] == pytest.approx(np.std(values, ddof=1), rel=1e-12)
        assert (said["n"], said["best"]) == (3, max(values))
    if not np.isnan(low):
        assert setting["difference"]["low"] == pytest.approx(low, abs=1e-12)
        assert setting["difference"]["high"] == pytest.approx(high, abs=1e-12)
    assert found["states"] == {"finished": 3, "failed": 3}
    manifest = read_manifest(folder / "learning-rate=0.1,seed=2")
    assert (manifest.group, manifest.config.seed) == ("lr", 2)

    monkeypatch.setattr("mlpwatch.core.sweeps.local.LocalPool._submit", _refuse)
    monkeypatch.setenv("SHELL", "/bin/sh")
    words_said = list[str]()
    monkeypatch.setattr("mlpwatch.tui.command_line.notify_stderr", words_said.append)
    end = 'echo "$MLPWATCH_RUN $MLPWATCH_ENDED $MLPWATCH_TRIALS_FINISHED/$MLPWATCH_TRIALS"; '
    end += 'echo "$MLPWATCH_NUMPY_TEST_ACCURACY $MLPWATCH_NUMPY_BEST_SETTING"'
    assert main(["sweep", "--name", "lr", "--on-end", end, "--notify"]) == 0
    out, err = capsys.readouterr()
    first, second = (folder / "on-end.log").read_text().splitlines()
    assert first == "lr failed 3/6"
    assert second == f"{np.mean(test['numpy']):.6g} learning_rate=0.1"
    assert words_said == ["lr has ended: 3 of 6 finished, 3 failed"]
    assert "learning-rate 0.1    3 of 3" in out
    assert "failed: learning-rate=1e+20,seed=0" in out
    assert "6 of them done" in err
    assert main([*words, "--epochs", "9"]) == 2
    assert "--epochs 9: sweep lr has 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "rates", "seeds"),
    [
        (("--learning-rate", "0.5"), [0.1, 0.3, 0.5], (0,)),
        (("--learning-rate", "0.5,0.1", "--data", "digits"), [0.1, 0.3, 0.5], (0,)),
        (("--seeds", "3"), [0.1, 0.3], (0, 1, 2)),
        (("--learning-rate", "0.3", "--seed", "7"), [0.1, 0.3], (0, 7)),
        (("--history", "9"), [0.1, 0.3], (0,)),
    ],
)
def test_new_values_and_seeds_are_added_and_the_rest_is_the_sweeps(
    words: tuple[str, ...], rates: list[float], seeds: tuple[int, ...], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    group = group_from(options(*TINY, "--learning-rate", "0.1,0.3", "--seeds", "1"))
    path = make_group(tmp_path, "g", group)
    monkeypatch.setattr("mlpwatch.core.sweeps.local.LocalPool.estimate", _no_time)
    monkeypatch.setattr("mlpwatch.core.sweeps.local.LocalPool.train", lambda *_: iter(()))
    assert main(["sweep", *words, "--saved", str(tmp_path), "--name", "g"]) == 1
    found = read_group(path)
    assert [one.varied["learning_rate"] for one in found.settings] == rates
    assert found.seeds == seeds
    expected = {replace(group.settings[0].config, learning_rate=rate) for rate in rates}
    assert {one.config for one in found.settings} == expected


def test_a_single_new_optimizer_brings_its_own_settings(tmp_path: Path) -> None:
    group = group_from(options(*TINY, "--optimizer", "sgd,adam", "--seeds", "1"))
    make_group(tmp_path, "g", group)
    asked = group_from(options(*TINY, "--optimizer", "adamw", "--seeds", "1"), group.varied)
    found = group.extended(asked, "g")
    assert [one.config.weight_decay for one in found.settings] == [0, 0, 0.01]


def test_data_that_can_not_be_read_write_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mlpwatch.core.sweeps.local.LocalPool.estimate", _refuse_data)
    assert main(["sweep", *TINY, "--name", "lr"]) == 2
    assert "damaged" in capsys.readouterr().err
    assert not (tmp_path / "saved" / "lr" / GROUP_NAME).exists()


def test_a_sweep_that_another_process_trains_is_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group = group_from(options(*TINY, "--seeds", "1"))
    path = make_group(tmp_path, "g", group)
    with held_group(path):
        words = ["sweep", *TINY, "--seeds", "2", "--saved", str(tmp_path), "--name", "g"]
        assert main(words) == 2
    assert "trains it; wait for it" in capsys.readouterr().err
    assert read_group(path) == group


def _result(folder: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads((folder / "result.json").read_text())["engines"]


def _no_time(_pool: object, configs: list[object]) -> list[float]:
    return [1.0] * len(configs)


def _refuse(*_arguments: object) -> None:
    raise AssertionError("nothing is left to train")


def _refuse_data(*_arguments: object) -> None:
    raise InputError("a.npz: damaged; give another")


def test_history_is_kept_only_if_asked_for() -> None:
    group = group_from(options("--data", "digits", "--history", "8"))
    assert group.settings[0].config == replace(
        group_from(options("--data", "digits")).settings[0].config, history=8
    )
