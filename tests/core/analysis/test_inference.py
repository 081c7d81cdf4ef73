"""The test images read on demand are read as at a run's end."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.analysis.inference import evaluate_test
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.training.launch import new_session
from tests.support.samples.training import tiny_dataset

CONFIG = RunConfig(data="digits", hidden=(8,), epochs=2, threads=1, dropout=0.2)


@pytest.mark.parametrize("only", ["numpy", None])
def test_with_the_last_weights_it_is_the_reading_of_the_result(
    tmp_path: Path, only: EngineName | None
) -> None:
    session = new_session(replace(CONFIG, only=only), tmp_path, None, print)
    assert session.evaluate_test() == {}, "before the first epoch there is nothing to read with"
    session.start()
    assert session.join(60)
    for name in session.results:
        last = session.weight_store.evaluated(name)
        assert last is not None
        asked_for = {key: np.zeros_like(array) for key, array in last.weights.items()}
        session.weight_store.publish(replace(last, step=last.step + 1, weights=asked_for))
    found = session.evaluate_test()
    assert list(found) == list(session.results)
    for name, result in session.results.items():
        assert result.test is not None
        np.testing.assert_array_equal(found[name].predictions, result.test.predictions)
        assert found[name].accuracy == result.test.accuracy
        assert found[name].loss == pytest.approx(result.test.loss, rel=1e-5)


def test_without_weights_there_is_nothing() -> None:
    assert evaluate_test(RunConfig(hidden=(5,)), tiny_dataset(), {}) == {}
