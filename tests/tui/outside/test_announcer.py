"""The terminal gets a word when a run ends, fails or diverges, also from other screens."""

from math import nan

import pytest

from mlpwatch.core.cli.ending import RunEndings
from mlpwatch.core.config import EngineName
from mlpwatch.core.events import EndReason, Event, RunEnded
from mlpwatch.tui.outside.announcer import Announcer, window_state
from mlpwatch.tui.state.watch import Watch
from tests.support.samples.scenes import FakeSession, training
from tests.support.stage import Stage, on_stage


class Noted(Announcer):
    """Notes what it would write."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.app, stage.app.runs, RunEndings(), stage.app.shutdown, True)
        self.written: list[str] = []

    def _write(self, sequence: str) -> None:
        self.written.append(sequence)


@pytest.fixture(autouse=True)
def known_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal with notifications."""
    monkeypatch.setenv("TERM", "xterm-ghostty")
    for name in ("TMUX", "STY", "TERM_PROGRAM"):
        monkeypatch.delenv(name, raising=False)


def end(name: EngineName, reason: EndReason, accuracy: float = nan) -> Event:
    return RunEnded(name, reason, "a reason", 240, 12.0, 0.1, accuracy)


async def test_one_word_for_the_end_of_both() -> None:
    async with on_stage(training()) as stage:
        announcer = Noted(stage)
        announcer.look()
        await stage.feed(end("numpy", "finished", 0.9751))
        announcer.look()
        assert announcer.written == [], "the other model trains on"
        await stage.press("m")
        await stage.feed(end("torch", "finished", 0.9748))
        announcer.look()
        announcer.look()
        (word,) = announcer.written
        assert word.endswith("finished: NumPy 97.51%, PyTorch 97.48%\x1b\\")


async def test_a_model_that_diverges_is_news_at_once() -> None:
    async with on_stage(training()) as stage:
        announcer = Noted(stage)
        await stage.feed(end("numpy", "diverged"))
        announcer.look()
        assert ["NumPy diverged" in word for word in announcer.written] == [True]


async def test_who_stops_a_run_knows_that_it_ends() -> None:
    async with on_stage(training()) as stage:
        announcer = Noted(stage)
        await stage.feed(end("numpy", "stopped", 0.9), end("torch", "stopped", 0.9))
        announcer.look()
        assert announcer.written == []


async def test_a_run_that_had_ended_is_no_news() -> None:
    session = FakeSession(past=[*training(), end("numpy", "finished", 0.9)])
    async with on_stage(session=session, attached=True) as stage:
        await stage.feed(end("torch", "finished", 0.9))
        announcer = Noted(stage)
        announcer.look()
        assert announcer.written == []


async def test_title_and_progress_of_a_run() -> None:
    async with on_stage(training()) as stage:
        shown = window_state(stage.app.runs.top)
        done = min(engine.epochs_done for engine in stage.state.engines.values())
        accuracies = [f"{one.epochs[-1].val_accuracy:.1%}" for one in stage.state.engines.values()]
        assert shown.title == f"{stage.session.run.name} {done}/12 {' '.join(accuracies)}"
        assert shown.progress == "running"
        assert 0 < shown.percent < 100
        await stage.press("space")
        paused = window_state(stage.app.runs.top)
        assert (paused.progress, "paused" in paused.title) == ("paused", True)
        await stage.feed(end("numpy", "diverged"))
        assert window_state(stage.app.runs.top).progress == "failed"
        await stage.feed(end("torch", "finished", 0.9748))
        over = window_state(stage.app.runs.top)
        assert over.progress is None
        assert over.title.endswith("97.5%")


def test_while_it_loads_the_title_is_the_programs() -> None:
    assert window_state(Watch(lambda _report: FakeSession())).title == "mlpwatch"
