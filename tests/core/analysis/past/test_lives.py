"""The life of a digit is what each kept epoch predicted for it."""

from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.analysis.past import lives as lives_module
from mlpwatch.core.analysis.past.lives import Lives
from mlpwatch.core.analysis.past.past_epochs import PastEpochs
from mlpwatch.core.files.tensor_files import CheckpointError
from mlpwatch.core.runs.layout import past_name
from tests.support.samples.fake_folder import FakeFolder
from tests.support.samples.past_samples import keep_epochs
from tests.support.samples.scenes import CONFIG, digits


@pytest.fixture
def epochs(tmp_path: Path) -> PastEpochs:
    keep_epochs(tmp_path / "run", [0, 2, 5])
    keep_epochs(tmp_path / "run", [7], ["numpy"])
    return PastEpochs(FakeFolder(tmp_path / "run"), CONFIG)


def test_a_life_has_the_predictions_and_shares_of_each_epoch(epochs: PastEpochs) -> None:
    lives, data = Lives(epochs, CONFIG, digits(), "test"), digits()
    kept = [0, 2, 5, 7]
    while missing := lives.missing(kept):
        lives.add(missing[0])
    for row in (0, 17, 250):
        life = lives.of(row)
        assert life.epochs == (0, 2, 5, 7)
        assert life.predicted["torch"][3] is None
        for place, epoch in enumerate(kept):
            found = epochs.evaluate(epochs.read(epoch), data, "test")["numpy"]
            assert life.predicted["numpy"][place] == found.predictions[row]
            true = found.probabilities[row, data.test_labels[row]]
            assert life.shares["numpy"][place] == pytest.approx(true, abs=0.5 / 255 + 1e-6)


def test_the_newest_comes_first_and_a_damaged_one_is_left_out(epochs: PastEpochs) -> None:
    lives = Lives(epochs, CONFIG, digits(), "validation")
    path = epochs._run.history.path / past_name("torch", 2)
    path.write_bytes(b"nothing")
    assert lives.missing([0, 2, 5]) == [5, 2, 0]
    with pytest.raises(CheckpointError):
        lives.add(2)
    assert lives.missing([0, 2, 5]) == [5, 0]
    lives.add(5)
    assert lives.missing([0, 2, 5]) == [0]
    assert lives.missing([7]) == [7]
    assert lives.of(3).epochs == (), "what was thinned out takes no memory"


def test_many_epochs_are_thinned_to_the_memory_they_may_take(
    epochs: PastEpochs, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = len(digits().validation_labels)
    monkeypatch.setattr(lives_module, "LIVES_BYTES", 10 * images * 2 * 2)
    missing = Lives(epochs, CONFIG, digits(), "validation").missing(range(1_000))
    assert len(missing) == 10
    assert missing[0] == 999
    assert missing[-1] == 0
    lives = Lives(epochs, CONFIG, digits(), "validation")
    lives.add(5)
    sizes = [a.nbytes for one in lives._found.values() for pair in one.values() for a in pair]
    assert sum(sizes) == images * 2 * 2
    assert np.all([a.dtype == np.uint8 for one in lives._found[5].values() for a in one])
