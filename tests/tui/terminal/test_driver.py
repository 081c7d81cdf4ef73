"""Answers to the questions after frames stay with the driver, and none is left for the shell."""

import asyncio
import sys
from io import StringIO
from threading import Timer
from typing import Any, cast

import pytest
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.events import CursorPosition
from textual.message import Message

from mlpwatch.tui.terminal import driver as patient_driver
from mlpwatch.tui.terminal.driver import patient
from mlpwatch.tui.terminal.frame_flow import FrameFlow

ANSWER = CursorPosition(0, 0)


class NoteApp:
    """Notes what it is asked to do later."""

    def __init__(self) -> None:
        self.later: list[object] = []

    def call_later(self, call: object) -> None:
        self.later.append(call)

    def catch_up(self) -> None:
        raise AssertionError("only the app's own thread may draw")


class PlainDriver:
    """Notes what reaches it."""

    input_tty = True
    flow: FrameFlow | None

    def __init__(self) -> None:
        self._app = NoteApp()
        self.passed_on: list[Message] = []
        self.is_answered: bool | None = None

    def start_application_mode(self) -> None:
        pass

    def stop_application_mode(self) -> None:
        self.is_answered = self.flow is None or self.flow.finish(0.0)

    def process_message(self, message: Message) -> None:
        self.passed_on.append(message)


def built(*, paced: bool) -> PlainDriver:
    kind: type[Any] = patient(cast(type[Driver], PlainDriver), paced=paced)
    driver: PlainDriver = kind()
    return driver


def started(*, paced: bool = True) -> PlainDriver:
    driver = built(paced=paced)
    driver.start_application_mode()
    return driver


def test_answers_are_not_passed_on_and_everything_else_is() -> None:
    for driver in (started(), started(paced=False)):
        message = Message()
        driver.process_message(ANSWER)
        driver.process_message(message)
        assert driver.passed_on == [message]


def test_an_answer_lets_a_held_frame_go_in_the_apps_own_thread() -> None:
    driver = started()
    driver.process_message(ANSWER)
    assert driver._app.later == []
    assert driver.flow
    driver.flow.sent()
    assert not driver.flow.may_send()
    driver.process_message(ANSWER)
    assert driver._app.later == [driver._app.catch_up]


def test_the_terminal_is_given_back_after_the_last_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient_driver, "LAST_ANSWER_SECONDS", 30.0)
    driver = started()
    driver.process_message(ANSWER)
    assert driver.flow
    driver.flow.sent()
    answer = Timer(0.05, driver.process_message, [ANSWER])
    answer.start()
    driver.stop_application_mode()
    assert driver.is_answered
    answer.join()


def test_only_a_terminal_behind_a_link_is_asked() -> None:
    assert started(paced=False).flow is None
    piped = built(paced=True)
    piped.input_tty = False
    piped.start_application_mode()
    assert piped.flow is None, "nobody could answer"


def test_the_screen_goes_to_stdout_and_leaves_stderr_to_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, err = StringIO(), StringIO()
    monkeypatch.setattr(sys, "__stdout__", out)
    monkeypatch.setattr(sys, "__stderr__", err)

    async def draw() -> None:
        kind: type[Any] = patient(LinuxDriver, paced=False)
        driver = kind(App[None](), size=(80, 24))
        driver.write("frame")
        driver.output.close()

    asyncio.run(draw())
    assert (out.getvalue(), err.getvalue()) == ("frame", "")
