"""A run that was stopped in mid-epoch goes on as if it had never stopped, to the bit."""

from typing import Any

import pytest

from mlpwatch.core.config import EngineName, OptimizerName
from mlpwatch.core.events import EpochDone, RunEnded, RunStarted, StepDone
from mlpwatch.core.network.optimizers import OPTIMIZERS
from mlpwatch.core.runs.checkpoints import Checkpoint, Position
from mlpwatch.core.training import control
from tests.support.samples.engines import assert_same_bits
from tests.support.samples.training import Training

NAMES: tuple[EngineName, ...] = ("numpy", "torch")


def run_and_stop(name: EngineName, after: int, **settings: Any) -> tuple[Training, Checkpoint]:  # noqa: ANN401
    """Train a run until `after` steps are done, and return its last checkpoint."""
    training = Training(name, **settings)
    training.engine.before_step = lambda step: training.control.stop() if step == after else None
    training.run()
    checkpoint = training.recorder.saves[-1]
    assert checkpoint.position.step == after
    return training, checkpoint


# 3 is inside the first epoch, 6 the last batch of an epoch, 14 inside the third.
@pytest.mark.parametrize("after", [3, 6, 14])
@pytest.mark.parametrize("optimizer", tuple(OPTIMIZERS))
@pytest.mark.parametrize("name", NAMES)
def test_a_resumed_run_ends_with_the_same_bits(
    name: EngineName, optimizer: OptimizerName, after: int
) -> None:
    settings: dict[str, Any] = {
        "optimizer": optimizer,
        "weight_decay": 0.01,
        "schedule": "linear",
        "learning_rate": 0.05,
        "hidden": (5, 4),
        "dropout": 0.2,
        "input_dropout": 0.1,
    }
    whole = Training(name, **settings)
    whole.run()
    stopped, checkpoint = run_and_stop(name, after, **settings)
    resumed = Training(name, start=checkpoint, **settings)
    assert resumed.run().reason == "finished"

    assert_same_bits(resumed.engine.state().weights, whole.engine.state().weights)
    assert_same_bits(resumed.engine.state().slots, whole.engine.state().slots)
    parts = [*stopped.of(StepDone), *resumed.of(StepDone)]
    assert [(e.step, e.loss) for e in parts] == [(e.step, e.loss) for e in whole.of(StepDone)]
    epochs = [*stopped.of(EpochDone), *resumed.of(EpochDone)]
    assert [e.epoch for e in epochs] == [1, 2, 3]
    for found, expected in zip(epochs, whole.of(EpochDone), strict=True):
        assert found.record.train_loss == expected.record.train_loss
        assert found.validation.loss == expected.validation.loss
    assert resumed.of(RunEnded)[0].test_loss == whole.of(RunEnded)[0].test_loss


@pytest.mark.parametrize(("loss", "output"), [("half-mse", "linear"), ("bce", None)])
@pytest.mark.parametrize("name", NAMES)
def test_a_run_of_another_loss_resumes_with_the_same_bits(
    name: EngineName, loss: str, output: str | None
) -> None:
    settings: dict[str, Any] = {
        "loss": loss, "output_activation": output, "activation": "leaky-relu",
        "negative_slope": 0.2, "optimizer": "adam", "learning_rate": 0.01,
    }  # fmt: skip
    whole = Training(name, **settings)
    whole.run()
    _, checkpoint = run_and_stop(name, 6, **settings)
    resumed = Training(name, start=checkpoint, **settings)
    assert resumed.run().reason == "finished"
    assert_same_bits(resumed.engine.state().weights, whole.engine.state().weights)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_without_biases_resumes_with_the_same_bits(name: EngineName) -> None:
    settings: dict[str, Any] = {
        "bias": False, "optimizer": "adam", "learning_rate": 0.01, "weight_decay": 0.01,
    }  # fmt: skip
    whole = Training(name, **settings)
    whole.run()
    _, checkpoint = run_and_stop(name, 6, **settings)
    resumed = Training(name, start=checkpoint, **settings)
    assert resumed.run().reason == "finished"
    found, expected = resumed.engine.state(), whole.engine.state()
    assert_same_bits(found.weights, expected.weights)
    assert_same_bits(found.slots, expected.slots)
    assert not any(w.any() for n, w in found.weights.items() if n.endswith("bias"))


