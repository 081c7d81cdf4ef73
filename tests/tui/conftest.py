"""Fixtures of the tests of the screen."""

from collections.abc import Iterator
from pathlib import Path
from time import tzset

import pytest

from mlpwatch.core.runs.run import Run
from tests.support.samples.run_scenes import runs_of_all_kinds


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of 16 colours, whatever terminal the tests run in."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLORTERM", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Run]]:
    """One run of each kind in `saved`, under the current folder; dates are shown in UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        patch.chdir(tmp_path)
        tzset()
        with runs_of_all_kinds(Path("saved")) as made:
            yield made
    tzset()
