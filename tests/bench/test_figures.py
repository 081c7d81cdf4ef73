"""What a benchmark prints follows from what it has measured."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from mlpwatch.core.events import StepDone
from tests.bench import evaluation, together, turns
from tests.bench.our_runs import WARM_UP_EPOCHS, epochs_logged, logged_speeds
from tests.bench.screen_keys import WAIT_SECONDS, Press, answers
from tests.bench.tables import print_table, spread
from tests.bench.verdicts import Row, print_rows, quantile
from tests.support.pty.noted import Chunk, NotedProgram


def test_the_spread_is_half_of_what_lies_between_the_quartiles() -> None:
    # Quartiles 90, 100 and 110 (of n + 1 parts): 10 of 100 to either side.
    assert spread([90, 90, 100, 110, 110]) == "±10%"
    assert spread([3.0, 3.0, 3.0]) == "±0%"


def test_a_ratio_is_the_median_of_the_ratios_within_each_round(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # The machine was ten times slower in the last round: for all of them.
    times = {"NumPy": [1.0, 1.0, 10.0], "PyTorch": [2.0, 2.0, 20.0], "rival": [3.0, 3.0, 30.0]}
    print_table("a table", 600, times)
    title, _, *rows = capsys.readouterr().out.strip().split("\n")
    assert title == "a table, 3 rounds in turn"
    found = {name: (speed, ratios) for name, speed, _, *ratios in map(str.split, rows)}
    assert found == {
        "NumPy": ("600", ["1.00x", "0.50x"]),
        "PyTorch": ("300", ["2.00x", "1.00x"]),
        "rival": ("200", ["3.00x", "1.50x"]),
    }


@pytest.mark.parametrize(
    ("row", "verdict", "target"),
    [
        (Row("fast", [3.0, 1.0, 2.0], least=2.0), "ok", ">= 2"),
        (Row("slow", [3.0, 1.0, 1.9], least=2.0), "MISSED", ">= 2"),
        (Row("small", [3.0, 1.0, 2.0], most=2.0), "ok", "<= 2"),
        (Row("large", [3.0, 1.0, 2.1], most=2.0), "MISSED", "<= 2"),
        (Row("worst", [3.0, 1.0, 1.0], most=2.0, pick=max), "MISSED", "<= 2"),
        (Row("between", [1.5], least=1.0, most=2.0), "ok", ">= 1, <= 2"),
        (Row("told", [1.0]), "", ""),
    ],
    ids=lambda value: value.name if isinstance(value, Row) else "",
)
def test_a_target_is_met_by_what_the_rounds_come_to(row: Row, verdict: str, target: str) -> None:
    assert (row.verdict, row.target) == (verdict, target)


def test_rows_are_printed_with_their_values(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows("keys", [Row("to the answer", [10.0, 40.0, 20.0], "ms", most=15.0), Row("one", [7])])
    _, first, second = capsys.readouterr().out.strip().split("\n")[-3:]
    assert first.split() == [
        "to", "the", "answer", "20", "ms", "±75%", "10", "to", "40", "3", "<=", "15", "MISSED",
    ]  # fmt: skip
    assert second.split() == ["one", "7", "7", "to", "7", "1"]


def test_a_quantile_is_one_of_the_values() -> None:
    assert quantile(0.95)([5.0, 1.0, 4.0, 2.0, 3.0]) == 5.0
    assert quantile(0.5)([5.0, 1.0, 4.0, 2.0, 3.0]) == 3.0
    assert quantile(0.95)(range(100)) == 95


def test_speeds_are_read_from_the_log_after_the_warm_up(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    speeds = {"numpy": 100.0, "torch": 50.0}
    epochs = {"numpy": WARM_UP_EPOCHS + 4, "torch": WARM_UP_EPOCHS + 2}
    lines = [
        # Warming up takes a minute.
        {"engine": name, "step": n * 20, "seconds": (60 if n > 1 else 0) + n * 20 / speed}
        for name, speed in speeds.items()
        for n in range(1, epochs[name] + 1)
    ]
    log = tmp_path / "demo/metrics.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert logged_speeds(tmp_path) == pytest.approx(speeds)
    assert epochs_logged(tmp_path) == epochs["torch"]
    log.write_text(json.dumps(lines[0]) + "\n")
    with pytest.raises(ValueError, match="1 epochs logged; measure for longer"):
        logged_speeds(tmp_path)


def test_training_stands_where_a_step_waits_longer_than_others() -> None:
    per_epoch, seconds = 10, 0.0
    events = []
    for step in range(per_epoch * evaluation.EPOCHS):
        # 0.1 s per step; half a second more at the beginning of each epoch but the first.
        seconds += 0.1 + (0.5 if step and step % per_epoch == 0 else 0)
        events.append(StepDone("numpy", step + 1, seconds, 1.0))
    shares = evaluation.standing_shares([*events])
    assert shares == pytest.approx([0.5] * (evaluation.EPOCHS - 1))


def test_steps_are_counted_against_the_time_that_they_took(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(together, "perf_counter", lambda: clock[0])

    def epoch() -> None:
        clock[0] += 0.25

    assert together.steps_per_second({"numpy": epoch}, 50) == {"numpy": pytest.approx(200.0)}


def test_contenders_take_turns_and_the_first_round_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, order = [0.0], []
    monkeypatch.setattr(turns, "perf_counter", lambda: clock[0])

    def contender(name: str, seconds: list[float]) -> turns.Epoch:
        def epoch() -> None:
            order.append(name)
            clock[0] += seconds.pop(0)

        return epoch

    ours, theirs = contender("ours", [9.0, 1.0, 2.0]), contender("theirs", [8.0, 3.0, 4.0])
    times = turns.time_in_turn({"ours": ours, "theirs": theirs}, 2)
    assert times == {"ours": [1.0, 2.0], "theirs": [3.0, 4.0]}
    assert order == ["ours", "theirs"] * 3


def test_the_answer_to_a_key_is_the_first_change_of_what_it_alone_changes() -> None:
    chunks = [
        Chunk(10.0, b"\x1b[Hcharts"),
        Chunk(10.3, b"\x1b[2Hcurves grow"),
        Chunk(10.4, b"\x1b[Hhelp   "),
        Chunk(30.0, b"\x1b[Hcharts"),
    ]
    program = cast("NotedProgram", SimpleNamespace(chunks=chunks))
    presses = [Press(at, before, b"?", lambda rows: rows[0]) for at, before in ((10.1, 1), (20, 3))]
    assert answers(program, presses) == pytest.approx([300.0, 1_000 * WAIT_SECONDS])
