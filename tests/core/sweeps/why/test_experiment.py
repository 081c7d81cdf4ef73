"""Which networks are trained between two runs, what they show, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.errors import InputError
from mlpwatch.core.network_file import NetworkFile
from mlpwatch.core.runs.layout import METRICS_NAME, RATES_NAME
from mlpwatch.core.runs.manifest import ParentEpoch, RunManifest
from mlpwatch.core.runs.metrics import MetricsLog
from mlpwatch.core.sweeps.group import store_group
from mlpwatch.core.sweeps.reading import GroupReader
from mlpwatch.core.sweeps.sweep import PROCESS_SECONDS
from mlpwatch.core.sweeps.trial import START_SECONDS
from mlpwatch.core.sweeps.why.experiment import Experiment
from mlpwatch.core.sweeps.why.report import finding_json, finding_lines, sentence
from mlpwatch.core.sweeps.why.rounds import Rounds
from mlpwatch.core.sweeps.why.sides import Side, checked_differences, read_side
from tests.support.samples.run_samples import CONFIG, DIGITS, NOON, create, line
from tests.support.samples.sweep_samples import group_of, make_group, train_trial

A = RunConfig(data="digits", epochs=50, hidden=(64,), learning_rate=0.1)
B = replace(A, learning_rate=0.5, initialization="normal", seed=3)


def side(
    config: RunConfig, name: str = "a", accuracy: float | None = None, **facts: object
) -> Side:
    manifest = replace(RunManifest(config, DIGITS, NOON, {}), **facts)  # type: ignore[arg-type]
    known = {} if accuracy is None else dict.fromkeys(config.engine_names, accuracy)
    return Side(name, manifest, known, {})


def trained(
    saved: Path, experiment: Experiment, epochs: int, points: dict[str, dict[EngineName, float]]
) -> Path:
    """Write a round's trials, whose accuracies are sums of what B's values add in points."""
    path, found = experiment.place(saved)
    group = experiment.joined(found, epochs)
    store_group(path, group)
    for trial in experiment.trials(group, epochs):
        accuracies: dict[EngineName, float] = {}
        for engine in trial.config.engine_names:
            # An effect of the seed that all networks share.
            accuracies[engine] = 0.8 + trial.seed / 1000
            for difference in experiment.differences:
                name = difference.setting
                if getattr(trial.config, name) == difference.after[name]:
                    accuracies[engine] += points[name][engine] / 100
        if not (path / trial.name).exists():
            train_trial(path, trial, accuracies)
    return path


def test_a_fifth_of_the_epochs_comes_first_and_both_rounds_are_one_sweep(tmp_path: Path) -> None:
    experiment = Experiment(side(A), side(B, "b"))
    assert experiment.rounds == (10, 50)
    assert experiment.seeds == (0, 1, 2)
    first = experiment.joined(None, 10)
    assert first.varied == ("learning_rate", "epochs", "initialization")
    assert [t.config.epochs for t in first.trials] == [10] * 12
    both = experiment.joined(first, 50)
    assert len(both.trials) == 24
    assert [t.config.epochs for t in experiment.trials(both, 50)] == [50] * 12
    ends = {(t.config.learning_rate, t.config.initialization) for t in first.trials}
    assert len(ends) == 4
    path, found = experiment.place(tmp_path)
    assert (path, found) == (tmp_path / "why-a-b", None)
    store_group(path, both)
    # The same runs, with more seeds, go on there; others of the same names do not.
    more = Experiment(side(A), side(B, "b"), seeds=5)
    assert more.place(tmp_path) == (path, both)
    assert len(more.joined(both, 10).trials) == 40
    other = Experiment(side(replace(A, hidden=(9,))), side(replace(B, hidden=(9,)), "b"))
    assert other.place(tmp_path) == (tmp_path / "why-a-b-2", None)
    assert Experiment(side(A), side(B, "b"), epochs=7).place(tmp_path) == (path, both)


def test_epochs_that_differ_keep_their_share() -> None:
    experiment = Experiment(side(A), side(replace(B, epochs=25), "b"), epochs=10)
    assert {c.epochs for c in experiment.configs(10).values()} == {10, 5}
    assert experiment.rounds == (10,)
    assert [f.setting for f in experiment.differences] == [
        "learning_rate", "epochs", "initialization",
    ]  # fmt: skip


def test_short_runs_have_one_round_and_one_engine_in_common_is_trained_alone() -> None:
    experiment = Experiment(
        side(replace(A, epochs=5, only="torch")), side(replace(B, epochs=5), "b"), seeds=1
    )
    assert experiment.rounds == (5,)
    assert experiment.engines == ("torch",)
    assert {c.only for c in experiment.configs(5).values()} == {"torch"}


def test_more_than_six_differences_are_changed_one_at_a_time(tmp_path: Path) -> None:
    b = replace(
        B, hidden=(9,), batch_size=10, dropout=0.1, warmup=9, activation="tanh", dtype="float64"
    )
    experiment = Experiment(side(A), side(b, "b"), seeds=2, epochs=3)
    assert len(experiment.differences) == 8
    assert len(experiment.joined(None, 3).settings) == 18
    names = [difference.setting for difference in experiment.differences]
    points: dict[str, dict[EngineName, float]] = {n: {"numpy": 1.0, "torch": 0.5} for n in names}
    path = trained(tmp_path, experiment, 3, points)
    found = experiment.finding(GroupReader(path).read(), 3)
    lines = finding_lines(experiment, found, 100)
    assert "only together" in "\n".join(lines)
    assert "8 settings differ: each was changed alone" in lines[-2]
    assert all(len(row) <= 100 for row in lines)
    assert finding_json(experiment, found, "g")["method"] == "one-at-a-time"
    assert found.attributions["torch"].gap.mean == pytest.approx(0.04)


def test_the_gap_is_shared_out_in_a_bar_per_setting_and_a_sentence(tmp_path: Path) -> None:
    experiment = Experiment(side(A, accuracy=0.9), side(B, "b", accuracy=0.86))
    points: dict[str, dict[EngineName, float]] = {
        "learning_rate": {"numpy": -4.2, "torch": 1}, "initialization": {"numpy": -0.2, "torch": 3},
    }  # fmt: skip
    path = trained(tmp_path, experiment, 10, points)
    found = experiment.finding(GroupReader(path).read(), 10)
    assert found.attributions["numpy"].is_clear
    said = sentence(experiment, found.attributions["numpy"])
    assert said == "4.2 of 4.4 points: learning rate; 0.2 ± 0.0: initialization"
    values = finding_json(experiment, found, "why-a-b")
    assert values["gap"] == {"numpy": pytest.approx(-4.4), "torch": pytest.approx(4.0)}
    first, second = values["attributions"]["numpy"]
    assert (first["setting"], first["from"], first["to"]) == ("learning_rate", 0.1, 0.5)
    assert [first[k] for k in ("points", "low", "high")] == pytest.approx([-4.2] * 3)
    assert (second["setting"], second["to"]) == ("initialization", "normal")
    lines = finding_lines(experiment, found, 100)
    assert lines[0] == ("NumPy: b is 4.40 ± 0.00 points lower than a (as trained: 4.00)")
    assert lines[1] == f"  learning rate   0.1 → 0.5        4.20 ± 0.00  {'█' * 30}"
    short = finding_lines(experiment, found, 44, blocks=False)
    assert short[2] == f"  learning rate   4.20 ± 0.00  {'#' * 13}"
    narrow = finding_lines(experiment, found, 32, blocks=False)
    assert not any("#" in row or "█" in row for row in narrow)
    # PyTorch's gap has another sign than that of the runs: the short round is not enough.
    assert not experiment.is_enough(found)
    assert Experiment(side(A), side(B, "b")).is_enough(found)


def test_what_works_against_the_gap_lies_left_of_zero(tmp_path: Path) -> None:
    experiment = Experiment(
        side(replace(A, only="numpy")), side(replace(B, only="numpy"), "b"), seeds=2
    )
    points: dict[str, dict[EngineName, float]] = {
        "learning_rate": {"numpy": 3.0}, "initialization": {"numpy": -1.0},
    }  # fmt: skip
    path = trained(tmp_path, experiment, 10, points)
    found = experiment.finding(GroupReader(path).read(), 10)
    lines = finding_lines(experiment, found, 80, blocks=False)
    assert lines[1].endswith("  3.00 ± 0.00         ######################")
    assert lines[2].endswith("  -1.00 ± 0.00  #######")
    assert "-1.0 ± 0.0: initialization" in lines[-1]
    for columns in range(40, 120):
        rows = finding_lines(experiment, found, columns, blocks=False)
        assert max(map(len, rows)) <= columns


def test_an_engine_that_diverged_counts_as_guessing(tmp_path: Path) -> None:
    experiment = Experiment(
        side(replace(A, only="numpy")), side(replace(A, only="numpy", learning_rate=9.0), "b"),
        seeds=2, epochs=2,
    )  # fmt: skip
    path, _ = experiment.place(tmp_path)
    group = experiment.joined(None, 2)
    store_group(path, group)
    for trial in group.trials:
        if trial.config.learning_rate == 0.1:
            train_trial(path, trial, {"numpy": 0.9})
        else:
            folder = train_trial(path, trial, {"numpy": 0.5}, ended="diverged")
            result = (folder / "result.json").read_text()
            (folder / "result.json").write_text(result.replace("0.5", "null"))
    found = experiment.finding(GroupReader(path).read(), 2)
    assert found.attributions["numpy"].gap.mean == pytest.approx(-0.8)
    assert len(found.diverged) == 2
    said = finding_lines(experiment, found, 80)
    assert said[-1].startswith(
        "diverged, which counts as guessing: learning-rate=9,epochs=2,seed=0"
    )


def test_the_time_is_that_of_both_runs(tmp_path: Path) -> None:
    for name, pace in (("a", 1.0), ("b", 3.0)):
        run = create(tmp_path, name, replace(A if name == "a" else B, data="digits"))
        log = MetricsLog(run.path / METRICS_NAME)
        for epoch in (1, 2, 3):
            # One epoch of a busy minute.
            seconds = pace * epoch + (60 if epoch == 3 else 0)
            log.append(*(replace(line(e, epoch), seconds=seconds) for e in ("numpy", "torch")))
    one, other = read_side(tmp_path, "a"), read_side(tmp_path, "b")
    assert dict(one.pace) == {"numpy": 1.0, "torch": 1.0}
    experiment = Experiment(one, other)
    trials = experiment.trials(experiment.joined(None, 10), 10)
    each = START_SECONDS + 10 * 2.0
    assert experiment.seconds(trials, 2, 2) == pytest.approx(PROCESS_SECONDS + 12 * each / 2)
    # Two engines on one core take turns.
    turns = START_SECONDS + 10 * 4.0
    assert experiment.seconds(trials, 1, 1) == pytest.approx(PROCESS_SECONDS + 12 * turns)
    assert experiment.seconds([], 1, 1) == 0
    settings, networks = Rounds(experiment, tmp_path).plan_lines(2, 1)
    assert settings == "2 settings differ: learning rate, initialization"
    assert networks.startswith("4 networks x 3 seeds, 2 at a time, 1 core each; 10 epochs: about 4")
    assert "; 50 epochs where that is not clear: 20 min more" in networks
    (tmp_path / "b" / RATES_NAME).write_text("{}\n")
    changed = Experiment(one, read_side(tmp_path, "b"))
    (_, said, _) = Rounds(changed, tmp_path).plan_lines(2, 1)
    assert said == "the learning rate of b was set while it trained; the networks keep 0.5"


NET = NetworkFile("net.py", "ab" * 32)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (side(A), side(replace(A, seed=9), "b"), "b: has all settings of a"),
        (side(A), side(replace(B, network=NET), "b"), "b: trains a network of your own"),
        (
            side(A), side(B, "b", parent=ParentEpoch("a", 2, 20)), "b: a branch, whose first",
        ),
        (
            side(A), side(B, "b", dataset=replace(DIGITS, name="mnist", sha256="cd" * 32)),
            r"b: trained on mnist \(cdcdcdcd\), a on digits \(abababab\)",
        ),
        (
            side(replace(A, only="numpy")), side(replace(B, only="torch"), "b"),
            "b: trains only torch, a only numpy",
        ),
    ],
)  # fmt: skip
def test_what_has_no_hybrids_is_refused_in_one_line(one: Side, other: Side, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        checked_differences(one, other)
    assert "\n" not in str(caught.value)


def test_a_sweep_of_one_setting_is_a_side_and_one_of_several_is_not(tmp_path: Path) -> None:
    group = group_of({}, seeds=2)
    path = make_group(tmp_path, "many", group)
    with pytest.raises(InputError, match="many: a sweep without a trial"):
        read_side(tmp_path, "many")
    for trial, share in zip(group.trials, (0.8, 0.9), strict=True):
        train_trial(path, trial, {"numpy": share, "torch": share})
    found = read_side(tmp_path, "many")
    assert found.accuracy["torch"] == pytest.approx(0.85)
    assert found.config.hidden == CONFIG.hidden
    assert read_side(tmp_path, "many/seed=1").name == "many/seed=1"
    make_group(tmp_path, "lr", group_of({"learning_rate": (0.1, 0.3)}))
    with pytest.raises(InputError, match="lr: a sweep of 2 settings; name one of its trials"):
        read_side(tmp_path, "lr")
    with pytest.raises(InputError, match="not found"):
        read_side(tmp_path, "nothing")
