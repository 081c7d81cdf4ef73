"""The keys that go back through the epochs, on every screen of a run."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from mlpwatch.core.analysis.past.past_epochs import PastEpochs
from mlpwatch.core.runs.layout import past_name
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.draw.screen import DrawScreen
from mlpwatch.tui.mistakes.screen import MistakesScreen
from tests.support.samples.fake_folder import FakeFolder
from tests.support.samples.past_samples import keep_epochs
from tests.support.samples.scenes import CONFIG, digits, epoch_read, training
from tests.support.stage import Stage, on_stage, until

BACK, ON = "less_than_sign", "greater_than_sign"


@asynccontextmanager
async def with_history(
    saved: Path, epochs: range = range(6), size: tuple[int, int] = (140, 40)
) -> AsyncIterator[Stage]:
    """NumPy in its sixth epoch, PyTorch in its fourth, with these epochs on disk."""
    async with on_stage(training(), size, saved=saved) as stage:
        folder = stage.session.run.path
        keep_epochs(folder, epochs, ["numpy"])
        keep_epochs(folder, [one for one in epochs if one <= 3], ["torch"])
        yield stage


def wrong_then(stage: Stage, epoch: int) -> dict[str, int]:
    """Return how many validation digits each model read wrong at an epoch."""
    epochs = PastEpochs(FakeFolder(stage.session.run.path), CONFIG)
    found = epochs.evaluate(epochs.read(epoch), digits(), "validation")
    labels = digits().validation_labels
    return {name: int((one.predictions != labels).sum()) for name, one in found.items()}


async def test_the_epoch_stays_while_the_screens_change_and_training_continues(
    tmp_path: Path,
) -> None:
    async with with_history(tmp_path) as stage:
        assert "epochs 0" not in stage.text(), "the first screen stays calm"
        await stage.press(BACK, BACK)
        assert "epoch 3 of 12 · end: now" in stage.row("mlpwatch")
        assert stage.row("epochs 0").split("kept")[0].split() == [
            "epochs",
            "0",
            "━━━●━━",
            "12",
            "6",
        ]
        await stage.press("w")
        await until(lambda: "NumPy  epoch 3 · step 60" in stage.text(), stage.pilot)
        assert "PyTorch  epoch 3 · step 60" in stage.text()
        await stage.press("escape", "m")
        wrong = wrong_then(stage, 3)
        title = f"NumPy wrong {wrong['numpy']}    PyTorch wrong {wrong['torch']} "
        await until(lambda: title in stage.text(), stage.pilot)
        assert "epoch 3 of 12 · end: now" in stage.row("true label")
        newest = epoch_read("numpy", 6)
        await stage.feed(newest)
        assert title in stage.text(), "training continues, and the past stays"
        await stage.press("escape", "u")
        assert "NumPy  epoch 3" in stage.text()
        await stage.press("escape", "e")
        assert "epoch 3 of 12" in stage.text()
        await stage.press("right")
        await until(lambda: "step 61: epoch 4, batch 1 of 20" in stage.text(), stage.pilot)
        assert "Space pauses" not in stage.text(), "a past step is known while it trains"
        await stage.press("escape")
        assert isinstance(stage.app.screen, Dashboard)
        assert "epoch 3 of 12" in stage.text()
        await stage.press("end")
        assert "epochs 0" not in stage.text()


def same(found: Callable[[], object], expected: object) -> bool:
    return found() == expected


async def test_the_drawing_is_read_by_the_networks_of_then(tmp_path: Path) -> None:
    async with with_history(tmp_path, size=(100, 30)) as stage:
        await stage.press("d", "space", *["down"] * 4)
        await until(lambda: stage.session.questions > 0, stage.pilot)
        shown, screen = stage.app.runs.top.shown, stage.app.screen
        assert isinstance(screen, DrawScreen)
        predictions, easel = screen._predictions, screen._easel
        assert predictions is not None
        assert easel is not None
        epochs, seen = PastEpochs(FakeFolder(stage.session.run.path), CONFIG), []
        for epoch in (4, 3, 2):
            await stage.press(BACK)
            found = epochs.predict(epochs.read(epoch), digits(), easel.network_input)
            expected = {n: [float(p) for p in one.probabilities[0]] for n, one in found.items()}
            await until(partial(same, lambda: predictions.probabilities, expected), stage.pilot)
            assert shown.epoch == epoch
            seen.append(expected["numpy"])
        assert seen[0] != seen[2]
        asked = stage.session.questions
        await stage.press("end")
        await until(lambda: stage.session.questions > asked, stage.pilot)


@pytest.mark.parametrize("key", ["m", "w", "d", "e"])
async def test_a_damaged_epoch_is_a_line_on_the_screen_and_the_next_one_is_shown(
    tmp_path: Path, key: str
) -> None:
    async with with_history(tmp_path, range(4)) as stage:
        path = stage.session.run.path / "history" / past_name("numpy", 2)
        path.write_bytes(b"x" * 40)
        await stage.press(key, BACK)
        await until(lambda: "epoch 3 of 12" in stage.text(), stage.pilot)
        await stage.press(BACK)
        await until(lambda: "epoch 2 can't be shown" in stage.text(), stage.pilot)
        await stage.press(BACK)
        await until(lambda: "epoch 1 of 12" in stage.text(), stage.pilot)
        assert "can't be shown" not in stage.text()


async def test_an_epoch_that_is_thinned_out_while_one_looks_stays_until_one_moves(
    tmp_path: Path,
) -> None:
    async with with_history(tmp_path, range(4)) as stage:
        await stage.press("w", BACK, BACK)
        await until(lambda: "NumPy  epoch 2" in stage.text(), stage.pilot)
        for name in ("numpy", "torch"):
            (stage.session.run.path / "history" / past_name(name, 2)).unlink()
        await stage.press("escape", "m")
        wrong = wrong_then(stage, 1)
        await until(lambda: "epoch 2 of 12" in stage.row("true label"), stage.pilot)
        await stage.press(BACK)
        await until(lambda: f"NumPy wrong {wrong['numpy']} " in stage.text(), stage.pilot)


async def test_home_and_end_go_through_the_epochs_only_in_the_past(tmp_path: Path) -> None:
    async with with_history(tmp_path) as stage:
        await stage.press("m", "end")
        assert "epochs 0" not in stage.text()
        assert stage.app.screen._selection.place > 0  # type: ignore[attr-defined]
        await stage.press(BACK, "home")
        await until(lambda: "epoch 0 of 12" in stage.row("true label"), stage.pilot)
        await stage.press("end")
        assert "NumPy epoch 5" in stage.row("true label")


async def test_without_a_history_the_keys_say_so(tmp_path: Path) -> None:
    async with on_stage(training(), saved=tmp_path) as stage:
        await stage.press("w", BACK)
        assert "no past epoch of this run is kept" in stage.text()
        await stage.press("escape", BACK)
        assert "epoch 4 of 12" in stage.text(), "the numbers are in the logs"
        assert "none is kept" in stage.row("epochs 0")
        await stage.press("w")
        assert "the weights of epoch 4 are not kept; this is now" in stage.text()


async def test_images_of_one_split_never_get_the_predictions_of_the_other(tmp_path: Path) -> None:
    async with with_history(tmp_path) as stage:
        data = digits()
        assert len(data.test_labels) != len(data.validation_labels)
        await stage.press(BACK, BACK, "m", "T")
        screen = stage.app.screen
        assert isinstance(screen, MistakesScreen)

        def shows_the_test() -> bool:
            return len(screen._selection.predictions.labels) == len(data.test_labels)

        await until(shows_the_test, stage.pilot)
        await stage.press(BACK)  # an epoch whose validation images have not been read
        await until(lambda: "epoch 2 of 12" in stage.text() and shows_the_test(), stage.pilot)
        screen.action_toggle_test()
        assert not shows_the_test(), "though its own predictions are not read yet"
        await stage.press("end")
        await until(lambda: len(screen._selection.predictions.now) == 2, stage.pilot)
        assert len(screen._selection.predictions.labels) == len(data.validation_labels)
