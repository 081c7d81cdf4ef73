"""The screen's event loop: who gets the interpreter, and for how long."""

import asyncio
import sys
from collections.abc import Iterator
from time import monotonic

import pytest
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key, Resize
from textual.geometry import Size

from mlpwatch.core.scheduling import SHARED_SECONDS, UNSHARED_SECONDS, keep_interpreter
from mlpwatch.tui.terminal.driver import TerminalDriver
from mlpwatch.tui.terminal.event_loop import ANSWER_SECONDS, ScreenLoop, answer_soon
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def interval_as_before() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


SHARED, UNSHARED = pytest.approx(SHARED_SECONDS), pytest.approx(UNSHARED_SECONDS)

heard: list[object] = []


def test_trainers_share_the_interpreter_unless_a_key_is_answered() -> None:
    async def answer() -> list[float]:
        await asyncio.sleep(0)
        found = [sys.getswitchinterval()]
        answer_soon(asyncio.get_running_loop())
        found.append(sys.getswitchinterval())
        # While the loop waits for this thread, and has nothing to do, it sees the other interval.
        await asyncio.to_thread(wait_until, lambda: sys.getswitchinterval() == SHARED)
        return found

    with asyncio.Runner(loop_factory=ScreenLoop) as runner:
        assert runner.run(answer()) == [SHARED, UNSHARED]


def test_an_answer_keeps_the_interpreter_through_waits_until_its_time_is_over() -> None:
    async def answer() -> bool:
        answer_soon(asyncio.get_running_loop())
        start = monotonic()
        await asyncio.sleep(0)
        is_early = monotonic() - start < ANSWER_SECONDS
        early = sys.getswitchinterval() == UNSHARED
        await asyncio.sleep(ANSWER_SECONDS)
        assert sys.getswitchinterval() == SHARED
        return early or not is_early

    with asyncio.Runner(loop_factory=ScreenLoop) as runner:
        assert runner.run(answer())


def test_a_loop_that_waits_gets_the_interpreter_back_before_it_keeps_it() -> None:
    asked: list[float] = []

    def ask(loop: asyncio.AbstractEventLoop) -> None:
        wait_until(lambda: sys.getswitchinterval() == SHARED)
        answer_soon(loop)
        asked.append(sys.getswitchinterval())

    async def wait() -> float:
        keep_interpreter()
        await asyncio.to_thread(ask, asyncio.get_running_loop())
        return sys.getswitchinterval()

    with asyncio.Runner(loop_factory=ScreenLoop) as runner:
        assert runner.run(wait()) == UNSHARED
    assert asked == [SHARED]


async def test_another_loop_is_left_as_it_is() -> None:
    sys.setswitchinterval(0.002)
    answer_soon(asyncio.get_running_loop())
    assert sys.getswitchinterval() == pytest.approx(0.002)


async def test_from_its_arrival_a_key_goes_first_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard.clear()
    monkeypatch.setattr("mlpwatch.tui.terminal.driver.answer_soon", heard.append)
    monkeypatch.setattr(LinuxDriver, "process_message", lambda _, message: heard.append(message))
    size, key = Resize(Size(140, 40), Size(140, 40)), Key("l", "l")
    driver = TerminalDriver(App[None](), size=(140, 40))
    driver.process_message(size)
    driver.process_message(key)
    assert heard == [size, asyncio.get_running_loop(), key]
