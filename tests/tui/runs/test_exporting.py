"""Export from the screen: a dialog of formats, a line while it writes, then the path or why not."""

from pathlib import Path

import pytest

from mlpwatch.core.errors import InputError, RunError
from mlpwatch.core.report.formats import FORMATS
from mlpwatch.tui.kit.dialogs import LineEntry
from mlpwatch.tui.runs import exporting
from mlpwatch.tui.runs.exporting import checked_format, exported
from tests.support.samples.scenes import finished
from tests.support.stage import on_stage


async def test_a_key_exports_the_run_on_the_dashboard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, str]] = []

    async def answer(folder: Path, kind: str) -> str:
        asked.append((folder.name, kind))
        return "wrote /somewhere/run.html"

    monkeypatch.setattr(exporting, "exported", answer)
    async with on_stage(finished()) as stage:
        await stage.press("E")
        await stage.look()
        assert isinstance(stage.app.screen, LineEntry)
        for name, one in FORMATS.items():
            assert name in stage.text()
            assert one.summary in stage.text()
        await stage.press("enter")
        await stage.see("wrote /somewhere/run.html")
        assert asked == [(stage.session.run.path.name, "html")]
        await stage.press("E")
        await stage.look()
        await stage.press("escape")
        assert len(asked) == 1


async def test_a_fault_is_the_line_of_the_command(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nothing.*not found"):
        await exported(tmp_path / "nothing", "csv")


def test_only_formats_are_taken() -> None:
    assert checked_format(" HTML ") == "html"
    with pytest.raises(InputError, match="'pdf': expected one of csv, json, html"):
        checked_format("pdf")
