"""Answers to the questions after frames stay with the driver, and none is left for the shell."""

import asyncio
from collections.abc import Callable
from threading import Timer

import pytest
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.events import CursorPosition
from textual.message import Message

from mlpwatch.tui.terminal import driver as driver_module
from mlpwatch.tui.terminal import frame_flow
from mlpwatch.tui.terminal.driver import TerminalDriver

ANSWER = CursorPosition(0, 0)


class NoteApp(App[None]):
    """Notes what it is asked to do later."""

    def __init__(self) -> None:
        super().__init__()
        self.later: list[Callable[..., object]] = []

    def call_later(self, callback: Callable[..., object], *_: object, **__: object) -> bool:
        self.later.append(callback)
        return True

    def catch_up(self) -> None:
        raise AssertionError("only the app's own thread may draw")


class Desk:
    """A driver without a terminal, and what it passes on."""

    def __init__(self, *, paced: bool) -> None:
        self.app = NoteApp()
        self.driver = TerminalDriver(self.app, size=(80, 24))
        self.driver._is_paced, self.driver.input_tty = paced, True
        self.passed_on: list[Message] = []
        self.is_answered: bool | None = None


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Desk]:
    def made(*, paced: bool = True) -> Desk:
        desk = Desk(paced=paced)

        def finish(driver: TerminalDriver) -> None:
            desk.is_answered = driver.flow is None or not driver.flow._owed

        monkeypatch.setattr(LinuxDriver, "start_application_mode", lambda _: None)
        monkeypatch.setattr(LinuxDriver, "stop_application_mode", finish)
        monkeypatch.setattr(
            LinuxDriver, "process_message", lambda _, message: desk.passed_on.append(message)
        )
        return desk

    return made


async def test_answers_are_not_passed_on_and_everything_else_is(
    desk: Callable[..., Desk],
) -> None:
    for paced in (True, False):
        one, message = desk(paced=paced), Message()
        one.driver.start_application_mode()
        one.driver.process_message(ANSWER)
        one.driver.process_message(message)
        assert one.passed_on == [message]


async def test_an_answer_lets_a_held_frame_go_in_the_apps_own_thread(
    desk: Callable[..., Desk],
) -> None:
    one = desk()
    one.driver.start_application_mode()
    one.driver.process_message(ANSWER)
    assert one.app.later == []
    assert one.driver.flow
    one.driver.flow.sent()
    assert not one.driver.flow.may_send()
    one.driver.process_message(ANSWER)
    assert one.app.later == [one.app.catch_up]


async def test_the_terminal_is_given_back_after_the_last_answer(
    desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_flow, "LEAST_LAST_SECONDS", 30.0)
    monkeypatch.setattr(frame_flow, "MOST_LAST_SECONDS", 30.0)
    monkeypatch.setattr(driver_module, "is_hung_up", lambda _: False)
    one = desk()
    written: list[str] = []
    monkeypatch.setattr(one.driver, "write", written.append)
    one.driver.start_application_mode()
    assert one.driver.flow
    one.driver.flow.sent()
    one.driver.process_message(ANSWER)
    one.driver.flow.sent()
    answers = [Timer(0.05 * n, one.driver.process_message, [ANSWER]) for n in (1, 2)]
    for answer in answers:
        answer.start()
    one.driver.stop_application_mode()
    assert one.is_answered
    if written[-1] == "\x1b[23;0t":  # the title, where this terminal has one
        written.pop()
    assert written[-1] == "\x1b[6n", "behind what switches the reports off"
    assert "\x1b[?1003l" in "".join(written[:-1])
    for answer in answers:
        answer.join()


async def test_only_a_terminal_behind_a_link_is_asked(desk: Callable[..., Desk]) -> None:
    local, piped = desk(paced=False), desk()
    piped.driver.input_tty = False
    for one in (local, piped):
        one.driver.start_application_mode()
        assert one.driver.flow is None


def test_the_screen_goes_to_stdout_and_leaves_stderr_to_errors(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def draw() -> None:
        driver: Driver = TerminalDriver(App[None](), size=(80, 24))
        driver.write("frame")
        driver.close()

    asyncio.run(draw())
    assert capfd.readouterr() == ("frame", "")
