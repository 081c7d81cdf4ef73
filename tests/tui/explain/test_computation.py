"""What the explanation computes beside the training: one at a time, again after a failure."""

import asyncio
from threading import Event as Flag

import pytest

import mlpwatch.tui.explain.computation
from mlpwatch.tui.explain.computation import Computation


async def test_a_slow_run_never_replaces_the_result_of_a_later_one() -> None:
    computation: Computation[str] = Computation()
    may_end = Flag()

    def slow() -> str:
        may_end.wait(30)
        return "first"

    first = asyncio.create_task(computation.start(1, slow))
    assert not computation.is_due(2), "one at a time"
    await asyncio.sleep(0)
    assert not computation.is_due(2)
    may_end.set()
    await first
    assert computation.result == "first"
    assert not computation.is_due(1)
    assert computation.is_due(2)
    await computation.start(2, lambda: "second")
    assert computation.result == "second"


async def test_it_rests_between_two_runs() -> None:
    computation: Computation[str] = Computation(1000.0)
    await computation.start(1, lambda: "first")
    assert not computation.is_due(2)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (MemoryError(), "out of memory"),
        (RuntimeError("can't allocate"), "can't allocate"),
        (TimeoutError("still loading"), "still loading"),
    ],
)
async def test_a_failure_is_a_line_and_is_tried_again_later(
    error: Exception, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> str:
        raise error

    computation: Computation[str] = Computation()
    await computation.start(1, fails)
    assert (computation.result, computation.fault) == (None, fault)
    assert not computation.is_due(1), "not at once"
    monkeypatch.setattr(mlpwatch.tui.explain.computation, "RETRY_SECONDS", 0.0)
    await computation.start(1, fails)
    assert computation.is_due(1)
    await computation.start(1, lambda: "found")
    assert (computation.result, computation.fault) == ("found", "")
