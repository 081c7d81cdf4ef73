"""The learning rate changes while it trains: from the next batch, and again in a resumed run."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.errors import ConfigError
from mlpwatch.core.events import Event, Paused, RateChanged, StepDone
from mlpwatch.core.runs.checkpoints import Checkpoint, Position, read_checkpoint, write_checkpoint
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.branching import branched_session
from mlpwatch.core.training.control import Control, ControlGroup
from mlpwatch.core.training.launch import new_session, resumed_session
from mlpwatch.core.training.rates import append_rates, rate_in_force, read_rates
from tests.support.samples.engines import assert_same_bits
from tests.support.samples.training import Training

NAMES: tuple[EngineName, ...] = ("numpy", "torch")

SETTINGS: dict[str, Any] = {"optimizer": "momentum", "schedule": "linear", "learning_rate": 0.1}
"""18 steps on the tiny data set: η falls from 0.1 by 1/180 a step."""


def order(control: Control, rate: float) -> None:
    control._group.set_learning_rate(rate, [control])


def trained(
    name: EngineName,
    orders: dict[int, float],
    *,
    stop: int = 0,
    save: int = 0,
    start: Checkpoint | None = None,
    changes: tuple[RateChanged, ...] = (),
    **settings: Any,  # noqa: ANN401
) -> Training:
    """Train with orders given in a step, counted from the start of this part: the next obeys."""
    training = Training(name, start=start, changes=changes, **SETTINGS | settings)

    def before(step: int) -> None:
        if step in orders:
            order(training.control, orders[step])
        if step == save:
            training.control.save()
        if step == stop:
            training.control.stop()

    training.engine.before_step = before
    training.run()
    return training


@pytest.mark.parametrize("name", NAMES)
def test_a_change_holds_from_the_next_batch_on_and_scales_the_schedule(name: EngineName) -> None:
    usual = Training(name, **SETTINGS)
    usual.run()
    training = trained(name, {5: 0.2, 9: 0.025})
    scales = [1.0] * 5 + [2.0] * 4 + [0.25] * 9
    wanted = [scale * rate for scale, rate in zip(scales, usual.engine.rates, strict=True)]
    assert training.engine.rates == pytest.approx(wanted, rel=1e-15)
    changes = training.of(RateChanged)
    assert [(one.engine, one.step, one.learning_rate) for one in changes] == [
        (name, 5, 0.2),
        (name, 9, 0.025),
    ]
    assert training.recorder.changes == changes, "for the resume"
    # The log of events has the steps before the change before it.
    seen = [one.step for one in training.of(StepDone, RateChanged)]
    assert all(one <= other for one, other in pairwise(seen))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("after", [3, 5, 8, 12])
def test_a_run_resumed_before_or_after_a_change_ends_with_the_same_bits(
    name: EngineName, after: int
) -> None:
    """Also one that has lost the changes before its checkpoint: the checkpoint has the rate."""
    orders = {5: 0.2, 8: 0.05}
    whole = trained(name, orders)
    changes = tuple(whole.recorder.changes)
    checkpoint = trained(name, orders, stop=after).recorder.saves[-1]
    assert checkpoint.position.step == after
    for known in (changes, tuple(one for one in changes if one.step >= after)):
        resumed = trained(name, {}, start=checkpoint, changes=known)
        assert resumed.engine.rates == whole.engine.rates[after:]
        assert_same_bits(resumed.engine.state().weights, whole.engine.state().weights)
        assert_same_bits(resumed.engine.state().slots, whole.engine.state().slots)
        assert resumed.recorder.changes == [], "they are in the file already"
        again = [(one.step, one.learning_rate) for one in resumed.of(RateChanged)]
        assert again == [(one.step, one.learning_rate) for one in changes if one.step > after]


def test_a_new_change_in_a_resumed_run_takes_the_place_of_the_later_ones() -> None:
    changes = tuple(trained("numpy", {5: 0.2, 12: 0.05}).recorder.changes)
    checkpoint = trained("numpy", {}, stop=3).recorder.saves[-1]
    resumed = trained("numpy", {5: 0.4}, start=checkpoint, changes=changes)
    made = [(one.step, one.learning_rate) for one in resumed.of(RateChanged)]
    assert made == [(5, 0.2), (8, 0.4)]


def test_a_change_while_paused_holds_from_the_step_that_is_taken_next() -> None:
    training = Training("numpy", **SETTINGS)

    def pause(step: int) -> None:
        if step == 4:
            order(training.control, 0.3)
            training.control.pause()

    training.engine.before_step = pause

    def change_and_resume(event: Event) -> None:
        if isinstance(event, Paused):
            order(training.control, 0.2)
            training.control.resume()

    training.mailbox.on_event = change_and_resume
    training.run()
    assert [(one.step, one.learning_rate) for one in training.of(RateChanged)] == [
        (4, 0.3),
        (4, 0.2),
    ]
    assert training.engine.rates[4] == pytest.approx(0.2 * (1 - 4 / 18))


def test_in_lockstep_both_change_at_the_same_step() -> None:
    group = ControlGroup()
    fast, slow = Control(group=group), Control(group=group)
    group.set_lockstep(True)
    for control in (fast, slow):
        assert control.take(0) == "threads"
        assert control.take(0) == "run"
    # The fast one has done a step and waits; the slow one is in its batch.
    assert fast.take(1) == "hold"
    group.set_learning_rate(0.2, [fast, slow])
    assert fast.take(1) == "rate"
    assert slow.take(1) == "rate"
    # The fast one is in its batch, and the slow one has not begun it.
    assert fast.take(1) == "run"
    group.set_learning_rate(0.4, [fast, slow])
    assert slow.take(1) == "run"
    assert fast.take(2) == "rate"
    assert slow.take(2) == "rate"
    assert [control.learning_rate for control in (fast, slow)] == [0.4, 0.4]


def test_both_engines_of_a_session_in_lockstep_change_at_the_same_step(tmp_path: Path) -> None:
    config = RunConfig(data="digits", hidden=(8,), epochs=8, threads=2)
    session = new_session(config, tmp_path, "demo", lambda _text: None)
    session.set_lockstep(True)
    session.start()
    rate = session.learning_rate("numpy")
    while not session.join(0.02):
        rate = 0.05 if rate > 0.1 else 0.2
        session.set_learning_rate(rate)
        assert session.learning_rate("torch") == rate, "as ordered last"
    session.run.release()
    changes = read_rates(session.run.path)
    # Of several orders for one step the last one holds.
    by_hand, autograd = ({one.step: one.learning_rate for one in changes[name]} for name in NAMES)
    end = min(max(by_hand), max(autograd))
    assert end > 1
    assert {n: rate for n, rate in by_hand.items() if n < end} == {
        n: rate for n, rate in autograd.items() if n < end
    }
    logged = [one for one in session.run.events.read() if isinstance(one, RateChanged)]
    assert {name: [(o.step, o.learning_rate) for o in logged if o.engine == name] for name in NAMES}


@pytest.mark.parametrize("rate", [0.0, -0.1, float("nan"), float("inf"), 1e31, 1e-31])
def test_a_rate_out_of_range_is_refused_in_one_line(tmp_path: Path, rate: float) -> None:
    config = RunConfig(data="digits", hidden=(8,), epochs=1)
    session = new_session(config, tmp_path, "demo", lambda _text: None)
    with pytest.raises(ConfigError, match=r"expected a number from 1e-30 to 1e\+30, like 0.05"):
        session.set_learning_rate(rate)
    session.run.release()


def change(step: int, rate: float, engine: EngineName = "numpy") -> RateChanged:
    return RateChanged(engine, step, step / 8, rate, 0.1)


def test_the_file_drops_what_a_resumed_run_has_changed_in_another_way(tmp_path: Path) -> None:
    lines = [change(10, 0.2), change(20, 0.4), change(30, 0.8), change(25, 1.0, "torch")]
    append_rates(tmp_path, lines)
    append_rates(tmp_path, [change(15, 0.1)])
    with (tmp_path / "rates.jsonl").open("ab") as file:
        file.write(
            b'{"engine":"numpy","step":16,"seconds":1,"before":1,"learning_rate":-1}\n\xff\n{"engine":'
        )
    assert read_rates(tmp_path) == {
        "numpy": [change(10, 0.2), change(15, 0.1)],
        "torch": [change(25, 1.0, "torch")],
    }
    append_rates(tmp_path, [change(17, 0.3)])
    assert read_rates(tmp_path)["numpy"][-1] == change(17, 0.3), "the torn end is cut off"


def test_a_checkpoint_is_believed_except_at_its_own_step() -> None:
    changes = [change(10, 0.2), change(20, 0.4)]
    assert rate_in_force(changes, Position(step=5)) is None
    assert rate_in_force(changes, Position(step=15)) == 0.2, "of an older mlpwatch"
    assert rate_in_force(changes, Position(step=15, learning_rate=0.7)) == 0.7
    assert rate_in_force(changes, Position(step=20, learning_rate=0.7)) == 0.4
    assert rate_in_force([], Position(step=20, learning_rate=0.7)) == 0.7


def test_a_checkpoint_has_the_rate_in_force_only_if_it_was_changed(tmp_path: Path) -> None:
    checkpoint = trained("numpy", {5: 0.2}, stop=9).recorder.saves[-1]
    assert checkpoint.position.learning_rate == 0.2
    write_checkpoint(tmp_path / "t", checkpoint, seed=0)
    assert read_checkpoint(tmp_path / "t").position == checkpoint.position
    assert trained("numpy", {}, stop=9).recorder.saves[-1].position.learning_rate is None


def test_a_branch_without_a_change_changes_the_rate_at_the_same_steps_as_its_parent(
    tmp_path: Path,
) -> None:
    config = RunConfig(data="digits", only="numpy", hidden=(8,), epochs=8, threads=1)
    begun = new_session(config, tmp_path, "parent", lambda _text: None)
    steps = begun.epoch_steps
    changes = [
        RateChanged("numpy", step, 0.1, rate, 0.3)
        for step, rate in ((steps, 0.1), (3 * steps + 2, 0.4), (5 * steps, 0.2))
    ]
    append_rates(begun.run.path, changes)
    begun.run.release()
    run = Run.open(tmp_path, "parent")
    whole = resumed_session(run, run.config, lambda _text: None)
    whole.start()
    assert whole.join(30.0)
    run.release()
    branch = branched_session(
        run, 4, run.config, saved=tmp_path, name=None, report=lambda _text: None
    )
    branch.start()
    assert branch.join(30.0)
    branch.run.release()
    assert read_rates(branch.run.path)["numpy"] == changes
    logged = [one for one in branch.run.events.read() if isinstance(one, RateChanged)]
    assert [one.step for one in logged] == [one.step for one in changes]
    ends = [one.read_latest("numpy") for one in (run, branch.run)]
    first, other = (end.checkpoint for end in ends if end is not None)
    assert_same_bits(first.state.weights, other.state.weights)
    assert first.position.learning_rate == other.position.learning_rate == 0.2
