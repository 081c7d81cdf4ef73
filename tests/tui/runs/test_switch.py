"""A saved run goes on in the place of the one on the dashboard, which is saved first."""

from dataclasses import replace
from pathlib import Path

import pytest
from textual.events import Key
from textual.widgets import Input

import mlpwatch.tui.runs.switch
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.runs.listing import RunStateName, RunSummary, list_runs
from mlpwatch.core.runs.lock import is_locked
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.launch import new_session
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.kit.dialogs import Confirmation, LineEntry
from mlpwatch.tui.runs.columns import ListedRun
from mlpwatch.tui.runs.screen import RunsScreen
from mlpwatch.tui.runs.switch import why_not_resumed
from tests.support.samples.scenes import FakeSession, training
from tests.support.stage import Stage, on_stage, until

pytestmark = pytest.mark.slow

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


def finish(saved: Path, name: str, epochs: int) -> None:
    """Train a run to its end."""
    session = new_session(replace(CONFIG, epochs=epochs), saved, name, lambda _text: None)
    session.start()
    assert session.join(30)
    session.run.release()


async def ask_for(stage: Stage, name: str) -> None:
    """Ask to resume a run, and say yes."""
    await stage.open_runs()
    await stage.press("slash", *name, "enter", "c")
    await until(lambda: isinstance(stage.app.screen, Confirmation), stage.pilot)
    await stage.press("y")


def run_here(stage: Stage) -> str:
    session = stage.app.runs.top.session
    return session.run.path.name if session else ""


async def until_here(stage: Stage, name: str) -> None:
    """Wait until a run is the one on the dashboard."""

    def is_here() -> bool:
        stage.app.runs.top.poll()
        return run_here(stage) == name

    await until(is_here, stage.pilot)


async def test_the_run_here_ends_and_the_saved_one_trains_on(saved: Path) -> None:
    async with on_stage(training(), saved=saved) as stage:
        await ask_for(stage, "old")
        await until_here(stage, "old")
        assert stage.session.ended, "the other one was stopped, and has saved"
        assert isinstance(stage.app.screen, Dashboard)
        watch = stage.app.runs.top
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
        await stage.see("old can't continue: ")
        assert not stage.session.ended
        assert isinstance(stage.app.screen, RunsScreen)
        assert not is_locked(saved / "old"), "so that another process may try"
    assert (saved / "old" / "numpy.safetensors").read_bytes() == b"\0" * 64


async def ask_for_new(stage: Stage, typed: str) -> None:
    """Ask for a new run, like the saved one, and type further options."""
    await stage.open_runs()
    await stage.press("slash", *"old", "enter", "N")
    await stage.see("enter starts it")
    line = stage.app.screen.query_one(Input)
    assert line.value == "--data digits --hidden 8 --epochs 100000 --only numpy --threads 1"
    line.value += typed
    await stage.look()


async def test_the_palette_starts_a_new_run_from_the_dashboard_and_from_the_list(
    saved: Path,
) -> None:
    async with on_stage(training(), saved=saved) as stage:
        for _ in range(2):
            commands = stage.app.get_system_commands(stage.app.screen)
            [new] = [command for command in commands if command.title == "New run"]
            new.callback()
            await stage.see("enter starts it")
            assert stage.app.screen.query_one(Input).value.startswith("--data digits --hidden 8")
            await stage.press("escape")
            assert isinstance(stage.app.screen, RunsScreen)
        assert len(stage.app.screen_stack) == 2, "one list"


async def test_a_new_run_starts_here_with_changed_options(saved: Path) -> None:
    async with on_stage(training(), saved=saved) as stage:
        await ask_for_new(
            stage, " --activation gelu --optimizer nesterov --momentum 0.8 --name new"
        )
        await stage.press("enter")
        await until_here(stage, "new")
        assert stage.session.ended, "the other one was stopped, and has saved"
        watch = stage.app.runs.top
        await until(
            lambda: watch.poll() and watch.state and watch.state.engines["numpy"].step > 2,
            stage.pilot,
        )
        watch.leave()
        await until(lambda: watch.left, stage.pilot)
        assert watch.session is not None
        assert watch.session.join(30)
    config = Run.open(saved, "new").config
    expected = replace(CONFIG, activation="gelu", optimizer="nesterov", momentum=0.8)
    assert config == expected


