"""What trains here, what is followed, and what tests play are one kind of thing to the screens."""

from collections.abc import Callable

import pytest

from mlpwatch.core.remote.follower import RunFollower
from mlpwatch.core.run_source import RunSource
from mlpwatch.core.training.session import Session
from tests.support.samples.scenes import FakeSession

SOURCES: tuple[Callable[..., RunSource], ...] = (Session, RunFollower, FakeSession)
"""mypy compares each member of these classes with the protocol's, types and argument names."""


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_has_every_member_of_the_protocol(source: type[RunSource]) -> None:
    members = {name for name in vars(RunSource) if not name.startswith("_")}
    assert len(members) > 20
    assert members <= {*dir(source), *assigned(source)}


def assigned(source: type[RunSource]) -> set[str]:
    """Names that the constructor gives values to."""
    made = getattr(source, "__post_init__", source.__init__)
    return set(made.__code__.co_names) | set(getattr(source, "__annotations__", {}))
