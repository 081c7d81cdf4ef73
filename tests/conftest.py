"""Fixtures that several tests share."""

import gc
import os
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT


def pytest_collection_finish() -> None:
    """Leave PyTorch, scikit-learn and all tests out of what each full collection looks through."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def drawings_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep drawings made in tests out of the user's data folder."""
    folder = tmp_path / "drawings"
    monkeypatch.setenv("MLPWATCH_DRAWINGS", str(folder))
    return folder


@pytest.fixture(scope="session")
def mnist_path() -> Path:
    """Return the path of the real MNIST in Keras' layout; skip where there is none."""
    named = os.environ.get("MLPWATCH_MNIST")
    places = [Path(named)] if named else []
    places += [folder / "shared/data/mnist.npz" for folder in (CHECKOUT, CHECKOUT.parent)]
    for place in places:
        if place.is_file():
            return place
    pytest.skip("real MNIST is absent: set MLPWATCH_MNIST to an mnist.npz in Keras' layout")
