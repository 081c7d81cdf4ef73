"""Each sentence of the conclusion is there exactly where the numbers carry it."""

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.epochs import EpochRecord, Evaluation
from mlpwatch.core.events import DifferenceFound, GapMeasured, RateChanged, RunEnded, StepCompared
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.report.reading import Predictions, RunReading
from mlpwatch.core.report.sentences import conclusion, mcnemar
from mlpwatch.core.runs.manifest import RunManifest
from tests.support.samples.run_samples import DIGITS, NOON

ALIKE = StepCompared("numpy", 1, 0.1, 6e-8, 1e-7, 0.6)
TWIN = from_recipe("twin", epochs=3)


def epoch(engine: EngineName, number: int, train: float, val: float) -> EpochRecord:
    return EpochRecord(engine, number, number, 1.0, train, val, 0.9, 1000.0 * number)


def evaluation(predictions: Sequence[int]) -> Evaluation:
    found = np.array(predictions)
    probabilities = np.eye(10, dtype=np.float32)[found]
    counts = np.zeros((10, 10), np.int64)
    np.add.at(counts, (np.arange(len(found)) % 10, found), 1)
    return Evaluation(0.0, 0.0, counts, probabilities, np.zeros(len(found), np.float32), found)


def predictions(numpy: Sequence[int], torch: Sequence[int]) -> Predictions:
    """Return predictions of images whose true classes are 0 to 9, again and again."""
    labels = np.arange(len(numpy)) % 10
    images = np.zeros((len(numpy), 64), np.float32)
    found: dict[EngineName, Evaluation] = {"numpy": evaluation(numpy), "torch": evaluation(torch)}
    return Predictions("test", images, (8, 8), labels, found)


def run(
    config: RunConfig = TWIN,
    losses: Sequence[tuple[float, float]] = ((1, 1), (0.5, 0.5), (0.2, 0.2)),
) -> RunReading:
    """Return a finished run of both engines with these training and validation losses."""
    names = config.engine_names
    return RunReading(
        path=Path("run"),
        manifest=RunManifest(config, DIGITS, NOON, {}),
        epochs={n: tuple(epoch(n, k, *at) for k, at in enumerate(losses, 1)) for n in names},
        ends={n: RunEnded(n, "finished", "", 3, 1.0, 0.2, 0.9) for n in names},
        is_training=False,
        gaps=(),
        compared=(),
        difference=None,
        rates=(),
        predictions=None,
        notes=(),
    )


def said(reading: RunReading) -> str:
    return " ".join(conclusion(reading))


RIGHT = [k % 10 for k in range(100)]


def test_the_result_is_that_of_the_test_images() -> None:
    assert (
        "Of the test samples, which no training step has seen, NumPy 90.00% and PyTorch "
        in said(run())
    )
    text = said(replace(run(), predictions=predictions(RIGHT, RIGHT)))
    assert "Of the 100 test samples" in text
    assert "Both predict the same class for each of the 100 test samples." in text


def test_before_the_end_only_the_validation_is_named() -> None:
    text = said(replace(run(), ends={}, is_training=True))
    assert "still trains: of 3 epochs NumPy 3 and PyTorch 3 are done. Nothing is final." in text
    assert "Of the validation samples NumPy 90.00% after epoch 3" in text
    assert "test" not in text


@pytest.mark.parametrize("reason", ["diverged", "failed"])
def test_a_bad_end_comes_first(reason: str) -> None:
    end = RunEnded("torch", reason, "the loss is NaN", 3, 1.0)  # type: ignore[arg-type]
    reading = run()
    found = conclusion(replace(reading, ends={**reading.ends, "torch": end}))
    assert found[0] == f"PyTorch {reason} after 3 whole epochs: the loss is NaN."
    assert "PyTorch" not in found[1]


def test_an_early_end_is_named_and_a_whole_run_is_not() -> None:
    longer = run(replace(TWIN, epochs=9))
    assert "NumPy ended after 3 of 9 epochs." in said(longer)
    assert "ended after" not in said(run())
    assert "NumPy has no recorded end: 3 of 3 epochs" in said(replace(run(), ends={}))


def test_which_is_better_only_if_chance_does_not_explain_it() -> None:
    few = predictions([*RIGHT[:98], 0, 0], RIGHT)
    text = said(replace(run(), predictions=few))
    assert "NumPy alone is right on 0, PyTorch alone on 2" in text
    assert (
        "That shows no difference: equally good networks split at least so unevenly in 50%" in text
    )
    assert "better" not in text
    many = predictions([*RIGHT[:80], *[0] * 20], RIGHT)
    text = said(replace(run(), predictions=many))
    assert "PyTorch being better" in text
    assert "in less than 0.1 % of the cases" in text
    assert "no difference" not in text


