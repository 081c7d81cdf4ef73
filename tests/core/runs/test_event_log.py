"""The event log: what it keeps, what it leaves out, what a resume takes from it."""

import math
from dataclasses import asdict
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpwatch.core.events import (
    CheckpointSaved,
    DifferenceFound,
    EpochDone,
    GapMeasured,
    Paused,
    Resumed,
    RunEnded,
    RunStarted,
    SaveFailed,
    StepCompared,
    StepDone,
    StepGroup,
    TensorPair,
)
from mlpwatch.core.runs.event_log import Entry, EventLog, Plan, parse_entry
from mlpwatch.core.runs.event_writer import FRESH_SECONDS, MOST_GROUPS, EventWriter, StepGroups
from mlpwatch.core.runs.layout import EVENTS_NAME
from tests.support.samples.scenes import epoch_done

ENTRIES: list[Entry] = [
    Plan(20, 860),
    RunStarted("numpy", 101_770, 1, 0, 0.0),
    StepGroup("numpy", 9, 9, 0.25, 2.25, 2.0, 2.5),
    GapMeasured("torch", 1, 860, 1e-7, (1e-7, 5e-8), 2e-9),
    StepCompared("numpy", 900, 0.5, 6e-8, 1e-6, 0.75),
    DifferenceFound(
        "numpy",
        901,
        0.5,
        "torch",
        "loss",
        "unknown",
        0.5,
        "why",
        (
            TensorPair("outputs", (1, 2), 0.5, 0.25, 1e-8, passed=False),
            TensorPair("loss", (), 1.0, 2.0, 1e-8, passed=True),
        ),
    ),
    Paused("numpy", 900),
    Resumed("numpy", 900),
    CheckpointSaved("torch", 860, "saved/demo/torch.safetensors"),
    SaveFailed("torch", 870, "saved/demo", "No space left on device"),
    RunEnded("numpy", "finished", "", 17_200, 12.5, 0.125, 0.9625),
]


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return EventLog(tmp_path / EVENTS_NAME)


def steps(first: int, last: int, *, seconds: float = 0.001) -> tuple[StepDone, ...]:
    return tuple(StepDone("numpy", n, n * seconds, float(n)) for n in range(first, last + 1))


def test_it_returns_what_it_was_given(log: EventLog) -> None:
    assert log.read() == []
    log.append(ENTRIES[:3])
    log.append(ENTRIES[3:])
    assert log.read() == ENTRIES
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_a_loss_that_is_not_finite_stays_a_gap(log: EventLog) -> None:
    log.append([StepGroup("torch", 7, 1, 0.5, math.nan, math.nan, math.inf)])
    (entry,) = log.read()
    assert isinstance(entry, StepGroup)
    assert all(math.isnan(number) for number in (entry.loss, entry.low, entry.high))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"kind":"no such"}',
        b'{"kind":"steps","engine":"numpy","step":1,"count":2,"seconds":0,"loss":1,"low":1,"high":1}',
        b'{"kind":"steps","engine":"numpy","step":-1,"count":1,"seconds":0,"loss":1,"low":1,"high":1}',
        b'{"kind":"steps","engine":"jax","step":1,"count":1,"seconds":0,"loss":1,"low":1,"high":1}',
        b'{"kind":"steps","engine":"numpy","step":1,"count":1,"seconds":-1,"loss":1,"low":1,"high":1}',
        b'{"kind":"plan","epochs":0,"epoch_steps":10}',
        b'{"kind":"plan","epochs":1000000000,"epoch_steps":10}',
        b'{"kind":"gap","engine":"torch","epoch":1,"step":1,"weight_difference":0}',
        b'{"kind":"ended","engine":"numpy","reason":"bored","detail":"","step":1,"seconds":1}',
        b'{"kind":["steps"],"engine":"numpy"}',
    ],
)
def test_a_damaged_line_is_left_out(log: EventLog, line: bytes) -> None:
    log.append(ENTRIES[:1])
    with log.path.open("ab") as file:
        file.write(line + b"\n")
    log.append(ENTRIES[1:])
    assert log.read() == ENTRIES


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_raise(raw: bytes) -> None:
    parse_entry(raw)


@given(st.sampled_from(ENTRIES), st.data())
def test_no_change_of_a_line_makes_the_reader_raise(entry: Entry, data: st.DataObject) -> None:
    from mlpwatch.core.files.strict_json import to_json

    raw = bytearray(to_json({"kind": "steps", **asdict(entry)}).encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255))
    parse_entry(bytes(raw))


