"""Y: the terminal's clipboard gets the command of the run, or the numbers under the crosshair."""

import base64
import re
from pathlib import Path

import pytest

from mlpwatch.core.runs.manifest import DatasetInfo
from mlpwatch.core.runs.run import Run
from tests.support.samples.scenes import CONFIG, FakeSession, training
from tests.support.stage import Stage, on_stage


@pytest.fixture(autouse=True)
def known_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal with a clipboard."""
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("TMUX", "STY", "TERM_PROGRAM"):
        monkeypatch.delenv(name, raising=False)


def listen(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what is written to the terminal beside the frames."""
    written: list[str] = []
    monkeypatch.setattr(stage.app.driver, "write", written.append)
    return written


def copied(written: list[str]) -> str:
    (found,) = re.findall(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\a", "".join(written))
    return base64.b64decode(found).decode()


def saved_session(tmp_path: Path) -> FakeSession:
    session = FakeSession(CONFIG)
    data = session.dataset
    info = DatasetInfo(data.name, data.sha256, data.image_shape, data.classes, data.names)
    session.run.path = Run.create(tmp_path, "demo", CONFIG, info).path
    return session


async def test_the_command_makes_the_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_stage(training(), session=saved_session(tmp_path)) as stage:
        written = listen(stage, monkeypatch)
        await stage.press("Y")
        command = copied(written)
        assert f"copied: {command}" in stage.text()
    assert command == "mlpwatch train --data digits --hidden 32 --batch-size 50 --epochs 12"


async def test_under_a_crosshair_the_numbers_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    async with on_stage(training()) as stage:
        await stage.press("left")
        written = listen(stage, monkeypatch)
        await stage.press("Y")
        rows = [line.split("\t") for line in copied(written).splitlines()]
        assert "copied: the numbers at" in stage.text()
        names = rows[0]
        assert [row[0] for row in rows[1:]] == ["NumPy", "PyTorch"]
        for row, engine in zip(rows[1:], stage.state.engines.values(), strict=True):
            found = dict(zip(names, row, strict=True))
            epoch = engine.last_epoch(int(found["step"]))
            assert epoch is not None
            assert float(found["val_accuracy"]) == epoch.val_accuracy
            assert float(found["val_loss"]) == epoch.val_loss
            assert int(found["epoch"]) == epoch.epoch


async def test_what_cannot_be_copied_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_stage(training(), session=saved_session(tmp_path)) as stage:
        written = listen(stage, monkeypatch)
        monkeypatch.setenv("TERM", "linux")
        await stage.press("Y")
        assert "this terminal has no clipboard: mlpwatch train" in stage.text()
        assert "]52;" not in "".join(written)
        (stage.session.run.path / "config.json").unlink()
        await stage.press("Y")
        assert "nothing copied: " in stage.text()
