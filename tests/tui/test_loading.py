"""What is imported and loaded is never looked at by the garbage collector again."""

import gc
from collections.abc import Iterator

import pytest

from tui.loading import undisturbed


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_a_block_makes_is_out_of_the_collectors_sight() -> None:
    made: list[list[int]] = []
    with undisturbed():
        assert not gc.isenabled()
        made.append([1])
    assert gc.isenabled()
    assert not any(thing is made[0] for thing in gc.get_objects())


def test_a_block_that_fails_leaves_the_collector_on() -> None:
    with pytest.raises(ValueError, match="no data"), undisturbed():
        raise ValueError("no data")
    assert gc.isenabled()
