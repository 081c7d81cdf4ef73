"""A talk that runs itself: what is due is done, what was said stays on the screen on top."""

from pathlib import Path

from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.explain.screen import ExplainScreen
from mlpwatch.tui.lecture.big_screen import BigScreen
from mlpwatch.tui.lecture.cue_file import read_cues
from mlpwatch.tui.mistakes.screen import MistakesScreen
from mlpwatch.tui.run_keys.cue_runner import CueRunner
from tests.support.samples.scenes import ended, started, trained
from tests.support.stage import Stage, on_stage, until

TALK = """\
start    say     Same weights, same batches.
epoch 1  say     One epoch.
         open    mistakes
+5s      open    why
+5s      back
         pause
+5s      resume
         press   o
epoch 2  open    big
end      say     That is all.
         back
+1s      say
"""


async def test_a_talk_runs_itself(tmp_path: Path) -> None:
    (tmp_path / "talk").write_text(TALK)
    seconds = 0.0
    async with on_stage([started("numpy"), started("torch")], size=(80, 24)) as stage:
        app, cues = stage.app, read_cues(tmp_path / "talk")
        runner = CueRunner(app, app.runs, cues, now=lambda: seconds)

        async def look() -> None:
            await stage.look()
            for _ in range(3):
                runner.poll()
                await stage.pilot.pause()

        await look()
        assert "Same weights, same batches." in stage.text()
        await stage.feed(*trained("numpy", 20))
        await look()
        assert "One epoch." not in stage.text(), "PyTorch has not done it"
        await stage.feed(*trained("torch", 20))
        await look()
        await until(lambda: isinstance(app.screen, MistakesScreen), stage.pilot)
        await look()
        assert "One epoch." in stage.text(), "what was said is on the new screen too"
        seconds = 4.9
        await look()
        assert isinstance(app.screen, MistakesScreen), "not due yet"
        seconds = 5.0
        await look()
        assert isinstance(app.screen, ExplainScreen), "in place of the screen before"
        assert len(app.screen_stack) == 2
        seconds = 10.0
        await look()
        assert isinstance(app.screen, Dashboard)
        assert all(map(stage.session.paused, ENGINE_NAMES))
        seconds = 15.0
        await look()
        assert not stage.session.paused("numpy")
        assert "╌ PyTorch" in stage.text(), "both models in one chart"
        await _end(stage)
        await look()
        assert isinstance(app.screen, Dashboard)
        assert "That is all." in stage.text()
        seconds = 16.0
        await look()
        assert "That is all." not in stage.text()


async def test_screens_that_a_talk_opens_do_not_pile_up(tmp_path: Path) -> None:
    (tmp_path / "talk").write_text("start open big\n  open help\n  open numbers\n  open big\n")
    async with on_stage([started("numpy"), started("torch")], size=(80, 24)) as stage:
        app = stage.app
        runner = CueRunner(app, app.runs, read_cues(tmp_path / "talk"))
        runner.poll()
        await until(lambda: isinstance(app.screen, BigScreen), stage.pilot)
        assert len(app.screen_stack) == 2


async def _end(stage: Stage) -> None:
    for engine in ENGINE_NAMES:
        await stage.feed(*trained(engine, 240, first=21), ended(engine))