async def test_options_of_a_new_run_that_can_not_be_are_refused_in_place(saved: Path) -> None:
    async with on_stage(training(), saved=saved) as stage:
        await ask_for_new(stage, "")
        line = stage.app.screen.query_one(Input)
        for typed, why in {
            "--epochs 0": "epochs 0: expected a whole number from 1",
            "--help": "unrecognized arguments: --help",
            "--recipe 'best": "no closing quotation",
            "--momentum 0.5": "sgd has none; use --optimizer momentum",
            "--name ../up": "run name '../up'",
            "--network net.py": "a network file can't be given here",
        }.items():
            line.value = typed
            await stage.look()
            assert why in " ".join(stage.text().split())
            await stage.press("enter")
            assert isinstance(stage.app.screen, LineEntry), "it stays open"
        line.value = "--data nowhere.npz"
        await stage.press("enter")
        await stage.see("no new run: data '")
        assert isinstance(stage.app.screen, RunsScreen)
        assert not stage.session.ended
    assert {path.name for path in saved.iterdir() if not path.name.startswith(".")} == {"old"}


async def test_where_the_run_here_does_not_end_a_new_run_leaves_nothing(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlpwatch.tui.runs.switch, "END_SECONDS", 0.0)
    async with on_stage(training(), saved=saved, session=Stubborn()) as stage:
        await ask_for_new(stage, " --name new")
        await stage.press("enter")
        await stage.see("has not ended yet")
        await until(lambda: not (saved / "new").exists(), stage.pilot)


class Stubborn(FakeSession):
    """Does not end when told to."""

    def stop(self) -> None:
        """Go on."""


async def test_a_run_that_does_not_end_keeps_its_place(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlpwatch.tui.runs.switch, "END_SECONDS", 0.0)
    finish(saved, "done", epochs=1)
    result = Run.open(saved, "done").read_result()
    async with on_stage(training(), saved=saved, session=Stubborn()) as stage:
        await ask_how_long(stage, "done")
        await stage.press("enter")
        await stage.see("has not ended yet")
        assert stage.app.runs.top.session is not None
        assert run_here(stage) != "done"
        assert not is_locked(saved / "done")
        assert Run.open(saved, "done").read_result() == result, "it has ended as before"


async def ask_how_long(stage: Stage, name: str) -> None:
    """Ask to go on with a finished run."""
    await stage.open_runs()
    await until(lambda: stage.row(name).endswith("  finished"), stage.pilot)
    await stage.press("slash", *name, "enter", "c")
    await until(lambda: isinstance(stage.app.screen, LineEntry), stage.pilot)


async def until_ended(stage: Stage, epochs: int) -> None:
    """Wait until NumPy has done all epochs, at full speed, and the screen knows."""
    watch = stage.app.runs.top
    await until(lambda: watch.poll() or watch.session is not None, stage.pilot)
    assert watch.session is not None
    watch.session.set_steps_per_second(None)

    def has_ended() -> bool:
        watch.poll()
        engine = watch.state and watch.state.engines.get("numpy")
        return bool(engine and engine.phase == "finished" and engine.epochs_done == epochs)

    await until(has_ended, stage.pilot)


async def test_a_finished_run_goes_on_for_longer_and_so_does_one_that_finished_here(
    saved: Path,
) -> None:
    finish(saved, "done", epochs=2)
    async with on_stage(training(), saved=saved) as stage:
        await ask_how_long(stage, "done")
        assert "NumPy has done 2 of 2 epochs." in stage.text()
        await stage.press("enter")
        await until_here(stage, "done")
        await until_ended(stage, 4)  # twice as many, unless one says otherwise
        assert is_locked(saved / "done"), "it is on the dashboard"
        before = stage.app.runs.main

        await ask_how_long(stage, "done")
        assert "done, now on the dashboard, has ended and is saved." in stage.text()
        await stage.press("ctrl+u", *"5", "enter")
        await until(lambda: stage.app.runs.main is not before, stage.pilot)
        await until_ended(stage, 5)
        session = stage.app.runs.main.session
        assert session is not None
        assert session.join(30)
    assert [line.epoch for line in Run.open(saved, "done").read_metrics()] == [1, 2, 3, 4, 5]


