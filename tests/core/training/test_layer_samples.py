"""A few steps of each epoch are measured, the same in every run, and their means recorded."""

import math
from itertools import pairwise
from unittest.mock import patch

import numpy as np
import pytest

from mlpwatch.core.analysis.features import HiddenUnits
from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.epochs import LayerRecord
from mlpwatch.core.events import LayersMeasured, Paused
from mlpwatch.core.network.step_norms import LayerNorms
from mlpwatch.core.training.layer_samples import (
    FIRST_EPOCHS,
    FREE_SECONDS,
    MOST_SAMPLES,
    STEPS_PER_SAMPLE,
    LayerSampler,
    MeasurementPace,
    is_sampled,
    layers_of,
    sampled_batches,
    with_units,
)
from tests.support.samples.engines import assert_same_bits
from tests.support.samples.training import Training


@pytest.mark.parametrize("steps", [1, 2, 23, 128, 550, 860, 60_000])
def test_samples_are_few_and_evenly_spaced(steps: int) -> None:
    batches = sampled_batches(steps)
    assert 1 <= len(batches) <= min(MOST_SAMPLES, max(1, steps // STEPS_PER_SAMPLE))
    assert all(0 <= batch < steps for batch in batches)
    gaps = {b - a for a, b in pairwise(batches)}
    assert not gaps or max(gaps) - min(gaps) <= 1
    assert abs(batches[0] - (steps - 1 - batches[-1])) <= 1, "as far from the start as from the end"


@pytest.mark.parametrize("steps", [1, 6, 23, 100, 127, 128, 500])
def test_of_short_epochs_one_in_some_has_samples_after_the_first_ones(steps: int) -> None:
    sampled = [epoch for epoch in range(1_000) if is_sampled(epoch, steps)]
    assert sampled[:FIRST_EPOCHS] == list(range(FIRST_EPOCHS))
    gaps = {(b - a) * steps for a, b in pairwise(sampled[FIRST_EPOCHS:])}
    assert min(gaps) >= STEPS_PER_SAMPLE
    assert max(gaps) < STEPS_PER_SAMPLE + steps


@pytest.mark.parametrize("cost", [1e-5, 3e-4, 0.004, 0.5])
def test_measurements_never_cost_more_than_their_share(cost: float) -> None:
    """Whatever one costs: asked at each of 20,000 steps of a run that was resumed after 7 s."""
    pace, taken = MeasurementPace(0.005), 0
    for step in range(20_000):
        seconds = step * 0.001
        if pace.allows(7.0 + seconds):
            pace.spent += cost
            taken += 1
        assert pace.spent <= max(FREE_SECONDS, 0.005 * seconds) + cost + 1e-12
    assert taken >= 0.9 * 0.005 * 20 / cost, "and not much less"


def test_a_step_that_is_costly_to_measure_makes_the_next_ones_wait() -> None:
    clock = iter([0.0, 0.010, 0.016])  # first step, 11th step, after it: 6 ms, others take 1 ms
    sampler = LayerSampler(20)
    with patch("mlpwatch.core.training.layer_samples.thread_time", lambda: next(clock)):
        due = [sampler.is_due(0, batch, 0.001 * batch) for batch in range(11)]
        assert due == [False] * 10 + [True]
        sampler.add((LayerNorms(1.0, 2.0, 0.5),))
    assert sampler.pace.spent == pytest.approx(0.005)
    sampler.take()
    assert not sampler.is_due(1, 10, 0.990)
    assert sampler.is_due(2, 10, 1.010), "5 ms are 0.5 % of a second"


def test_an_epoch_has_the_means_of_its_samples() -> None:
    sampler = LayerSampler(23)
    assert [batch for batch in range(23) if sampler.is_due(0, batch, 0.0)] == [11, 22]
    sampler.add((LayerNorms(1.0, 2.0, 0.5), LayerNorms(3.0, 1.0, 0.1)))
    assert not sampler.is_due(0, 22, 0.0), "the last batch is measured only if nothing else was"
    sampler.add((LayerNorms(2.0, 1.0, 0.75), LayerNorms(1.0, 1.0, 0.3)))
    first, second = sampler.take()
    assert (first.gradient_norm, first.update_ratio) == (1.5, 0.5)
    assert second.gradient_norm == 2.0
    assert second.update_ratio == pytest.approx(0.2)
    assert sampler.take() == ()


def test_numbers_keep_the_digits_of_float32() -> None:
    (layer,) = layers_of([LayerNorms(1.23456789, 1.0, math.inf)])
    assert layer.gradient_norm == 1.23457
    assert layer.update_ratio == math.inf


def test_the_output_layer_has_no_hidden_units() -> None:
    layers = (LayerRecord(1.0, 0.1), LayerRecord(2.0, 0.2))
    known, output = with_units(layers, [HiddenUnits(0.25, True)])
    assert known == LayerRecord(1.0, 0.1, 0.25, True)
    assert output is layers[1]


@pytest.mark.parametrize("name", ENGINE_NAMES)
def test_every_epoch_records_its_layers_and_no_weight_differs(
    name: EngineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpwatch.core.training.layer_samples.FREE_SECONDS", 60.0)
    training = Training(name, hidden=(5, 4))
    training.run()
    first, *events = training.of(LayersMeasured)
    assert first.step == 1
    assert [event.step for event in events] == [4, 10, 16], "the middle of 6 steps"
    for line, event in zip(training.recorder.lines, events, strict=True):
        assert len(line.layers) == 3
        assert [one.gradient_norm for one in line.layers] == [
            one.gradient_norm for one in event.layers
        ]
        assert all(0 <= one.flat_share <= 1 for one in line.layers[:2])
        assert math.isnan(line.layers[2].flat_share)
    plain = Training(name, hidden=(5, 4))
    with patch.object(LayerSampler, "is_due", lambda *_: False):
        plain.run()
    assert [event.step for event in plain.of(LayersMeasured)] == [1]
    assert_same_bits(training.engine.weights(), plain.engine.weights())


def test_a_single_step_is_measured_but_not_averaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlpwatch.core.training.layer_samples.FREE_SECONDS", 60.0)
    training = Training(epochs=1)
    training.control.pause()
    seen = []

    def after(event: object) -> None:
        if isinstance(event, LayersMeasured):
            seen.append(event.step)
            if event.step < 3:
                training.control.step()
            else:
                training.control.resume()
        elif isinstance(event, Paused) and event.step == 0:
            training.control.step()

    training.mailbox.on_event = after
    training.run()
    assert seen == [1, 2, 3, 4]
    (line,) = training.recorder.lines
    sample = training.of(LayersMeasured)[-1]
    assert line.layers[0].gradient_norm == sample.layers[0].gradient_norm


def test_an_epoch_that_is_resumed_after_its_samples_measures_its_last_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlpwatch.core.training.layer_samples.FREE_SECONDS", 60.0)
    first = Training(epochs=1)
    first.engine.before_step = lambda step: first.control.stop() if step == 5 else None
    first.run()
    second = Training(epochs=1, start=first.recorder.saves[-1])
    second.run()
    assert [event.step for event in second.of(LayersMeasured)] == [6]
    assert len(second.recorder.lines[0].layers) == 2
    assert np.isfinite(second.recorder.lines[0].layers[0].gradient_norm)
