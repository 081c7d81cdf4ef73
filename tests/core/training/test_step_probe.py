"""Steps are compared beside the training, which is the same to the bit with and without it."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.events import DifferenceFound, Event, Notice, Paused, RunEnded, StepCompared
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training import step_probe
from mlpwatch.core.training.clocks import FREE_LAST_SECONDS, FREE_SECONDS, ComparisonPace
from mlpwatch.core.training.launch import new_session, resumed_session
from mlpwatch.core.training.session import Session
from tests.support.samples.engines import assert_same_bits
from tests.support.samples.training import SECONDS
from tests.support.samples.user_networks import TORCH_FILE, written
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

Kind = TypeVar("Kind")

CONFIG = RunConfig(data="digits", hidden=(16,), epochs=2, threads=2)
SEED = replace(
    CONFIG, recipe="seed", activation="sigmoid", loss="mse", torch_loss_mean="element",
    learning_rate=0.1, batch_size=10,
)  # fmt: skip


def session_of(config: RunConfig, folder: Path, name: str = "run") -> Session:
    return new_session(config, folder, name, lambda _: None)


def ended(session: Session) -> list[Event]:
    session.start()
    assert session.join(SECONDS)
    return list(session.mailbox.drain().events)


def of(events: Iterable[object], *kinds: type[Kind]) -> list[Kind]:
    return [event for event in events if isinstance(event, kinds)]


@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, optimizer="adam", dropout=0.2)])
def test_training_is_the_same_to_the_bit(config: RunConfig, tmp_path: Path) -> None:
    # With two, PyTorch takes NumPy's thread over when NumPy ends, and its last bits change.
    config = replace(config, threads=1)
    with_probe, without = (session_of(config, tmp_path, name) for name in ("one", "two"))
    without._probe = None
    events = ended(with_probe)
    assert not of(ended(without), StepCompared)
    for name in config.engine_names:
        one, other = (s.results[name].weights for s in (with_probe, without))
        assert one is not None
        assert other is not None
        assert_same_bits(one, other)
    found = of(events, StepCompared)
    steps = [event.step for event in found]
    assert steps[0] == 1
    assert len(steps) > 1
    assert not any(event.is_outside for event in found)
    assert isinstance(of(events, RunEnded, StepCompared)[-1], RunEnded)


def test_comparisons_are_in_the_log_and_a_resumed_run_shows_them(tmp_path: Path) -> None:
    session = session_of(SEED, tmp_path)
    ended(session)
    session.run.release()
    run = Run.open(tmp_path, "run")
    logged = [e for e in run.events.read() if isinstance(e, StepCompared | DifferenceFound)]
    assert len(of(logged, DifferenceFound)) == 1
    longer = resumed_session(run, replace(SEED, epochs=3), lambda _: None)
    past = [e for e in longer.past_events() if isinstance(e, StepCompared | DifferenceFound)]
    assert past == logged
    again = ended(longer)
    assert of(again, StepCompared)[0].step == 2 * longer.epoch_steps + 1


def test_a_difference_pauses_both_where_it_is(tmp_path: Path) -> None:
    session = session_of(SEED, tmp_path)
    session.stop_at_difference(ends=False)
    session.start()
    events: list[Event] = []

    def has_all() -> bool:
        events.extend(session.mailbox.drain().events)
        return len(of(events, Paused)) == 2 and bool(of(events, DifferenceFound))

    wait_until(has_all)
    assert [event.step for event in of(events, Paused)] == [1, 1]
    assert not session.ended
    assert session.stopped_at is None
    session.resume()
    wait_until(lambda: session.join(0.1))
    later = list(session.mailbox.drain().events)
    assert len(of(later, StepCompared)) >= 1, "it goes on, and is compared on"
    assert not of(later, DifferenceFound, Paused)


def test_a_difference_ends_a_run_without_a_screen(tmp_path: Path) -> None:
    session = session_of(SEED, tmp_path)
    session.stop_at_difference(ends=True)
    ended(session)
    assert {result.reason for result in session.results.values()} == {"stopped"}
    assert {result.position.step for result in session.results.values()} == {1}
    assert session.result()["difference"]["code"] == "loss-mean-over-classes"


def test_twins_are_never_stopped(tmp_path: Path) -> None:
    session = session_of(replace(CONFIG, epochs=4), tmp_path)
    session.stop_at_difference(ends=True)
    assert not of(ended(session), DifferenceFound)
    assert {result.reason for result in session.results.values()} == {"finished"}
    assert "difference" not in session.result()


def test_a_single_engine_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    session = session_of(replace(CONFIG, only="numpy"), tmp_path)
    session.stop_at_difference(ends=True)
    assert not of(ended(session), StepCompared)


def test_training_goes_on_when_comparing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **_named: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(step_probe, "compare_step", fail)
    session = session_of(CONFIG, tmp_path)
    session.stop_at_difference(ends=True)
    events = ended(session)
    [notice] = of(events, Notice)
    assert isinstance(notice, Notice)
    assert notice.text.startswith("steps are not compared any more")
    assert notice.is_bad
    assert {result.reason for result in session.results.values()} == {"finished"}


def test_a_run_stops_though_the_cause_can_not_be_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **_named: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(step_probe, "find_difference", fail)
    session = session_of(SEED, tmp_path)
    session.stop_at_difference(ends=True)
    ended(session)
    assert session.stopped_at is not None
    assert session.stopped_at.code == "unknown"
    assert "no room" in session.stopped_at.text


def test_after_a_slow_comparison_the_next_one_waits_a_hundred_times_as_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = count()
    monkeypatch.setattr(step_probe, "thread_time", lambda: float(next(seconds)))
    session = session_of(replace(CONFIG, epochs=20), tmp_path)
    steps = [event.step for event in of(ended(session), StepCompared)]
    assert steps in ([1], [1, session.epoch_steps]), "the next is due after some minutes"


STEPS_OF = {"784-50-10": (8e-5, 600), "784-128-10": (2e-4, 860), "784-512-256-10": (3e-3, 430)}
"""Seconds of a step, and steps of an epoch."""


@pytest.mark.parametrize("cost", [5e-4, 3e-3, 3e-2])
@pytest.mark.parametrize("shape", STEPS_OF)
def test_comparisons_cost_less_than_a_hundredth_of_any_longer_run(shape: str, cost: float) -> None:
    step_seconds, epoch_steps = STEPS_OF[shape]
    pace, seconds, spent, taken, ends = ComparisonPace(), 100.0, 0.0, 0, 0
    began, paid_at = seconds, None
    for step in range(1, int(40 / step_seconds)):
        is_last = step % epoch_steps == 0
        if paid_at is not None and seconds >= paid_at:
            pace.pay(cost, paid_at - cost)
            paid_at = None
        if seconds >= pace.due_at or (is_last and pace.wants_last(seconds)):
            pace.take(seconds, is_last=is_last)
            spent, taken, ends = spent + cost, taken + 1, ends + is_last
            if paid_at is not None:
                pace.pay(cost, seconds)
            paid_at = seconds + cost
        seconds += step_seconds
        trained = seconds - began
        if trained > max(100 * cost, 100 * FREE_LAST_SECONDS):
            assert spent < 0.01 * trained, (step, spent)
    assert ends >= 1, "the short batch was compared"
    assert spent > 0.003 * (seconds - began), "and what may be spent is"
    assert taken > 3


@pytest.mark.parametrize("cost", [0.9e-3, 0.1])
def test_a_small_network_is_compared_at_its_first_steps_a_large_one_at_the_first(
    cost: float,
) -> None:
    pace, taken = ComparisonPace(), []
    for step in range(20):
        if 0.01 * step >= pace.due_at:
            taken.append(step)
            pace.take(0.01 * step, is_last=False)
            pace.pay(cost, 0.01 * step)
    assert taken == ([0, 1, 2, 3, 4] if cost * 5 <= FREE_SECONDS else [0])


def with_torch_file(folder: Path, old: str = "", new: str = "") -> RunConfig:
    source = TORCH_FILE.format(features=64).replace("nn.Linear(4, 3)", "nn.Linear(4, 10)")
    assert old in source
    file = written(source.replace(old, new), folder, "model.py")
    return replace(CONFIG, hidden=(4,), activation="tanh", network_torch=file)


def test_a_wrong_torch_file_is_stopped_at_its_first_step(tmp_path: Path) -> None:
    wrong = "\n\ndef loss(outputs, labels):\n    return 2 * F.cross_entropy(outputs, labels)\n"
    wrong = "\n\nfrom torch.nn import functional as F\n" + wrong
    source = "return self.second(torch.tanh(self.first(x)))\n"
    config = with_torch_file(tmp_path, source, source + wrong)
    session = session_of(config, tmp_path)
    session.stop_at_difference(ends=True)
    ended(session)
    found = session.stopped_at
    assert found is not None
    assert (found.engine, found.differs, found.step) == ("torch", "torch", 1)
    assert found.code == "loss-factor-two"
    assert found.factor == pytest.approx(2)


def test_a_right_torch_file_takes_numpys_steps(tmp_path: Path) -> None:
    session = session_of(with_torch_file(tmp_path), tmp_path)
    found = of(ended(session), StepCompared)
    assert len(found) >= 2
    assert {event.engine for event in found} == {"torch"}
    assert not any(event.is_outside for event in found)


def test_dropout_of_a_files_own_is_not_compared_and_said(tmp_path: Path) -> None:
    config = with_torch_file(
        tmp_path, "torch.tanh(self.first(x))", "nn.functional.dropout(torch.tanh(self.first(x)))"
    )
    session = session_of(config, tmp_path)
    session.stop_at_difference(ends=True)
    events = ended(session)
    assert not of(events, StepCompared)
    [notice] = [event for event in of(events, Notice) if "compared" in event.text]
    assert (
        notice.text
        == "steps are not compared: model.py draws random numbers of its own, as for dropout"
    )
