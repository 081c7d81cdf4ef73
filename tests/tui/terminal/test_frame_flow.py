"""Over a link no frame follows another before the terminal has drawn that one."""

from threading import Timer
from time import monotonic

import pytest

from mlpwatch.tui.terminal import frame_flow
from mlpwatch.tui.terminal.frame_flow import (
    DEAF_SECONDS,
    FIRST_ANSWER_SECONDS,
    FIRST_LOOK_SECONDS,
    KEY_FRAMES,
    KEY_SECONDS,
    QUESTION,
    TRIES,
    FrameFlow,
)


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def flow(clock: Clock) -> FrameFlow:
    return FrameFlow(clock)


@pytest.fixture
def paced(flow: FrameFlow) -> FrameFlow:
    """One whose terminal has answered its first question."""
    assert flow.sent() == QUESTION
    assert not flow.answered(), "nothing was held"
    return flow


def frames(flow: FrameFlow, most: int) -> int:
    """Send as many frames as may go, up to some number."""
    count = 0
    while count < most and flow.may_send():
        flow.sent()
        count += 1
    return count


def test_a_terminal_that_never_answers_gets_every_frame_and_few_questions(
    flow: FrameFlow, clock: Clock
) -> None:
    asked = []
    for _ in range(100):
        assert flow.may_send()
        asked.append(flow.sent())
        flow.typed()
        clock.now += DEAF_SECONDS
    assert asked == [QUESTION] * TRIES + [""] * (100 - TRIES)
    assert flow.reminder() == ""


def test_each_frame_waits_for_the_answer_to_the_one_before(paced: FrameFlow) -> None:
    for _ in range(3):
        assert frames(paced, 9) == 1
        assert paced.answered(), "one was held"
    assert not paced.answered(), "none is held any more"


def test_a_terminal_that_falls_silent_gets_no_frame_however_long(
    paced: FrameFlow, clock: Clock
) -> None:
    assert frames(paced, 9) == 1
    for _ in range(1_000):
        clock.now += 3.6
        assert not paced.may_send()


def test_a_key_is_answered_at_once_but_not_without_end(paced: FrameFlow, clock: Clock) -> None:
    assert frames(paced, 9) == 1
    paced.typed()
    assert frames(paced, 9) == KEY_FRAMES - 1
    paced.answered()
    assert frames(paced, 9) == 1, "as many as have been drawn"
    clock.now += KEY_SECONDS
    for _ in range(KEY_FRAMES - 1):
        paced.answered()
        assert not paced.may_send(), "one after another again"
    paced.answered()
    assert frames(paced, 9) == 1


def test_reminders_grow_rare_and_the_first_answer_settles_all(
    paced: FrameFlow, clock: Clock
) -> None:
    paced.typed()
    assert frames(paced, 9) == KEY_FRAMES
    start, at = clock.now, []
    for _ in range(620):
        clock.now += 0.1
        if not paced.may_send() and paced.reminder():
            at.append(round(clock.now - start))
    assert at == [round(FIRST_LOOK_SECONDS * factor) for factor in (1, 2, 4, 8, 16)]
    assert paced.answered()
    assert frames(paced, 9) == 1
    assert paced.reminder() == "", "the count begins anew"


def test_nobody_is_reminded_while_nothing_is_held(paced: FrameFlow, clock: Clock) -> None:
    frames(paced, 1)
    clock.now += 3_600
    assert paced.reminder() == ""


def test_one_that_sends_keys_but_no_answer_has_become_one_that_never_answers(
    paced: FrameFlow, clock: Clock
) -> None:
    frames(paced, 9)
    clock.now += 60
    paced.typed()
    clock.now += DEAF_SECONDS - 0.1
    frames(paced, 9)
    assert not paced.may_send()
    clock.now += 0.1
    assert frames(paced, 99) == 99
    assert not paced.answered()
    assert frames(paced, 9) == 1, "it has answered again"


def test_keys_with_answers_between_are_no_sign_of_deafness(paced: FrameFlow, clock: Clock) -> None:
    for _ in range(100):
        frames(paced, 9)
        paced.typed()
        clock.now += 1.0
        paced.answered()
    frames(paced, 9)
    assert not paced.may_send()


def test_answers_that_nobody_asked_for_allow_nothing(paced: FrameFlow) -> None:
    for _ in range(5):
        paced.answered()
    assert frames(paced, 9) == 1


def test_leaving_waits_for_the_last_answer_and_asks_no_more(paced: FrameFlow) -> None:
    frames(paced, 9)
    assert paced.last_question() == QUESTION
    answers = [Timer(0.05, paced.answered), Timer(0.1, paced.answered)]
    for answer in answers:
        answer.start()
    assert paced.finish(), "the frame's answer, and that to the last question"
    for answer in answers:
        answer.join()
    assert paced.sent() == paced.reminder() == ""


def test_leaving_waits_two_round_trips_for_a_terminal_that_is_silent(
    paced: FrameFlow, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_flow, "LEAST_LAST_SECONDS", 0.01)
    monkeypatch.setattr(frame_flow, "MOST_LAST_SECONDS", 0.2)
    paced.sent()
    clock.now += 0.05
    paced.answered()
    paced.last_question()
    began = monotonic()
    assert not paced.finish()
    assert monotonic() - began >= 0.1


def test_leaving_does_not_wait_for_one_that_has_not_answered_for_long(
    flow: FrameFlow, clock: Clock
) -> None:
    frames(flow, 9)
    clock.now += FIRST_ANSWER_SECONDS
    assert flow.last_question() == ""
    assert not flow.finish()


def test_leaving_at_once_waits_for_all_that_was_asked(flow: FrameFlow) -> None:
    for _ in range(3):
        flow.sent()
    answers = [Timer(0.05 * n, flow.answered) for n in range(1, 4)]
    for answer in answers:
        answer.start()
    assert flow.finish()
    assert all(not answer.is_alive() for answer in answers[:2])
    for answer in answers:
        answer.join()


def test_late_answers_to_the_first_questions_do_not_shorten_the_last_wait(
    flow: FrameFlow, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        flow.sent()
        clock.now += 0.1
    clock.now += 1.0
    flow.answered()
    flow.sent()
    flow.answered()
    waits: list[float] = []

    def wait_for(_done: object, seconds: float) -> bool:
        waits.append(seconds)
        return True

    monkeypatch.setattr(flow._changed, "wait_for", wait_for)
    flow.last_question()
    flow.finish()
    assert waits == [pytest.approx(2.6)]
