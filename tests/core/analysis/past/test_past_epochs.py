"""What is read of a past epoch is what the training had then."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.analysis.inference import evaluate_images
from mlpwatch.core.analysis.past.past_epochs import MOST_EVALUATIONS, PastEpochs
from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.core.errors import DataError
from mlpwatch.core.files.tensor_files import ChecksumMismatchError
from mlpwatch.core.runs.layout import past_name
from tests.support.samples.fake_folder import FakeFolder
from tests.support.samples.past_samples import keep_epochs
from tests.support.samples.scenes import CONFIG, EPOCH_STEPS, digits, weights


@pytest.fixture
def run(tmp_path: Path) -> FakeFolder:
    keep_epochs(tmp_path / "run", [0, 1, 3])
    keep_epochs(tmp_path / "run", [4], ["numpy"])
    return FakeFolder(tmp_path / "run")


def test_each_engine_predicts_with_its_weights_of_then(run: FakeFolder) -> None:
    epochs, data = PastEpochs(run, CONFIG), digits()
    assert epochs.kept() == {"numpy": [0, 1, 3, 4], "torch": [0, 1, 3]}
    past = epochs.read(3)
    for name in ENGINE_NAMES:
        then = weights(name, 3 * EPOCH_STEPS)
        shown = past.store.latest(name)
        assert shown is not None
        assert (shown.epoch, shown.step) == (3, 3 * EPOCH_STEPS)
        np.testing.assert_array_equal(shown.weights["layers.0.weight"], then["layers.0.weight"])
        expected = evaluate_images(
            CONFIG, name, then, data.test_images, data.test_labels, classes=10
        )
        found = epochs.evaluate(past, data, "test")[name]
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)
        np.testing.assert_array_equal(found.predictions, expected.predictions)
        predicted = epochs.predict(past, data, data.test_images[:5])[name]
        np.testing.assert_allclose(predicted.probabilities, expected.probabilities[:5], rtol=1e-4)


def test_of_an_epoch_that_one_engine_has_not_done_the_other_is_read(run: FakeFolder) -> None:
    epochs = PastEpochs(run, CONFIG)
    past = epochs.read(4)
    assert list(past.checkpoints) == ["numpy"]
    assert list(epochs.evaluate(past, digits(), "validation")) == ["numpy"]
    with pytest.raises(DataError, match="epoch 4 of PyTorch is not kept"):
        epochs.trace_step(past, digits())


def test_what_is_gone_or_damaged_is_said(run: FakeFolder) -> None:
    epochs = PastEpochs(run, CONFIG)
    path = run.path / "history" / past_name("torch", 1)
    path.write_bytes(path.read_bytes()[:-4] + b"abcd")
    with pytest.raises(ChecksumMismatchError, match="damaged"):
        epochs.read(1)
    for name in ENGINE_NAMES:
        (run.path / "history" / past_name(name, 3)).unlink()
    with pytest.raises(DataError, match="epoch 3 is not kept any more"):
        epochs.read(3)


def test_the_step_after_an_epoch_starts_from_its_weights_at_its_rate(run: FakeFolder) -> None:
    epochs, config = PastEpochs(run, CONFIG), CONFIG
    trace = epochs.trace_step(epochs.read(1), digits())
    for name, one in trace.engines.items():
        assert (one.epoch, one.batch) == (1, 0)
        assert one.learning_rate == config.learning_rate
        then = weights(name, EPOCH_STEPS)["layers.1.weight"]
        np.testing.assert_array_equal(one.state.weights["layers.1.weight"], then)


def test_an_epoch_looked_at_again_is_not_predicted_again(
    run: FakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs, asked = PastEpochs(run, CONFIG), list[int]()
    logits = epochs._networks.logits

    def count(past: object, name: object, data: object, images: Sequence[object]) -> object:
        asked.append(len(images))
        return logits(past, name, data, images)  # type: ignore[arg-type]

    monkeypatch.setattr(epochs._networks, "logits", count)
    for _ in range(3):
        found = epochs.evaluate(epochs.read(3), digits(), "validation")
    assert len(asked) == len(found) == 2
    assert len(epochs._evaluations) <= MOST_EVALUATIONS
    one = PastEpochs(run, replace(CONFIG, only="numpy"))
    assert one.kept() == {"numpy": [0, 1, 3, 4]}
