"""An engine is read between two batches by the thread that trains it, or after the end."""

from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from threading import current_thread

import numpy as np
import pytest

from mlpwatch.core.data.dataset import Dataset, load_dataset
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.training.control import Control
from tests.core.training.test_session import CONFIG, finish, hooked_session, left_alone
from tests.support.samples.training import SECONDS


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits", CONFIG.seed, CONFIG.pixel_range)


def updates(engine: Engine) -> int:
    return engine.state().updates


def asked_thread(_engine: Engine) -> str:
    return current_thread().name


def test_calls_come_before_the_next_order_and_in_turn() -> None:
    control, made = Control(), list[int]()
    control.take()
    assert control.take() == "run"
    for number in range(3):
        assert control.call(lambda number=number: made.append(number))  # type: ignore[misc]
    assert made == []
    assert control.take() == "run"
    assert made == [0, 1, 2]


def test_a_call_made_from_a_call_is_not_forgotten() -> None:
    control, made = Control(), list[str]()

    def first() -> None:
        control.call(lambda: made.append("second"))

    control.call(first)
    control.take()
    assert made == ["second"]


def test_a_closed_control_makes_what_is_left_and_takes_no_more() -> None:
    control, made = Control(), list[int]()
    control.call(lambda: made.append(1))
    control.close()
    assert made == [1]
    assert not control.call(lambda: made.append(2))
    assert made == [1]


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_the_training_thread_answers_while_paused_and_after_each_step(
    tmp_path: Path, digits: Dataset, name: str
) -> None:
    session, _ = hooked_session(tmp_path, digits, replace(CONFIG, only=name))  # type: ignore[arg-type]
    with left_alone(session):
        session.pause()
        session.start()
        engine = session.config.engine_names[0]
        assert session.ask(engine, updates).result(SECONDS) == 0
        assert session.ask(engine, asked_thread).result(SECONDS) == f"train-{name}"
        session.step()
        session.step()
        # Orders are taken in the order that a control gives them: steps last.
        while session.ask(engine, updates).result(SECONDS) < 2:
            pass
        assert session.ask(engine, updates).result(SECONDS) == 2


def test_questions_do_not_change_what_is_learned(tmp_path: Path, digits: Dataset) -> None:
    config = replace(CONFIG, only="numpy")
    quiet, quiet_engines = hooked_session(tmp_path / "quiet", digits, config)
    quiet.start()
    finish(quiet)
    asked, asked_engines = hooked_session(tmp_path / "asked", digits, config)
    asked.start()
    answers = 0
    while not asked.ended:
        asked.ask("numpy", lambda engine: engine.logits(digits.test_images[:1])).result(SECONDS)
        answers += 1
    finish(asked)
    assert answers > 1
    theirs, own = asked_engines["numpy"].state().weights, quiet_engines["numpy"].state().weights
    for tensor, array in own.items():
        np.testing.assert_array_equal(theirs[tensor], array)


def test_an_ended_run_answers_with_its_last_weights(tmp_path: Path, digits: Dataset) -> None:
    session, engines = hooked_session(tmp_path, digits, replace(CONFIG, only="numpy"))
    session.start()
    finish(session)
    logits = session.ask("numpy", lambda engine: engine.logits(digits.test_images)).result(SECONDS)
    np.testing.assert_array_equal(logits, engines["numpy"].logits(digits.test_images))


def test_a_question_that_fails_is_the_askers_affair(tmp_path: Path, digits: Dataset) -> None:
    session, _ = hooked_session(tmp_path, digits, replace(CONFIG, only="numpy"))
    with left_alone(session):
        session.pause()
        session.start()
        failed = session.ask("numpy", lambda _engine: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            failed.result(SECONDS)
        session.resume()
        assert session.join(SECONDS)
    assert session.results["numpy"].reason == "finished"


def test_a_question_taken_back_is_not_asked(tmp_path: Path, digits: Dataset) -> None:
    session, _ = hooked_session(tmp_path, digits, replace(CONFIG, only="numpy"))
    asked = Flag()
    answer = session.ask("numpy", lambda _engine: asked.set())
    assert answer.cancel()
    session.start()
    finish(session)
    assert not asked.is_set()
