"""What `--ranks` and a launcher's environment mean, and what they refuse; no process is started."""

from pathlib import Path

import pytest

from mlpwatch.core.cli.ranks import MOST_LOCAL_RANKS
from mlpwatch.core.config import RunConfig
from mlpwatch.core.data.dataset import Dataset, batch_order, dataset_for
from mlpwatch.core.events import RanksMeasured
from mlpwatch.core.runs.event_log import EventLog
from mlpwatch.core.scheduling import available_cores, own_rank
from mlpwatch.core.training.ranks.connection import RankPlan, Start
from mlpwatch.core.training.ranks.follower import rows_from
from mlpwatch.tui.__main__ import main

LAUNCHED = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


@pytest.fixture
def digits() -> Dataset:
    return dataset_for(RunConfig(data="digits"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "--ranks", "0"], f"'0': expected a number of processes from 1 to {1024:,}"),
        (["train", "--ranks", "two"], "'two': expected a number of processes"),
        (["train", "--ranks", "2", "--stop-at-difference"], "compares single steps of one process"),
        (["train", "--ranks", "2", "--device", "mps"], "device 'mps' can't sum over processes"),
    ],
)
def test_what_ranks_can_not_do_is_one_line_and_status_2(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs"], "mlpwatch runs: several processes train only with mlpwatch train or resume"),
        (["train", "--ranks", "3"], "--ranks 3: the launcher has started 2"),
    ],
)
def test_of_several_processes_rank_0_alone_says_what_is_wrong(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in LAUNCHED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RANK", "0")
    assert main(words) == 2
    assert said in capsys.readouterr().err
    monkeypatch.setenv("RANK", "1")
    assert main(words) == 2
    assert capsys.readouterr().err == ""


def test_the_ranks_of_a_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = available_cores()
    assert own_rank() is None
    for name, value in {**LAUNCHED, "RANK": "1", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert own_rank() == 1
    assert available_cores() == max(1, cores // 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(MOST_LOCAL_RANKS))
    assert available_cores() == 1


def test_the_plan_reaches_the_other_ranks_as_it_is() -> None:
    config = RunConfig(data="digits", hidden=(16, 8), optimizer="adam", dropout=0.2)
    plan = RankPlan(config, "abc", {"numpy": Start(3, 7, 67), "torch": Start()})
    assert RankPlan.from_text(plan.to_text().encode()) == plan
    assert RankPlan.from_text(b"") is None


def test_a_rank_goes_on_with_the_rows_of_the_next_step(digits: Dataset) -> None:
    config = RunConfig(data="digits", batch_size=500, epochs=2)
    rows = list(rows_from(config, digits, Start(epoch=0, batch=1)))
    count = digits.train_count
    steps = -(-count // 500)
    assert len(rows) == 2 * steps - 1
    assert rows[0].tolist() == batch_order(config.seed, 0, count)[500:1000].tolist()
    assert rows[steps - 1].tolist() == batch_order(config.seed, 1, count)[:500].tolist()


def test_the_speeds_of_the_ranks_are_kept_for_a_follower(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    measured = RanksMeasured("torch", 9, 0.25, (1000.0, 10.5), (0.5, 0.0))
    log.append([measured])
    assert log.read() == [measured]
    text = log.path.read_text()
    log.path.write_text(text.replace("0.5,", "1.5,") + text.replace("[1000.0,10.5]", "[1]"))
    assert log.read() == []
