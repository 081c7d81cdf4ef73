"""The screen's event loop: who gets the interpreter, and for how long."""

import asyncio
import sys
from collections.abc import Iterator

import pytest

from core.interpreter import SHARED_SECONDS, UNSHARED_SECONDS
from tests.e2e.terminal import wait_until
from tui.event_loop import screen_loop


@pytest.fixture(autouse=True)
def interval_as_before() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def test_trainers_share_the_interpreter_while_the_screen_waits_and_leave_it_while_it_works() -> (
    None
):
    async def work() -> list[float]:
        found = [sys.getswitchinterval()]
        # Only while the loop waits for this thread does it see the other interval.
        shared = pytest.approx(SHARED_SECONDS)
        await asyncio.to_thread(wait_until, lambda: sys.getswitchinterval() == shared)
        return [*found, sys.getswitchinterval()]

    with asyncio.Runner(loop_factory=screen_loop) as runner:
        assert runner.run(work()) == pytest.approx([UNSHARED_SECONDS, UNSHARED_SECONDS])
