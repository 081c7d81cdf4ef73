"""A saved run goes on in the place of the one on the dashboard, which is saved first."""

from pathlib import Path

import pytest

import tui.run_switch
from core.config import from_recipe
from core.launch import new_session
from core.run_listing import RunSummary, list_runs
from core.run_lock import is_locked
from core.runs import Run
from tests.tui.scenes import FakeSession, training
from tests.tui.stage import Stage, on_stage, until
from tui.run_columns import ListedRun
from tui.run_switch import why_not
from tui.screens.dashboard import Dashboard
from tui.screens.question import Question
from tui.screens.runs import RunsScreen

CONFIG = from_recipe("twin", data="digits", hidden=(8,), epochs=100_000, only="numpy", threads=1)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with one run that was stopped after some steps."""
    session = new_session(CONFIG, tmp_path / "saved", "old", lambda _text: None)
    session.start()
    session.stop()
    assert session.join(30)
    session.run.release()
    return tmp_path / "saved"


async def ask_for(stage: Stage, name: str) -> None:
    """Ask to resume a run, and say yes."""
    await stage.open_runs()
    await stage.press("slash", *name, "enter", "c")
    await until(lambda: isinstance(stage.app.screen, Question), stage.pilot)
    await stage.press("y")


def run_here(stage: Stage) -> str:
    session = stage.app.watch_session.session
    return session.run.path.name if session else ""


async def test_the_run_here_ends_and_the_saved_one_trains_on(saved: Path) -> None:
    async with on_stage(training(), saved=saved) as stage:
        await ask_for(stage, "old")
        await until(lambda: stage.app.watch_session.poll() or run_here(stage) == "old", stage.pilot)
        assert stage.session.ended, "the other one was stopped, and has saved"
        assert isinstance(stage.app.screen, Dashboard)
        watch = stage.app.watch_session
        await until(
            lambda: watch.poll() and watch.state and watch.state.engines["numpy"].step > 2,
            stage.pilot,
        )
        await stage.look()
        assert "PyTorch" not in stage.text(), "the columns are those of the new run"
        watch.leave()
        await until(lambda: watch.left, stage.pilot)
        assert watch.session is not None
        assert watch.session.join(30)
    latest = Run.open(saved, "old").read_latest("numpy")
    assert latest is not None
    assert latest.checkpoint.position.step > 2


async def test_a_run_that_can_not_be_read_leaves_the_one_here_alone(saved: Path) -> None:
    for file in (saved / "old").glob("numpy.safetensors*"):
        file.write_bytes(b"\0" * 64)
    async with on_stage(training(), saved=saved) as stage:
        await ask_for(stage, "old")
        await stage.see("old can't go on: ")
        assert not stage.session.ended
        assert isinstance(stage.app.screen, RunsScreen)
        assert not is_locked(saved / "old"), "so that another process may try"
    assert (saved / "old" / "numpy.safetensors").read_bytes() == b"\0" * 64


class Stubborn(FakeSession):
    """Does not end when told to."""

    def stop(self) -> None:
        """Go on."""


async def test_a_run_that_does_not_end_keeps_its_place(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tui.run_switch, "END_SECONDS", 0.0)
    async with on_stage(training(), saved=saved, session=Stubborn()) as stage:
        await ask_for(stage, "old")
        await stage.see("has not ended yet")
        assert stage.app.watch_session.session is not None
        assert run_here(stage) != "old"
        assert not is_locked(saved / "old")


def listed(state: str, *, is_here: bool = False) -> ListedRun:
    summary = RunSummary("one", Path("saved/one"), state, "torn", epochs_planned=12)  # type: ignore[arg-type]
    return ListedRun(summary, is_here=is_here)


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (listed("stopped"), ""),
        (listed("failed"), ""),
        (listed("stopped", is_here=True), ""),
        (listed("finished"), "all epochs are done; more with mlpwatch resume one --epochs N"),
        (listed("damaged"), "torn"),
        (listed("training"), "one runs in another process: stop it there first"),
        (listed("training", is_here=True), "one runs here already"),
    ],
)
def test_some_runs_can_not_go_on_and_it_is_said_why(run: ListedRun, why: str) -> None:
    assert why_not(run) == why


async def test_a_run_that_trains_elsewhere_is_refused_without_a_question(saved: Path) -> None:
    other = Run.open(saved, "old")
    other.acquire()
    async with on_stage(training(), saved=saved) as stage:
        await stage.open_runs()
        for key, what in (("c", "stop it there first"), ("d", "deleted"), ("n", "renamed")):
            await stage.press(key)
            await stage.see(what)
            assert isinstance(stage.app.screen, RunsScreen)
    other.release()
    assert [run.state for run in list_runs(saved)] == ["stopped"]
