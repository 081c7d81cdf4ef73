"""A run folder read as a session: ended, killed, damaged, live, resumed."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest

from mlpwatch.core.config import ENGINE_NAMES, EngineName, RunConfig
from mlpwatch.core.errors import DataError
from mlpwatch.core.events import (
    CheckpointEvaluated,
    EpochDone,
    Event,
    LogRewritten,
    Notice,
    Paused,
    Resumed,
    RunEnded,
    StepGroup,
)
from mlpwatch.core.remote.follower import BURST, RunFollower
from mlpwatch.core.remote.protocol import Status
from mlpwatch.core.runs.layout import EVENTS_NAME
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.launch import new_session, resumed_session
from mlpwatch.tui.state.run_state import RunState
from tests.support.samples.run_samples import old_confusion_line

CONFIG = RunConfig(data="digits", hidden=(8,), epochs=3, threads=2)
SECONDS = 60.0


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    """A run that has ended, and what its session told."""
    saved = tmp_path_factory.mktemp("saved")
    session = new_session(CONFIG, saved, "demo", lambda _text: None)
    session.start()
    assert session.join(SECONDS)
    session.run.release()
    return saved, list(session.mailbox.drain().events)


@pytest.fixture
def saved(finished: tuple[Path, list[Event]], tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    shutil.copytree(finished[0], tmp_path / "saved")
    return tmp_path / "saved"


class Watcher:
    """Follows a run and keeps what it tells."""

    def __init__(self, saved: Path, name: str = "demo") -> None:
        self.follower = RunFollower(Run.open(saved, name))
        self.events: list[Event] = []
        self.state = RunState(self.follower.config.epochs, self.follower.epoch_steps, ENGINE_NAMES)
        past = self.follower.past_events()
        self.state.apply_all(past)
        self.events += past
        self.follower.start()

    def until(self, condition: Callable[[], object]) -> None:
        """Take in events until a condition holds."""
        deadline = monotonic() + SECONDS
        while not condition():
            assert monotonic() < deadline, f"not in time; {self.state.message}"
            sleep(0.005)
            events = self.follower.mailbox.drain().events
            self.state.apply_all(events)
            self.events += events

    def of(self, kind: type) -> list[Event]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def watch() -> Iterator[Callable[[Path], Watcher]]:
    watchers: list[Watcher] = []

    def make(saved: Path) -> Watcher:
        watchers.append(Watcher(saved))
        return watchers[-1]

    yield make
    for watcher in watchers:
        watcher.follower.leave()
        assert watcher.follower.join(SECONDS)


def test_an_ended_run_looks_as_it_did_live(
    finished: tuple[Path, list[Event]], watch: Callable[[Path], Watcher]
) -> None:
    saved, events = finished
    live = RunState(CONFIG.epochs, Run.open(saved, "demo").read_metrics()[0].step, ENGINE_NAMES)
    live.apply_all(events)
    watcher = watch(saved)
    watcher.until(lambda: watcher.state.ended and len(watcher.of(CheckpointEvaluated)) == 2)
    for name in ENGINE_NAMES:
        was, now = live.engines[name], watcher.state.engines[name]
        assert (now.phase, now.step, now.seconds, now.parameters) == (
            was.phase, was.step, was.seconds, was.parameters,
        )  # fmt: skip
        np.testing.assert_allclose(now.loss_by_step.points(), was.loss_by_step.points(), rtol=1e-7)
        assert now.epochs == was.epochs
        assert now.test_accuracy == was.test_accuracy > 0.5
        assert now.validation is not None
        assert was.validation is not None
        np.testing.assert_array_equal(now.validation.predictions, was.validation.predictions)
        np.testing.assert_array_equal(now.confusion, was.validation.confusion)
    assert watcher.state.gaps == live.gaps
    assert watcher.follower.images_missing == ""
    assert watcher.follower.dataset.train_count > 1000
    assert watcher.follower.evaluate_test()["numpy"].accuracy == pytest.approx(
        live.engines["numpy"].test_accuracy
    )
    image = watcher.follower.dataset.validation_images[:1]
    logits = watcher.follower.ask("torch", lambda engine: engine.logits(image)).result(SECONDS)
    assert logits.shape == (1, 10)
    assert set(watcher.follower.compare_gradients().engines) == set(ENGINE_NAMES)


def test_a_run_whose_process_is_gone_is_never_alive(
    saved: Path, watch: Callable[[Path], Watcher]
) -> None:
    folder = saved / "demo"
    for path in (folder / "result.json", *folder.glob("*.safetensors*")):
        path.unlink()
    log = folder / EVENTS_NAME
    whole = log.read_bytes().splitlines(True)
    (started,) = (line for line in whole if b'"started"' in line and b'"torch"' in line)
    # PyTorch's had ended once, and went on.
    kept = [line for line in whole if b'"ended"' not in line or b'"torch"' in line]
    log.write_bytes(b"".join([*kept, started]))
    watcher = watch(saved)
    watcher.until(lambda: watcher.state.ended)
    assert not watcher.follower.is_live
    assert {engine.phase for engine in watcher.state.engines.values()} == {"stopped"}
    assert "its process is gone; mlpwatch resume demo continues" in watcher.state.message
    # Written anew, without a word of any start or end.
    log.write_bytes(b"".join(line for line in whole if b'"steps"' in line))
    watcher.until(lambda: watcher.of(LogRewritten) and watcher.state.ended)
    watcher.follower.pause()
    watcher.until(lambda: watcher.state.message.startswith("pause"))
    assert "nobody trains this run; mlpwatch resume demo" in watcher.state.message
    waits = "no checkpoint has read the images yet; the next one will"
    watcher.until(lambda: watcher.follower.images_missing == waits)


def test_a_run_of_an_older_mlpwatch_is_shown_by_its_metrics(
    saved: Path, watch: Callable[[Path], Watcher]
) -> None:
    (saved / "demo" / EVENTS_NAME).unlink()
    metrics = saved / "demo" / "metrics.jsonl"
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    metrics.write_text("".join(json.dumps(line | {"confusion": None}) + "\n" for line in lines))
    watcher = watch(saved)
    watcher.until(lambda: watcher.state.ended and len(watcher.of(CheckpointEvaluated)) == 2)
    for engine in watcher.state.engines.values():
        assert (engine.phase, len(engine.epochs)) == ("finished", 3)
        assert engine.step == watcher.state.planned_steps
        assert engine.confusion is not None


def test_without_its_data_a_run_shows_curves_and_says_why(
    saved: Path, watch: Callable[[Path], Watcher]
) -> None:
    card = saved / "demo" / "config.json"
    values = json.loads(card.read_text())
    values["config"]["data"] = str(saved / "gone.npz")
    card.write_text(json.dumps(values))
    watcher = watch(saved)
    watcher.until(lambda: watcher.state.ended and watcher.of(Notice))
    assert len(watcher.state.engines["numpy"].epochs) == 3
    assert watcher.state.engines["numpy"].confusion is not None
    assert watcher.follower.images_missing.startswith("no images: data '")
    with pytest.raises(DataError, match="no images"):
        watcher.follower.compare_gradients()


def test_other_data_than_the_run_was_trained_on_is_refused(
    saved: Path, watch: Callable[[Path], Watcher]
) -> None:
    card = saved / "demo" / "config.json"
    values = json.loads(card.read_text())
    values["dataset"]["sha256"] = "0" * 64
    card.write_text(json.dumps(values))
    watcher = watch(saved)
    watcher.until(lambda: watcher.of(Notice))
    assert "holds other data than this run was trained on" in watcher.follower.images_missing


@pytest.mark.parametrize("name", [EVENTS_NAME, "metrics.jsonl", "confusion.jsonl"])
def test_damaged_logs_are_read_as_far_as_they_are_sound(
    saved: Path, watch: Callable[[Path], Watcher], name: str
) -> None:
    path = saved / "demo" / name
    counts = np.eye(10, dtype=np.int64)
    lines = [old_confusion_line("numpy", epoch, counts) for epoch in range(1, 6)]
    (saved / "demo" / "confusion.jsonl").write_text("".join(lines))
    whole = path.read_bytes().splitlines(True)
    path.write_bytes(b"".join([b"\x00\xff{garbage\n", *whole[:3], b"[]\n", *whole[4:], b'{"to']))
    (saved / "demo" / "torch.safetensors").write_bytes(b"not a checkpoint")
    watcher = watch(saved)
    watcher.until(lambda: watcher.state.ended and watcher.of(CheckpointEvaluated))
    assert watcher.state.engines["numpy"].epochs
    told = f"{name}: 2 damaged lines left out; only what they held is missing"
    watcher.until(lambda: Notice(told, is_bad=True) in watcher.events)
    assert path.read_bytes().count(b"garbage") == 1, "nothing is taken from the file"


def is_read_to_the_end(state: RunState) -> bool:
    return state.ended and all(one.validation_step == one.step for one in state.engines.values())


def test_a_live_run_is_followed_obeys_and_is_followed_again_when_resumed(
    tmp_path: Path, watch: Callable[[Path], Watcher]
) -> None:
    config = replace(CONFIG, epochs=2_000)
    session = new_session(config, tmp_path, "demo", lambda _text: None)
    session.set_steps_per_second(200)
    session.start()
    one, other = watch(tmp_path), watch(tmp_path)
    one.until(lambda: one.of(StepGroup) and one.of(EpochDone))
    assert one.follower.is_live
    one.follower.pause()
    for watcher in (one, other):
        watcher.until(lambda w=watcher: len(w.of(Paused)) == 2)  # type: ignore[misc]
        phases = {engine.phase for engine in watcher.state.engines.values()}
        assert phases == {"paused"}
    assert session.paused("numpy")
    assert other.follower.paused("numpy")
    # The one behind may have waited already when the leader's last step came: it makes it, too.
    one.until(lambda: len({engine.step for engine in one.state.engines.values()}) == 1)
    steps = {name: engine.step for name, engine in one.state.engines.items()}
    one.follower.step()
    one.until(lambda: all(e.step == steps[n] + 1 for n, e in one.state.engines.items()))
    one.follower.set_steps_per_second(100)
    other.until(lambda: other.follower.steps_per_second == 100)
    assert session.steps_per_second == 100
    one.follower.save()
    one.until(lambda: one.state.saved and len(one.of(CheckpointEvaluated)) == 2)
    one.follower.stop()
    other.until(lambda: other.state.ended)
    assert {engine.phase for engine in other.state.engines.values()} == {"stopped"}
    assert session.join(SECONDS)
    session.run.release()
    resumed = resumed_session(Run.open(tmp_path, "demo"), config, lambda _text: None)
    assert any(isinstance(event, StepGroup) for event in resumed.past_events())
    resumed.start()
    other.until(lambda: other.of(LogRewritten) and not other.state.ended)
    other.until(lambda: other.state.engines["torch"].phase == "training")
    resumed.stop()
    assert resumed.join(SECONDS)
    other.until(lambda: is_read_to_the_end(other.state))
    epochs = [event for event in other.events if isinstance(event, EpochDone)]
    assert epochs
    assert all(event.validation is None for event in epochs)
    resumed.run.release()


def test_the_ends_in_the_log_win_over_the_result(
    saved: Path, watch: Callable[[Path], Watcher]
) -> None:
    watcher = watch(saved)
    watcher.until(lambda: watcher.state.ended)
    ends = watcher.of(RunEnded)
    assert len(ends) == 2
    assert all(isinstance(end, RunEnded) and end.reason == "finished" for end in ends)


def test_much_that_comes_at_once_is_told_in_bursts(
    saved: Path, watch: Callable[[Path], Watcher]
) -> None:
    watcher = watch(saved)
    watcher.until(lambda: len(watcher.of(CheckpointEvaluated)) == 2)
    told = len(watcher.of(StepGroup))
    many = [StepGroup("numpy", step, 1, 1.0, 0.5, 0.5, 0.5) for step in range(1, 2 * BURST)]
    Run.open(saved, "demo").events.append(many)
    mailbox = watcher.follower.mailbox
    deadline = monotonic() + SECONDS
    while mailbox.waiting < BURST:
        assert monotonic() < deadline, "not in time"
        sleep(0.005)
    assert mailbox.waiting == BURST, "the rest waits until these are taken"
    watcher.until(lambda: len(watcher.of(StepGroup)) == told + len(many))


class Guarded(frozenset[EngineName]):
    """Notes whether the follower's lock is held while a new set is made of it."""

    held: list[bool]
    follower: RunFollower

    def __or__(self, other: object) -> Any:  # noqa: ANN401
        """Note it."""
        self.held.append(self.follower._lock.locked())
        return super().__or__(other)  # type: ignore[operator]


def test_three_threads_change_the_pauses_under_one_lock(saved: Path) -> None:
    follower = RunFollower(Run.open(saved, "demo"))
    follower.is_live = True
    changes: list[Callable[[], None]] = [
        lambda: follower._note(Paused("numpy", 1)),  # the thread that reads the logs
        lambda: follower._note(Resumed("numpy", 1)),
        follower.pause,  # the screen's
    ]
    for change in changes:
        guarded = Guarded({"torch"})
        guarded.held, guarded.follower = [], follower
        follower._paused = guarded
        change()
        assert guarded.held == [True]
        assert follower.paused("torch")


def test_a_status_corrects_what_was_ordered(saved: Path) -> None:
    follower = RunFollower(Run.open(saved, "demo"))
    follower.is_live = True
    follower.pause()
    assert follower.paused("numpy")
    assert follower.paused("torch")
    follower._on_status(Status(7, ("torch",)))
    assert not follower.paused("numpy")
    assert follower.paused("torch")
    follower.set_lockstep(True)
    assert follower.lockstep, "as ordered, until an answer says otherwise"
