"""Fixtures that several tests share."""

import gc
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT

ONE_IN = 3
"""Of the parametrised variants of a slow test every third is always run; the others are rare."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--part K/N`."""
    parser.addoption("--part", default="1/1", help="of the rare tests: every N-th, from the K-th")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the rare tests, unless `-m` or a node id names them; then keep the part asked for.

    A part is chosen by position, so that N runs with all K have run each test once.
    """
    variants: Counter[str] = Counter()
    for item in items:
        if item.get_closest_marker("slow") and "[" in item.name:
            test = item.nodeid.partition("[")[0]
            if variants[test] % ONE_IN:
                item.add_marker(pytest.mark.rare)
            variants[test] += 1
    which, parts = map(int, config.getoption("--part").split("/"))
    rare = [item for item in items if item.get_closest_marker("rare")]
    is_named = "rare" in config.option.markexpr or any("::" in one for one in config.args)
    kept = set(rare[which - 1 :: parts] if is_named else [])
    left_out = [item for item in rare if item not in kept]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def pytest_collection_finish() -> None:
    """Leave PyTorch, scikit-learn and all tests out of what each full collection looks through.

    Collect less often than every 700 objects: an app makes thousands as it starts.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


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
