"""Two trainers at work on the bundled digits, in a real run folder."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from threading import enumerate as enumerate_threads
from typing import Any

import numpy as np
import pytest

from mlpwatch.core.config import ENGINE_NAMES, EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset, load_dataset
from mlpwatch.core.events import (
    CheckpointSaved,
    EpochDone,
    Event,
    Paused,
    RunEnded,
    RunStarted,
    StepDone,
)
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.runs.manifest import DatasetInfo
from mlpwatch.core.runs.run import Run
from mlpwatch.core.scheduling import SHARED_SECONDS
from mlpwatch.core.training.launch import new_session, resumed_session
from mlpwatch.core.training.session import Session
from tests.support.samples.engines import assert_same_bits
from tests.support.samples.training import SECONDS, HookedEngine
from tests.support.waiting import wait_until

CONFIG = RunConfig(data="digits", hidden=(16,), epochs=2, threads=2)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits", CONFIG.seed, CONFIG.pixel_range)


def hooked_session(
    folder: Path, dataset: Dataset, config: RunConfig
) -> tuple[Session, dict[EngineName, HookedEngine]]:
    """Build a session whose engines a test can listen to."""
    images, labels = dataset.train_images, dataset.train_labels
    engines = {
        name: HookedEngine(
            build_engine(
                name, config, images, labels, dataset.classes, grey_levels=dataset.grey_levels
            )
        )
        for name in config.engine_names
    }
    card = DatasetInfo(dataset.name, dataset.sha256, dataset.image_shape, dataset.classes)
    given: Mapping[EngineName, Engine] = engines
    return Session(config, dataset, given, Run.create(folder, "run", config, card)), engines


def finish(session: Session) -> list[Event]:
    """Wait for the end and return all events so far."""
    assert session.join(SECONDS)
    return list(session.mailbox.drain().events)


@contextmanager
def left_alone(session: Session) -> Iterator[None]:
    """Stop the session whatever a test does to it."""
    try:
        yield
    finally:
        session.stop()
        session.join(SECONDS)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("float64", 1e-9)])
def test_twins_see_the_same_batches_and_stay_together(
    tmp_path: Path, digits: Dataset, dtype: str, tolerance: float
) -> None:
    session, engines = hooked_session(tmp_path, digits, replace(CONFIG, dtype=dtype))  # type: ignore[arg-type]
    session.start()
    events = finish(session)
    assert session.ended
    batches = [engines[name].batches for name in ENGINE_NAMES]
    assert len(batches[0]) == 2 * session.epoch_steps == len(batches[1])
    for one, other in zip(*batches, strict=True):
        np.testing.assert_array_equal(one, other)
    for kind, count in ((RunStarted, 2), (EpochDone, 4), (RunEnded, 2)):
        assert sum(isinstance(event, kind) for event in events) == count
    # The first one may give way to the last, if the disk is slow.
    saved = [event.step for event in events if isinstance(event, CheckpointSaved) and event.step]
    assert saved == [2 * session.epoch_steps] * 2
    assert {one.thread_counts[0] for one in engines.values()} == {1}
    result = session.result()
    assert 0 <= result["max_weight_difference"] < tolerance
    weights = [engines[name].state().weights for name in ENGINE_NAMES]
    assert result["max_weight_difference"] == max(
        float(np.abs(w - weights[1][tensor]).max()) for tensor, w in weights[0].items()
    )


def test_the_run_folder_holds_the_result_and_both_checkpoints(tmp_path: Path) -> None:
    said: list[str] = []
    session = new_session(CONFIG, tmp_path / "saved", "first", said.append)
    session.start()
    finish(session)
    assert said == ["loading digits", "building the networks"]
    assert session.save_error is None
    result = session.run.read_result()
    assert result == session.result()
    assert result["run"] == str(tmp_path / "saved" / "first")
    assert (result["dataset"], result["recipe"], result["epochs"]) == ("digits", "twin", 2)
    for name, ended in session.results.items():
        latest = session.run.read_latest(name)
        assert latest is not None
        assert ended.weights is not None
        assert latest.checkpoint.position.step == 2 * session.epoch_steps
        assert_same_bits(latest.checkpoint.state.weights, ended.weights)
        assert result["engines"][name]["ended"] == "finished"
        assert ended.test is not None
        assert result["engines"][name]["test_accuracy"] == ended.test.accuracy > 0.7
    epochs = [(line.engine, line.epoch) for line in session.run.read_metrics()]
    assert sorted(epochs) == [(name, epoch) for name in ENGINE_NAMES for epoch in (1, 2)]


@pytest.mark.parametrize(("broken", "survivor"), [("torch", "numpy"), ("numpy", "torch")])
def test_a_failing_engine_leaves_the_other_alone(
    tmp_path: Path, digits: Dataset, broken: EngineName, survivor: EngineName
) -> None:
    session, engines = hooked_session(tmp_path, digits, CONFIG)

    def break_down(step: int) -> None:
        if step == 5:
            raise RuntimeError("a broken engine")

    engines[broken].before_step = break_down
    session.start()
    finish(session)
    assert session.results[survivor].reason == "finished"
    assert session.results[broken].reason == "failed"
    result = session.run.read_result()
    assert result is not None
    assert result["max_weight_difference"] is None
    assert result["engines"][broken]["test_accuracy"] is None
    assert result["engines"][broken]["detail"] == "RuntimeError: a broken engine"
    assert result["engines"][survivor]["test_accuracy"] > 0.7


def test_paused_engines_save_and_step_and_a_stop_ends_them(tmp_path: Path, digits: Dataset) -> None:
    session, engines = hooked_session(tmp_path, digits, CONFIG)
    stepped = {name: Flag() for name in ENGINE_NAMES}
    for name, engine in engines.items():
        engine.before_step = lambda _step, flag=stepped[name]: flag.set()
    session.pause()
    assert all(session.paused(name) for name in ENGINE_NAMES)
    session.step()
    session.save()
    with left_alone(session):
        session.start()
        for name in ENGINE_NAMES:
            assert stepped[name].wait(SECONDS)
        assert not session.join(0)
        session.stop()
        events = finish(session)
    for name in ENGINE_NAMES:
        assert session.results[name].reason == "stopped"
        assert [e.step for e in events if isinstance(e, StepDone) and e.engine == name] == [1]
        saved = [e for e in events if isinstance(e, CheckpointSaved) and e.engine == name]
        assert saved[-1].step == 1
        latest = session.run.read_latest(name)
        assert latest is not None
        assert latest.checkpoint.position.step == 1
    assert session.run.read_result() is None  # written once, when the run is done


def test_one_engine_pauses_while_the_other_finishes(tmp_path: Path, digits: Dataset) -> None:
    session, engines = hooked_session(tmp_path, digits, CONFIG)
    done = Flag()
    engines["numpy"].before_step = lambda step: (
        done.set() if step == 2 * session.epoch_steps else None
    )
    session.pause("torch")
    with left_alone(session):
        session.start()
        assert done.wait(SECONDS)
        assert (session.paused("torch"), session.paused("numpy")) == (True, False)
        assert engines["torch"].batches == []
        session.resume()
        finish(session)
    assert {result.reason for result in session.results.values()} == {"finished"}


def test_both_engines_pause_at_the_end_of_an_epoch(tmp_path: Path, digits: Dataset) -> None:
    session, _engines = hooked_session(tmp_path, digits, replace(CONFIG, epochs=3))
    session.pause_at_epoch(1)
    seen: list[Event] = []
    with left_alone(session):
        session.start()
        for at in (1, 2):
            both = {"numpy": float(at), "torch": float(at)}
            wait_until(partial(_are_paused_at, both, session, seen))
            session.pause_at_epoch(at + 1)
            session.resume()
        finish(session)
    assert {result.reason for result in session.results.values()} == {"finished"}


def _are_paused_at(epochs: dict[str, float], session: Session, seen: list[Event]) -> bool:
    """Whether each engine paused last at the end of this epoch."""
    seen += session.mailbox.drain().events
    return epochs == {e.engine: e.step / session.epoch_steps for e in seen if isinstance(e, Paused)}


def test_weights_after_different_numbers_of_steps_are_not_compared(
    tmp_path: Path, digits: Dataset
) -> None:
    session, engines = hooked_session(tmp_path, digits, CONFIG)
    engines["numpy"].before_step = lambda step: session.stop() if step == 3 else None
    session.pause("torch")
    session.start()
    finish(session)
    steps = [result.position.step for result in session.results.values()]
    assert steps == [3, 0]
    assert session.result()["max_weight_difference"] is None


def test_pytorch_takes_the_cores_that_numpy_leaves(tmp_path: Path, digits: Dataset) -> None:
    session, engines = hooked_session(tmp_path, digits, replace(CONFIG, threads=4))
    all_cores = Flag()
    use = engines["torch"].use_threads

    def listen(threads: int) -> None:
        use(threads)
        if threads == 4:
            all_cores.set()

    engines["torch"].use_threads = listen  # type: ignore[method-assign]
    session.pause("torch")
    assert [session.threads(name) for name in ENGINE_NAMES] == [2, 2]
    with left_alone(session):
        session.start()
        assert all_cores.wait(SECONDS)  # taken even while paused
        assert session.threads("torch") == 4
        assert (list(session.results), session.ended) == (["numpy"], False)
        session.resume("torch")
        finish(session)
    assert engines["torch"].thread_counts == [2, 4]


def test_numpy_comes_out_the_same_whatever_pytorch_does(tmp_path: Path, digits: Dataset) -> None:
    """OpenBLAS rounds differently with other thread counts, so NumPy's must not change."""

    def break_down(step: int) -> None:
        if step == 3:
            raise RuntimeError("a broken engine")

    undisturbed, engines = hooked_session(tmp_path / "undisturbed", digits, CONFIG)
    undisturbed.start()
    finish(undisturbed)
    session, others = hooked_session(tmp_path / "disturbed", digits, CONFIG)
    others["torch"].before_step = break_down
    session.pause("numpy")
    with left_alone(session):
        session.start()
        while "torch" not in session.results:
            session.join(0.01)
        session.resume("numpy")
        finish(session)
    assert others["numpy"].thread_counts == engines["numpy"].thread_counts == [1]
    assert_same_bits(engines["numpy"].state().weights, others["numpy"].state().weights)