def test_mcnemar_is_the_binomial_test() -> None:
    from scipy.stats import binomtest

    for one, other in ((0, 2), (12, 11), (3, 20), (5, 5)):
        assert mcnemar(one, other) == pytest.approx(binomtest(one, one + other).pvalue)


def test_worse_than_one_class_for_all() -> None:
    text = said(replace(run(), predictions=predictions([3] * 100, RIGHT)))
    assert "NumPy is no better than naming class 0 every time, which is right for 10.00%" in text
    assert "PyTorch is no better" not in text


def test_equal_steps_and_what_training_made_of_them() -> None:
    same = replace(run(), compared=(ALIKE, ALIKE))
    assert "They compute the same: in all 2 steps" in said(same)
    grown = replace(same, gaps=(GapMeasured("torch", 3, 30, 2e-2, (2e-2,), 0.0),))
    assert "made of it a largest difference of 2.0e-02 after epoch 3" in said(grown)
    small = replace(same, gaps=(GapMeasured("torch", 3, 30, 1e-7, (1e-7,), 0.0),))
    assert "made of it" not in said(small)
    rated = replace(grown, rates=(RateChanged("numpy", 5, 0.1, 0.1, 0.3),))
    assert "made of it" not in said(rated)
    outside = replace(grown, compared=(ALIKE, replace(ALIKE, share=7.0)))
    assert "the same" not in said(outside)
    assert "compute" not in said(run())


def test_the_cause_is_the_one_that_was_found() -> None:
    found = DifferenceFound(
        "numpy", 1, 0.0, "torch", "loss", "loss-mean-over-classes", 0.1, "every gradient: a", ()
    )
    text = said(replace(run(from_recipe("seed", epochs=3)), difference=found, compared=(ALIKE,)))
    assert "From step 1 on they do not compute the same: PyTorch differs, in the loss first" in text
    assert "Every gradient: a." in text
    assert "With --torch-loss-mean batch both have the same loss." in text
    other = replace(found, code="unknown")
    assert "--torch-loss-mean" not in said(replace(run(), difference=other))


def test_without_compared_steps_only_settings_can_be_the_cause() -> None:
    assert "divided by 10" in said(run(from_recipe("seed", epochs=3)))
    assert "divided by 10" not in said(run(from_recipe("seed-fixed", epochs=3)))
    assert "divided by 10" not in said(run(from_recipe("seed", epochs=3, only="numpy")))


def test_overfitting_needs_a_lasting_rise_and_a_falling_training_loss() -> None:
    def said_of(*losses: tuple[float, float]) -> str:
        return said(run(losses=[(1.0, 1.0), (0.5, 0.5), *losses]))

    risen = said_of((0.4, 0.6), (0.3, 0.7), (0.1, 0.8))
    assert "lowest after epoch 2 (0.5) and has risen to 0.8" in risen
    assert "still falling" not in risen
    assert "overfits" not in said_of((0.4, 0.6), (0.3, 0.52), (0.1, 0.8))
    assert "overfits" not in said_of((0.4, 0.51), (0.3, 0.52), (0.1, 0.53))
    assert "overfits" not in said_of((0.7, 0.6), (0.8, 0.7), (0.9, 0.8))


def test_still_falling_needs_several_epochs_and_a_clear_fall() -> None:
    assert "still falling, by 60.0% in epoch 3" in said(run())
    assert "still falling" not in said(run(losses=((1, 1), (0.5, 0.5))))
    flat = ((1.0, 1.0), (0.5, 0.5), (0.499, 0.499))
    assert "still falling" not in said(run(losses=flat))
    bumpy = ((1.0, 0.4), (0.5, 0.5), (0.2, 0.3))
    assert "still falling" not in said(run(losses=bumpy))


def test_a_habit_is_one_pair_that_stands_out() -> None:
    three = list(RIGHT)
    three[4], three[14], three[24] = 9, 9, 9
    text = said(replace(run(), predictions=predictions(three, RIGHT)))
    assert "NumPy most often takes 4 for 9: 3 times, 30.0% of class 4 (test)." in text
    assert "PyTorch most often" not in text
    tied = list(three)
    tied[5], tied[15], tied[25] = 6, 6, 6
    assert "most often" not in said(replace(run(), predictions=predictions(tied, RIGHT)))


def test_speeds_are_medians_and_unknown_ones_are_left_out() -> None:
    assert "NumPy 2,000 and PyTorch 2,000 (medians of the epochs, both at once)" in said(run())
    alone = run(from_recipe("twin", epochs=3, only="torch"))
    assert "Training samples per second: PyTorch 2,000 (medians of the epochs)." in said(alone)
    lost = {
        n: tuple(replace(one, samples_per_second=nan) for one in records)
        for n, records in run().epochs.items()
    }
    assert "per second" not in said(replace(run(), epochs=lost))
