"""A run of any length: what its epochs leave on the screen's side is bounded and evenly spread."""

import math
from itertools import pairwise

import numpy as np

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.events import EpochDone, GapMeasured
from mlpwatch.tui.dashboard.crosshair import gap_at
from mlpwatch.tui.state.epoch_curves import MOST_EPOCHS, NEWEST_EPOCHS, is_kept
from mlpwatch.tui.state.run_state import RunState
from tests.support.samples.scenes import epoch_read

STEPS = 20
LONG = 5_000
BEHIND = 3_000
"""The slower engine has done fewer."""


def epoch(engine: EngineName, number: int) -> EpochDone:
    counts = np.full((2, 2), number, np.int64)
    return epoch_read(engine, number, epoch_steps=STEPS, accuracy=number / LONG, confusion=counts)


def long_run() -> RunState:
    state = RunState(100_000, STEPS, ENGINE_NAMES)
    for number in range(1, LONG + 1):
        state.apply(epoch("numpy", number))
        if number <= BEHIND:
            state.apply(epoch("torch", number))
            state.apply(GapMeasured("torch", number, number * STEPS, 1e-7, (1e-7,), 1e-9))
        assert len(state.engines["numpy"].epochs) <= MOST_EPOCHS
    return state


def test_a_long_run_keeps_the_newest_epochs_and_evenly_spread_older_ones() -> None:
    state = long_run()
    for engine, done in zip(state.engines.values(), (LONG, BEHIND), strict=True):
        kept = [point.epoch for point in engine.epochs]
        assert engine.epochs_done == done
        assert kept[-NEWEST_EPOCHS:] == list(range(done - NEWEST_EPOCHS + 1, done + 1))
        strides = {after - before for before, after in pairwise(kept[: -2 * NEWEST_EPOCHS])}
        assert len(strides) == 1
        assert sorted(engine.matrices) == kept
        assert all(counts[0, 0] == number for number, counts in engine.matrices.items())
    both = set(state.engines["numpy"].matrices) & set(state.engines["torch"].matrices)
    assert len(both) > MOST_EPOCHS // 8, "matrices of the same epoch can be compared"
    assert len(state.gaps) <= MOST_EPOCHS


def test_any_step_of_a_long_run_has_an_epoch_near_it() -> None:
    state = long_run()
    for step in range(20 * STEPS, BEHIND * STEPS, 977):
        found, gap = state.engines["torch"].last_epoch(step), gap_at(state, step)
        assert found is not None
        assert gap is not None
        for number in (found.epoch, gap.epoch):
            assert 0 <= step / STEPS - number < 2 * BEHIND / (MOST_EPOCHS / 2)


def test_the_curves_of_a_long_run_hold_every_epoch() -> None:
    curves = long_run().engines["numpy"].epochs_by_step
    assert curves.validation_accuracy.count == LONG


def test_what_was_dropped_is_not_wanted_later() -> None:
    for newest in range(MOST_EPOCHS, 20_000, 997):
        later = newest + 997
        again = [n for n in range(1, newest + 1) if is_kept(n, later) and not is_kept(n, newest)]
        assert again == []
        count = sum(is_kept(n, newest) for n in range(1, newest + 1))
        assert count <= MOST_EPOCHS
        assert math.isclose(count, MOST_EPOCHS / 2, rel_tol=0.6)