def test_a_resume_keeps_the_curves_up_to_the_checkpoint(log: EventLog) -> None:
    numpy = [StepGroup("numpy", n, 4, n / 10, 1.0, 1.0, 1.0) for n in (4, 8, 12)]
    torch = [StepGroup("torch", n, 4, n / 10, 1.0, 1.0, 1.0) for n in (4, 8, 12)]
    gaps = [GapMeasured("torch", n, n * 4, 0.0, (0.0,), 0.0) for n in (1, 2, 3)]
    compared = [StepCompared("numpy", n, n / 10, 6e-8, 1e-6, 0.5) for n in (4, 8, 12, 16)]
    log.append([*ENTRIES, *numpy, *torch, *gaps, *compared])
    log.trim({"numpy": (12, 3), "torch": (9, 2)})
    assert log.read() == [
        ENTRIES[2], ENTRIES[3], *numpy, *torch[:2], *gaps[:2], *compared[:3],
    ]  # fmt: skip


def test_a_short_run_keeps_every_step() -> None:
    sums = StepGroups("numpy", Plan(1, MOST_GROUPS))
    assert [one.count for one in sums.add(steps(1, 50))] == [1] * 50


def test_a_long_run_keeps_a_fixed_number_of_sums() -> None:
    planned = 100 * MOST_GROUPS
    sums = StepGroups("numpy", Plan(1, planned))
    made = [
        one for n in range(1, planned, 400) for one in sums.add(steps(n, n + 399, seconds=1e-6))
    ]
    assert len(made) == MOST_GROUPS
    assert {one.count for one in made} == {100}
    assert (made[0].step, made[0].loss, made[0].low, made[0].high) == (100, 50.5, 1.0, 100.0)


def test_what_is_left_is_summed_up_at_the_end_and_the_next_sum_ends_where_it_would_have() -> None:
    sums = StepGroups("numpy", Plan(1, 10 * MOST_GROUPS))
    assert sums.add(steps(1, 7)) == []
    (rest,) = sums.close()
    assert (rest.step, rest.count) == (7, 7)
    assert sums.close() == []
    (full,) = sums.add(steps(8, 12))
    assert (full.step, full.count) == (10, 3)


def test_no_group_reaches_across_the_end_of_an_epoch_or_a_checkpoint(log: EventLog) -> None:
    plan = Plan(10 * MOST_GROUPS, 8)
    writer = EventWriter(log, plan, ["numpy"])
    writer.take(steps(1, 20, seconds=1e-6))
    writer.close_group("numpy")
    writer.take(steps(21, 30, seconds=1e-6))
    writer.flush()
    groups = [entry for entry in log.read() if isinstance(entry, StepGroup)]
    assert [(one.step, one.count) for one in groups] == [(8, 8), (16, 8), (20, 4), (24, 4)]
    assert [one for one in log.read() if one not in groups] == [plan]


def test_a_slow_run_is_told_of_every_second() -> None:
    sums = StepGroups("numpy", Plan(1, 1_000 * MOST_GROUPS))
    made = sums.add(steps(1, 100, seconds=0.1))
    gaps = np.diff([one.seconds for one in made])
    assert len(made) > 8
    assert gaps.max() <= FRESH_SECONDS + 0.2


def test_the_writer_writes_what_a_mailbox_is_given(log: EventLog) -> None:
    writer = EventWriter(log, Plan(12, 20), ["numpy", "torch"])
    writer.take((ENTRIES[1],))  # type: ignore[arg-type]
    writer.take(steps(1, 3))
    writer.take((epoch_done("numpy", 1),))
    writer.take((RunEnded("numpy", "finished", "", 240, 12.0, 0.25, 0.9625),))
    writer.start()
    writer.close()
    plan, started, *sums, ended = log.read()
    assert (plan, started) == (Plan(12, 20), ENTRIES[1])
    assert [one.loss for one in sums if isinstance(one, StepGroup)] == [1.0, 2.0, 3.0]
    assert isinstance(ended, RunEnded)
    assert ended.test_accuracy == 0.9625


def test_what_could_not_be_written_is_written_later(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter(
        [OSError(28, "No space left on device"), OSError(28, "No space left on device")]
    )
    append = log.append

    def sometimes(entries: list[Entry]) -> None:
        if error := next(failures, None):
            raise error
        append(entries)

    monkeypatch.setattr(log, "append", sometimes)
    monkeypatch.setattr("mlpwatch.core.runs.event_writer.WRITE_SECONDS", 0.001)
    writer = EventWriter(log, Plan(1, 3), ["numpy"])
    writer.take(steps(1, 3))
    writer.start()
    deadline = monotonic() + 30
    while not log.path.exists():
        assert monotonic() < deadline
        sleep(0.001)
    writer.close()
    assert len(log.read()) == 4


def test_an_epoch_is_left_to_the_metrics_log(log: EventLog) -> None:
    writer = EventWriter(log, Plan(12, 20), ["numpy"])
    event: EpochDone = epoch_done("numpy", 1)
    writer.take((event,))
    writer.start()
    writer.close()
    assert log.read() == [Plan(12, 20)]
