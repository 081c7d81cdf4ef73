"""Where a user's own file trains, every screen names the file, never the engine in whose place."""

from dataclasses import replace

import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.network_file import NetworkFile
from mlpwatch.tui.app import MlpwatchApp
from mlpwatch.tui.state.watch import Watch
from tests.support.samples.scenes import CONFIG, FakeSession, difference, training
from tests.support.stage import Stage, on_stage, until, while_loading

OWN = replace(
    CONFIG,
    network=NetworkFile("net.py", "0" * 64, "Net"),
    network_torch=NetworkFile("model.py", "1" * 64, "Model", "module"),
)


def assert_named(stage: Stage, where: str) -> None:
    text = stage.text()
    assert "NumPy" not in text, f"{where}:\n{text}"
    # The formula of a loss and the source opposite may name a function of PyTorch.
    assert "PyTorch" not in text, f"{where}:\n{text}"


async def test_the_first_frame_has_the_files_names_as_every_later_one() -> None:
    async with while_loading(text="importing", config=OWN) as stage:
        assert "net.py" in stage.text()
        assert "model.py" in stage.text()
        assert_named(stage, "loading")
        await stage.press("1")
        assert "net.py starts paused" in stage.text()
    async with while_loading(config=replace(OWN, network_torch=None)) as stage:
        assert "net.py" in stage.text()
        assert "PyTorch" in stage.text()


async def test_a_watch_of_a_run_that_loads_knows_its_titles() -> None:
    watch = Watch(lambda _report: FakeSession(OWN), titles=OWN.titles)
    assert watch.title("torch") == "model.py"
    assert Watch(lambda _report: FakeSession()).title("torch") == "PyTorch"


KEYS = {
    "dashboard": "", "overlay": "o", "layers": "u", "weights": "w", "mistakes": "m",
    "disagreeing": "m l l l", "drawing": "d", "losses": "e",
}  # fmt: skip


@pytest.mark.parametrize(
    "size", [(80, 24), pytest.param((220, 60), marks=pytest.mark.rare)], ids=str
)
async def test_each_screen_names_the_files(size: tuple[int, int]) -> None:
    async with on_stage(training(), size, session=FakeSession(OWN)) as stage:
        for where, keys in KEYS.items():
            await stage.press(*keys.split())
            assert "net.py" in stage.text(), f"{where}:\n{stage.text()}"
            assert_named(stage, where)
            for _ in keys.split():
                await stage.press("escape")
        await stage.press("space", "e")
        for page in range(1, 6):
            await stage.press("right")
            await until(lambda: "net.py" in stage.text(), stage.pilot)
            assert_named(stage, f"page {page} of the tour")


async def test_a_step_that_differs_has_the_files_names() -> None:
    config: RunConfig = OWN
    async with on_stage(training(), session=FakeSession(config)) as stage:
        await stage.feed(difference())
        assert_named(stage, "dashboard")
        await stage.press("e")
        assert "model.py differs since step 1" in stage.text()


async def test_the_palette_and_its_dialog_name_the_files() -> None:
    async with on_stage(training(), session=FakeSession(OWN)) as stage:
        app: MlpwatchApp = stage.app
        commands = {one.title: one.callback for one in app.get_system_commands(app.screen)}
        commands["Set the learning rate of net.py"]()
        await stage.look()
        assert "Learning rate of net.py" in stage.text()