async def test_no_number_or_too_few_epochs_are_refused_in_place(saved: Path) -> None:
    finish(saved, "done", epochs=2)
    async with on_stage(training(), saved=saved) as stage:
        await ask_how_long(stage, "done")
        for text in ("", "many", "2", "-4", "1.5", "100001", "9" * 50):
            await stage.press("ctrl+u", *text, "enter")
            said = " ".join(stage.text().split())
            assert f"epochs {text!r:.40}: expected a whole number from 3 to 100,000" in said
            assert "since 2 are done" in said
        await stage.press("ctrl+u", *"3")
        assert "expected" not in stage.text(), "what was said of the text before"
        await stage.press("escape")
        await until(lambda: isinstance(stage.app.screen, RunsScreen), stage.pilot)
        assert not is_locked(saved / "done")
        assert not stage.session.ended


async def test_where_a_run_that_ended_here_can_not_be_read_again_it_stays_on_the_dashboard(
    saved: Path,
) -> None:
    finish(saved, "done", epochs=1)
    async with on_stage(training(), saved=saved) as stage:
        await ask_how_long(stage, "done")
        await stage.press("enter")
        await until_here(stage, "done")
        await until_ended(stage, 2)
        for file in (saved / "done").glob("numpy.safetensors*"):
            file.write_bytes(b"\0" * 64)
        await ask_how_long(stage, "done")
        await stage.press("enter")
        await stage.see("done can't continue: ")
        assert run_here(stage) == "done"
        assert is_locked(saved / "done"), "nobody deletes what is on the dashboard"


def listed(
    state: RunStateName, *, is_here: bool = False, is_held: bool = False, ended: bool = False
) -> ListedRun:
    path = Path("saved/one")
    summary = RunSummary("one", path, state, "torn", epochs_planned=12, is_held=is_held)
    return ListedRun(summary, is_here=is_here, trains_here=is_here, has_ended_here=ended)


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (listed("stopped"), ""),
        (listed("failed"), ""),
        (listed("stopped", is_here=True), ""),
        (listed("finished"), ""),
        (listed("finished", is_held=True), "one is open in another process: leave it there first"),
        (listed("finished", is_here=True, is_held=True, ended=True), ""),
        (listed("training", is_here=True, is_held=True, ended=True), ""),
        (listed("failed", is_held=True), "one is open in another process: leave it there first"),
        (listed("damaged"), "torn"),
        (listed("training", is_held=True), "one runs in another process: stop it there first"),
        (listed("training", is_here=True, is_held=True), "one runs here already"),
    ],
)
def test_some_runs_can_not_go_on_and_it_is_said_why(run: ListedRun, why: str) -> None:
    assert why_not_resumed(run) == why


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


async def test_typing_replaces_the_prefilled_number_and_enter_says_what_it_will_do(
    saved: Path,
) -> None:
    finish(saved, "done", epochs=2)
    async with on_stage(training(), saved=saved) as stage:
        await ask_how_long(stage, "done")
        assert "trains 2 more epochs" in stage.text()
        await stage.press(*"40")
        assert stage.app.screen.query_one("#line", Input).value == "40"
        assert "trains 38 more epochs" in stage.text()
        await stage.press("escape")


async def test_a_refused_name_keeps_the_dialog_open_and_its_letters_in_the_line(
    saved: Path,
) -> None:
    finish(saved, "done", epochs=2)
    finish(saved, "taken", epochs=2)
    async with on_stage(training(), saved=saved) as stage:
        await stage.open_runs()
        await stage.press("slash", *"done", "enter", "n")
        await stage.press(*"taken", "enter")
        await stage.see("run name 'taken': taken in")
        assert isinstance(stage.app.screen, LineEntry)
        await stage.press(*"edq2")
        assert stage.app.screen.query_one("#line", Input).value == "takenedq2"
        await stage.press("enter")
        await until((saved / "takenedq2").is_dir, stage.pilot)
        await until(lambda: isinstance(stage.app.screen, RunsScreen), stage.pilot)
        assert (saved / "taken").is_dir()
        assert not stage.app.shutdown.is_asked


@pytest.mark.parametrize("key", ["n", "d", "c"])
async def test_letters_in_a_burst_behind_a_dialogs_key_are_no_commands(
    saved: Path, key: str
) -> None:
    finish(saved, "done", epochs=2)
    async with on_stage(training(), saved=saved) as stage:
        await stage.open_runs()
        await stage.press("slash", *"done", "enter")
        for character in key + "ejmvq":
            stage.app.post_message(Key(character, character))
        await until(lambda: isinstance(stage.app.screen, LineEntry | Confirmation), stage.pilot)
        await stage.pilot.pause()
        assert not list(saved.parent.glob("**/*.csv"))
        assert (saved / "done").is_dir()
        assert not stage.app.shutdown.is_asked
