"""A run of another machine as the screens see it: what they need comes when they ask."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import mlpwatch
from mlpwatch.core.config import RunConfig
from mlpwatch.core.events import CheckpointEvaluated, EpochDone, Event, Notice, RunEnded
from mlpwatch.core.relay.far_run import FarLoopSource, FarRun, FarRunFollower
from mlpwatch.core.relay.link import Link
from mlpwatch.core.run_source import RunSource
from mlpwatch.core.runs.manifest import read_manifest
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.launch import new_session
from tests.support.far_machine import address, reach_as_box
from tests.support.waiting import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Link]]:
    reach_as_box(tmp_path, monkeypatch)
    links: list[Link] = []

    def make(run: str) -> Link:
        links.append(Link(address(run)))
        links[-1].connect()
        links[-1].start()
        assert links[-1].mirror.wait_until_whole(DEADLINE_SECONDS)
        return links[-1]

    yield make
    for one in links:
        one.close()


def until(source: RunSource, kind: type[Event]) -> Event:
    """Return the first event of a kind that comes."""
    found: list[Event] = []

    def has_come() -> bool:
        found.extend(one for one in source.mailbox.drain().events if isinstance(one, kind))
        return bool(found)

    wait_until(has_come)
    return found[0]


def test_weights_and_past_epochs_come_when_they_are_asked_for(
    tmp_path: Path, linked: Callable[[str], Link]
) -> None:
    config = RunConfig(data="digits", hidden=(8,), epochs=2, threads=1, only="numpy")
    session = new_session(config, tmp_path / "saved", "demo", lambda _text: None)
    session.start()
    assert session.join(DEADLINE_SECONDS)
    session.run.release()
    original = Run.open(tmp_path / "saved", "demo")
    link, second = linked("demo"), linked("demo")
    run = FarRun(link.mirror.path, read_manifest(link.mirror.path), link)
    follower = FarRunFollower(run, link)
    past = follower.past_events()
    assert [one.epoch for one in past if isinstance(one, EpochDone)] == [1, 2]
    assert any(isinstance(one, RunEnded) for one in past)
    assert not list(link.mirror.path.glob("*.safetensors")), "nobody has asked"
    follower.start()
    follower.stop()
    notice = until(follower, Notice)
    assert isinstance(notice, Notice)
    assert notice.text.endswith("on box, mlpwatch resume demo continues it")
    wait_until(lambda: follower.dataset.train_count)
    images = follower.dataset.test_images[:5]
    answer = follower.predict("numpy", images).result(DEADLINE_SECONDS)
    assert answer.probabilities.shape == (5, 10)
    assert isinstance(until(follower, CheckpointEvaluated), CheckpointEvaluated)
    assert follower.evaluate_test()["numpy"].accuracy > 0
    assert run.history.kept() == original.history.kept()
    (there, here) = (one.read_past("numpy", 1).state.weights for one in (original, run))
    for one, other in zip(there, here, strict=True):
        np.testing.assert_array_equal(one, other)
    # Two people may look at one run.
    name = "metrics.jsonl"
    assert (second.mirror.path / name).read_bytes() == (original.path / name).read_bytes()
    follower.leave()
    assert follower.join(DEADLINE_SECONDS)
    assert not link.mirror.path.exists()


def test_a_watched_loop_of_another_machine_has_its_mistakes(
    tmp_path: Path, linked: Callable[[str], Link]
) -> None:
    labels, shares = np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]], np.float32)
    images = np.zeros((2, 3, 3), np.uint8)
    with mlpwatch.watch("loop", saved=tmp_path / "saved", epochs=1, steps_per_epoch=3) as run:
        for loss in run.steps([3.0, 2.0, 1.0]):
            run.log(loss=loss)
        run.epoch(val_loss=0.5, labels=labels, probabilities=shares, images=images)
    source = FarLoopSource(linked(""))
    assert (source.run.name, source.run.host) == ("box:loop", "box")
    assert any(isinstance(one, RunEnded) for one in source.past_events())
    source.start()
    source.ask_for_weights()
    found = until(source, CheckpointEvaluated)
    assert isinstance(found, CheckpointEvaluated)
    assert found.validation.accuracy == 0.5
    source.leave()
    assert source.join(DEADLINE_SECONDS)
