"""What a frame costs after a million steps, against one after a thousand.

Run through `python -m tests.bench.screen --parts frame`. The state is fed directly, in an app
without a terminal; a frame takes in the steps of a quarter of a second and draws them.
"""

import asyncio
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from statistics import median
from time import thread_time

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.events import EpochDone, Event, StepDone
from mlpwatch.tui.state.run_state import RunState
from tests.bench.verdicts import Row, say
from tests.support.samples.scenes import FakeSession, epoch_done, gap, loss_at
from tests.support.stage import Stage, on_stage

FEW, MANY = 1_000, 1_000_000
"""Steps that each model has done."""

FRAME_STEPS = 600
"""Of each model between two frames: 2,400 steps a second at 4 frames."""

FRAMES = 40

STEP_SECONDS = 1 / 2_400

STEPS_PER_EPOCH = 844
"""MNIST with the recipe twin: 54,000 images in batches of 64."""


def frame_rows(rounds: int) -> list[Row]:
    """Draw frames of a short and of a long run in turn; return the milliseconds and the ratio."""
    costs = asyncio.run(_costs(rounds))
    ratios = [many / few for few, many in zip(costs[FEW], costs[MANY], strict=True)]
    return [
        Row("frame after 1,000 steps, ms of CPU", costs[FEW]),
        Row("frame after 1,000,000 steps, ms of CPU", costs[MANY]),
        Row("frame after 1,000,000 / after 1,000", ratios, most=1.2),
    ]


async def _costs(rounds: int) -> dict[int, list[float]]:
    states = {done: _fed_state(done) for done in (FEW, MANY)}
    costs: dict[int, list[float]] = {FEW: [], MANY: []}
    for _ in range(rounds):
        for done, state in states.items():
            async with on_stage(session=_session()) as stage:
                stage.app.runs.top.state = deepcopy(state)
                await stage.look()
                await _frame_cost(stage)  # fills caches
                costs[done].append(await _frame_cost(stage))
    return costs


def _fed_state(done: int) -> RunState:
    session = _session()
    state = RunState(session.config.epochs, session.epoch_steps, session.config.engine_names)
    began = thread_time()
    state.apply_all(_events(0, done))
    say(f"{done:,} steps of each model fed in {thread_time() - began:.1f} s of CPU")
    return state


def _session() -> FakeSession:
    session = FakeSession()
    session.config = replace(session.config, epochs=MANY * 2 // STEPS_PER_EPOCH)
    session.epoch_steps = STEPS_PER_EPOCH
    return session


async def _frame_cost(stage: Stage) -> float:
    """Return the milliseconds of this thread's CPU time that one frame takes, their median.

    A mean of 40 frames swings by a fifth with the collections of garbage that fall among them,
    and with what else has used the core's caches.
    """
    step = stage.state.engines["numpy"].step
    spent = []
    for _ in range(FRAMES):
        events = list(_events(step, step + FRAME_STEPS))
        step += FRAME_STEPS
        began = thread_time()
        stage.state.apply_all(events)
        await stage.look()
        spent.append(thread_time() - began)
    return 1_000 * median(spent)


def _events(first: int, last: int) -> Iterator[Event]:
    for step in range(first + 1, last + 1):
        for name in ENGINE_NAMES:
            seconds = step * STEP_SECONDS
            yield StepDone(name, step, seconds, loss_at(name, step))
            if step % STEPS_PER_EPOCH == 0:
                yield _epoch(name, step // STEPS_PER_EPOCH, step, seconds)
        if step % STEPS_PER_EPOCH == 0:
            yield replace(gap(1), epoch=step // STEPS_PER_EPOCH, step=step)


def _epoch(name: EngineName, epoch: int, step: int, seconds: float) -> EpochDone:
    """Return an epoch's end with one of twelve evaluations, so that cells change."""
    done = epoch_done(name, epoch % 12 + 1)
    record = replace(done.record, epoch=epoch, step=step, seconds=seconds)
    return EpochDone(record, done.validation)