@pytest.mark.parametrize("activation", ["gelu", "leaky-relu"])
@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_a_run_that_warms_up_resumes_with_the_same_bits(schedule: str, activation: str) -> None:
    """Stopped in the warm-up, and after it."""
    settings: dict[str, Any] = {
        "optimizer": "nesterov",
        "momentum": 0.8,
        "weight_decay": 0.01,
        "activation": activation,
        "schedule": schedule,
        "warmup": 8,
        "learning_rate": 0.05,
    }
    for name in NAMES:
        whole = Training(name, **settings)
        whole.run()
        for after in (5, 14):
            stopped, checkpoint = run_and_stop(name, after, **settings)
            resumed = Training(name, start=checkpoint, **settings)
            assert resumed.run().reason == "finished"
            assert stopped.engine.rates + resumed.engine.rates == whole.engine.rates
            assert_same_bits(resumed.engine.state().weights, whole.engine.state().weights)
            assert_same_bits(resumed.engine.state().slots, whole.engine.state().slots)
        assert max(whole.engine.rates) == whole.engine.rates[8] == 0.05


def test_a_resumed_run_counts_on() -> None:
    _, checkpoint = run_and_stop("numpy", 8)
    resumed = Training("numpy", start=checkpoint)
    resumed.run()
    (started,) = resumed.of(RunStarted)
    assert (started.first_step, started.seconds) == (8, checkpoint.position.seconds)
    assert checkpoint.position.seconds > 0
    steps = resumed.of(StepDone)
    assert steps[0].step == 9
    assert steps[0].seconds > started.seconds
    assert len(resumed.engine.batches) == 10


def test_a_run_stopped_twice_in_one_epoch_still_reports_its_whole_loss() -> None:
    whole = Training("numpy", epochs=1)
    whole.run()
    _, first = run_and_stop("numpy", 2, epochs=1)
    again = Training("numpy", start=first, epochs=1)
    again.engine.before_step = lambda step: again.control.stop() if step == 2 else None
    again.run()
    last = Training("numpy", start=again.recorder.saves[-1], epochs=1)
    last.run()
    assert last.of(EpochDone)[0].record.train_loss == whole.of(EpochDone)[0].record.train_loss


@pytest.mark.parametrize("name", NAMES)
def test_a_save_in_mid_training_does_not_disturb_it(
    name: EngineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "SAVE_REST_SECONDS", 0.0)
    whole = Training(name, optimizer="adam")
    whole.run()
    saving = Training(name, optimizer="adam")
    saving.engine.before_step = lambda _step: saving.control.save()
    saving.run()
    assert [save.position.step for save in saving.recorder.saves] == [*range(1, 18), 18]
    assert_same_bits(saving.engine.state().weights, whole.engine.state().weights)
    # What was saved stays as it was while training goes on.
    first = Training(name, start=saving.recorder.saves[0], optimizer="adam")
    first.run()
    assert_same_bits(first.engine.state().weights, whole.engine.state().weights)


def test_a_run_that_is_done_goes_on_for_more_epochs() -> None:
    short = Training("numpy", epochs=1)
    short.run()
    longer = Training("numpy", start=short.recorder.saves[-1], epochs=3)
    longer.run()
    whole = Training("numpy", epochs=3)
    whole.run()
    assert_same_bits(longer.engine.state().weights, whole.engine.state().weights)
    done = Training("numpy", start=whole.recorder.saves[-1], epochs=3)
    assert done.run().reason == "finished"
    assert done.engine.batches == []
    assert done.results[0].position.step == Position(3, 0, 18).step
