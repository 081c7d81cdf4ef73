"""A short random walk through the real command; `python -m tests.bench.walks` walks far."""

import pytest

from tests.bench.walks import walk

pytestmark = [pytest.mark.xdist_group("terminal"), pytest.mark.slow]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.rare
def test_a_walk_ends_well(seed: int) -> None:
    assert walk(seed, 12.0) == ""
