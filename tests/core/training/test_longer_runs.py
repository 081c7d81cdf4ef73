"""A run made longer, and interrupted again, goes on to its new end."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlpwatch.core.cli.headless import summary_lines
from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import RunError
from mlpwatch.core.events import RunEnded
from mlpwatch.core.runs.listing import list_runs
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.launch import new_session, resumed_session
from mlpwatch.core.training.session import Session

CONFIG = RunConfig(data="digits", hidden=(8,), epochs=2, threads=1, only="numpy")
SECONDS = 60.0


def finish(session: Session) -> None:
    session.start()
    assert session.join(SECONDS)
    session.run.release()


def said(_: str) -> None:
    """Nobody listens."""


def test_a_longer_run_that_was_interrupted_goes_on_to_its_new_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Curves reach the disk at the end or not at all.
    monkeypatch.setattr("mlpwatch.core.runs.event_writer.WRITE_SECONDS", 2 * SECONDS)
    finish(new_session(CONFIG, tmp_path, "demo", said))
    run = Run.open(tmp_path, "demo")
    with pytest.raises(RunError, match="has done all its 2 epochs"):
        resumed_session(run, run.config, said)
    run.release()

    longer = resumed_session(run, replace(run.config, epochs=5), said)
    assert run.read_result() is None  # it no longer says how the run ended
    longer.pause()
    longer.start()
    longer.step()
    longer.stop()
    assert longer.join(SECONDS)
    run.release()
    assert longer.results["numpy"].reason == "stopped"
    assert list_runs(tmp_path)[0].state == "stopped"

    again = resumed_session(run, run.config, said)
    assert again.config.epochs == 5
    finish(again)
    assert again.results["numpy"].position.epoch == 5
    assert [line.epoch for line in run.read_metrics()] == [1, 2, 3, 4, 5]
    # The process may end right after this: what the curves lack by now is lost.
    assert any(isinstance(entry, RunEnded) for entry in run.events.read())


def test_what_is_said_after_a_divergence_claims_no_save(tmp_path: Path) -> None:
    session = new_session(replace(CONFIG, learning_rate=1e20), tmp_path, "wild", said)
    finish(session)
    first, second = summary_lines(session)
    assert "numpy diverged" in first
    assert "last good checkpoint at step 0" in first
    assert second == f"nothing but the start is saved in {tmp_path / 'wild'}"
