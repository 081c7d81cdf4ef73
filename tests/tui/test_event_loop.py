"""The screen's event loop: who gets the interpreter, and for how long."""

import asyncio
import sys
from collections.abc import Iterator
from time import monotonic

import pytest

from core.interpreter import SHARED_SECONDS, UNSHARED_SECONDS
from tests.e2e.terminal import wait_until
from tests.tui.scenes import training
from tests.tui.stage import NEVER_FPS, on_stage
from tui.event_loop import ANSWER_SECONDS, ScreenLoop, answer_soon


@pytest.fixture(autouse=True)
def interval_as_before() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


SHARED, UNSHARED = pytest.approx(SHARED_SECONDS), pytest.approx(UNSHARED_SECONDS)


def test_trainers_share_the_interpreter_unless_a_key_is_answered() -> None:
    async def answer() -> list[float]:
        await asyncio.sleep(0)
        found = [sys.getswitchinterval()]
        answer_soon()
        found.append(sys.getswitchinterval())
        # While the loop waits for this thread, and has nothing to do, it sees the other interval.
        await asyncio.to_thread(wait_until, lambda: sys.getswitchinterval() == SHARED)
        return found

    with asyncio.Runner(loop_factory=ScreenLoop) as runner:
        assert runner.run(answer()) == [SHARED, UNSHARED]


def test_an_answer_keeps_the_interpreter_through_waits_until_its_time_is_over() -> None:
    async def answer() -> bool:
        answer_soon()
        start = monotonic()
        await asyncio.sleep(0)
        is_early = monotonic() - start < ANSWER_SECONDS
        early = sys.getswitchinterval() == UNSHARED
        await asyncio.sleep(ANSWER_SECONDS)
        assert sys.getswitchinterval() == SHARED
        return early or not is_early

    with asyncio.Runner(loop_factory=ScreenLoop) as runner:
        assert runner.run(answer())


async def test_another_loop_is_left_as_it_is() -> None:
    sys.setswitchinterval(0.002)
    answer_soon()
    assert sys.getswitchinterval() == pytest.approx(0.002)


async def test_the_app_answers_keys_first_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    answered: list[str] = []
    monkeypatch.setattr("tui.app.answer_soon", lambda: answered.append("a key"))
    async with on_stage(training(), fps=NEVER_FPS) as stage:
        stage.app.update_screen(numbers=True)
        await stage.pilot.pause()
        assert answered == []
        await stage.press("l")
        assert answered
