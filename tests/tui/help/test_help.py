"""The help is made from the key table, scrolls, and any other key closes it."""

import re
from collections import Counter

import pytest
from textual.events import Key
from textual.keys import _character_to_key as character_to_key

from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.help.screen import HelpScreen
from mlpwatch.tui.help.text import help_text, laid_out
from mlpwatch.tui.kit.keys import KEYS
from mlpwatch.tui.kit.look import Look
from tests.support.samples.scenes import training
from tests.support.stage import on_stage

pytestmark = pytest.mark.slow


async def test_all_keys_are_on_a_high_screen() -> None:
    async with on_stage(training(), (140, 150)) as stage:
        await stage.press("question_mark")
        for key in KEYS:
            # A sweep's and a log's keys are in the help of their own screens, which no other opens.
            if key.where not in ("sweep", "metrics"):
                assert f"{key.shown:<10} {key.help}" in stage.text()
        assert "In a sweep" not in stage.text()


@pytest.mark.parametrize(("key", "heading"), [("m", "Among the mistakes"), ("e", "In the expl")])
async def test_what_works_here_comes_first(key: str, heading: str) -> None:
    async with on_stage(training()) as stage:
        await stage.press(key, "question_mark")
        assert stage.text().index(heading) < stage.text().index("Everywhere")


@pytest.mark.parametrize("key", ["space", "q", "s", "escape", "question_mark", "m", "tab", "enter"])
async def test_any_other_key_closes_it_and_does_nothing_else(key: str) -> None:
    async with on_stage(training()) as stage:
        await stage.press("question_mark", key)
        assert isinstance(stage.app.screen, Dashboard)
        assert {engine.phase for engine in stage.state.engines.values()} == {"training"}
        assert stage.state.message == ""


async def test_keys_typed_in_one_burst_behind_it_are_not_lost() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        # Posted without a turn of the loop in between, as one read of the terminal brings them.
        for burst, left in (("?q", Dashboard), ("?x?", HelpScreen), ("q?x", Dashboard)):
            for character in burst:
                name = character_to_key(character)
                stage.app.post_message(Key(name, character))
            await stage.pilot.pause()
            assert isinstance(stage.app.screen, left), burst
            assert not stage.app.shutdown.is_asked


@pytest.mark.parametrize(("size", "columns"), [((80, 24), 1), ((140, 40), 2), ((220, 60), 3)])
def test_a_wide_terminal_has_room_for_columns(size: tuple[int, int], columns: int) -> None:
    for here in ("draw", "weights", "explain", "dashboard", "sweep"):
        rows = laid_out(here, size, Look()).plain.split("\n")
        assert max(map(len, rows)) <= size[0] - 6
        headings = ("In the", "On the", "Among", "Everywhere", "Comparing", "Typing", "Asked")
        starts = {
            match.start() for row in rows for match in re.finditer("|".join(headings), row)
            if row[: match.start()].strip() == "" or row[: match.start()].endswith("  ")
        }  # fmt: skip
        assert len(starts) == columns
        words = Counter(" ".join(rows).split())
        assert words == Counter(help_text(here).split()), "nothing is left out, nothing twice"
        assert size[1] >= len(rows) or columns < 3, "the widest holds all"


async def test_a_small_screen_scrolls_to_the_last_line() -> None:
    last = help_text().split("\n")[-1].split()[-1]
    async with on_stage(training(), (80, 24)) as stage:
        await stage.press("question_mark")
        assert last not in stage.text()
        await stage.press("end")
        assert last in stage.text()
        assert isinstance(stage.app.screen, HelpScreen)
        await stage.press("home", "x")
        assert isinstance(stage.app.screen, Dashboard)


async def test_ctrl_c_leaves_from_here_too() -> None:
    async with on_stage(training()) as stage:
        await stage.press("question_mark", "ctrl+c")
        assert stage.session.ended


def test_plain_help_names_the_arrows_in_words() -> None:
    text = help_text(look=Look(ascii_only=True))
    assert text.isascii()
    assert "  right        next sample" in text
    assert "  shift+right  crosshair" in text, "all begin in the same column"


async def test_in_a_narrow_terminal_a_line_goes_on_below_its_own_text() -> None:
    async with on_stage(training(), (46, 48)) as stage:
        await stage.press("question_mark")
        rows = [row.rstrip() for row in stage.text().split("\n")]
    start = next(n for n, row in enumerate(rows) if "shift+tab" in row)
    after = next(row for row in rows[start:] if "right in the matrix" in row or "left in" in row)
    following = rows[rows.index(after) + 1]
    assert following.index(following.strip()) == after.index("left in")


async def test_opened_again_it_begins_at_the_top_in_the_size_of_now() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await stage.press("question_mark", "end", "x")
        await stage.pilot.resize_terminal(46, 18)
        await stage.press("question_mark")
        again = stage.text()
        stage.app.push_screen(HelpScreen("dashboard"))
        await stage.pilot.pause()
        assert "On the dashboard" in again
        assert stage.text() == again