def test_trainers_hand_the_interpreter_over_soon(
    tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(sys, "setswitchinterval", asked.append)
    session, _ = hooked_session(tmp_path, digits, replace(CONFIG, only="numpy", epochs=1))
    with left_alone(session):
        session.start()
        finish(session)
    assert asked == [SHARED_SECONDS]


@pytest.mark.parametrize("only", ENGINE_NAMES)
def test_a_single_engine_has_all_cores(tmp_path: Path, digits: Dataset, only: EngineName) -> None:
    session, engines = hooked_session(tmp_path, digits, replace(CONFIG, only=only, epochs=1))
    assert session.threads(only) == 2
    session.start()
    finish(session)
    assert engines[only].thread_counts == [2]
    result = session.result()
    assert list(result["engines"]) == [only]
    assert result["max_weight_difference"] is None


def test_a_stopped_session_resumes_to_the_same_bits(tmp_path: Path, digits: Dataset) -> None:
    # With more threads the survivor of the two adds up in another order once it has them all.
    config = replace(CONFIG, optimizer="momentum", learning_rate=0.05, threads=1)
    whole, engines = hooked_session(tmp_path / "whole", digits, config)
    whole.start()
    finish(whole)
    session, parts = hooked_session(tmp_path / "parts", digits, config)
    for part in parts.values():
        part.before_step = lambda step: session.stop() if step == 7 else None
    session.start()
    finish(session)
    session.run.release()

    run = Run.open(tmp_path / "parts", "run")
    said: list[str] = []
    resumed = resumed_session(run, run.config, said.append)
    resumed.start()
    finish(resumed)
    run.release()
    for name, result in resumed.results.items():
        assert result.reason == "finished"
        assert result.weights is not None
        assert_same_bits(result.weights, engines[name].state().weights)
    losses: dict[str, list[Any]] = {}
    for key, one in (("whole", whole), ("parts", resumed)):
        lines = sorted(one.run.read_metrics(), key=lambda line: (line.engine, line.epoch))
        losses[key] = [(line.engine, line.epoch, line.train_loss) for line in lines]
    assert losses["parts"] == losses["whole"]


def test_a_session_that_is_given_up_before_its_start_leaves_no_thread(
    tmp_path: Path, digits: Dataset
) -> None:
    before = set(enumerate_threads())
    session, _ = hooked_session(tmp_path, digits, CONFIG)
    assert set(enumerate_threads()) == before
    assert session.join(0.0)


def test_two_comparisons_at_once_end_in_the_order_of_their_weights(
    tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, _ = hooked_session(tmp_path, digits, CONFIG)
    begun, may_end, at_once = Flag(), Flag(), list[int]()
    running = 0

    def compare(*_: object) -> None:
        nonlocal running
        running += 1
        at_once.append(running)
        begun.set()
        assert may_end.wait(SECONDS)
        running -= 1

    monkeypatch.setattr("mlpwatch.core.training.session.compare_gradients", compare)
    askers = [Thread(target=session.compare_gradients, daemon=True) for _ in range(4)]
    for asker in askers:
        asker.start()
    assert begun.wait(SECONDS)
    may_end.set()
    for asker in askers:
        asker.join(SECONDS)
    assert at_once == [1, 1, 1, 1]
