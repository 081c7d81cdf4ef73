"""What each key of the draw screen and of the tour does; see `tests.support.keys.key_effects`."""

from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.draw.screen import DrawScreen
from mlpwatch.tui.draw.view import DrawView
from tests.support.keys.key_effects import EFFECTS, Effect, effect, phases
from tests.support.stage import Stage, until


@effect("dashboard", "app.draw")
async def opens_the_drawing(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert isinstance(stage.app.screen, DrawScreen)


def ink(stage: Stage) -> set[tuple[int, int]]:
    """The cells (column, row) of the paper that have ink."""
    rows = stage.app.screen.query_one(DrawView).text().split("\n")
    papers = [row.split("│")[1] for row in rows if row.startswith("│")]
    return {(x, y) for y, row in enumerate(papers) for x, cell in enumerate(row) if cell in "░▒▓█"}


def moved(cells: set[tuple[int, int]], right: int, down: int) -> set[tuple[int, int]]:
    """The same ink elsewhere, by pixels: 8 columns and 4 rows each at 140x40."""
    return {(x + 8 * right, y + 4 * down) for x, y in cells}


@effect("draw", "toggle_pen")
async def puts_the_pen_down_and_lifts_it(stage: Stage, key: str) -> None:
    await stage.press("d")
    assert not ink(stage)
    await stage.press(key)
    assert "pen down" in stage.text()
    dot = ink(stage)
    assert dot
    await stage.press("right", key)
    line = ink(stage)
    assert line > dot
    assert "pen up" in stage.text()
    await stage.press("right")
    assert ink(stage) == line
    assert phases(stage) == ["training", "training"]


def moves_the_pen(right: int, down: int) -> Effect:
    async def proof(stage: Stage, key: str) -> None:
        await stage.press("d", "space", "space")
        dot = ink(stage)
        await stage.press("c", key, "space")
        assert ink(stage) == moved(dot, right, down)

    return proof


def shifts_the_drawing(right: int, down: int) -> Effect:
    async def proof(stage: Stage, key: str) -> None:
        await stage.press("d", "space", "space")
        dot = ink(stage)
        await stage.press(key)
        assert ink(stage) == moved(dot, right, down)

    return proof


for _right, _down in ((0, -1), (0, 1), (-1, 0), (1, 0)):
    EFFECTS["draw", f"move({_right}, {_down})"] = moves_the_pen(_right, _down)
    EFFECTS["draw", f"shift({_right}, {_down})"] = shifts_the_drawing(_right, _down)


@effect("draw", "toggle_eraser")
async def erases(stage: Stage, key: str) -> None:
    await stage.press("d", "space", key)
    assert "eraser down: arrows erase" in stage.text()
    await stage.press("right", "left")
    assert not ink(stage)
    await stage.press(key, "right")
    assert ink(stage)


@effect("draw", "clear")
async def clears_the_paper(stage: Stage, key: str) -> None:
    await stage.press("d", "space", "right", key)
    assert not ink(stage)
    assert "pen up" in stage.text()


@effect("draw", "keep")
async def keeps_the_drawing(stage: Stage, key: str) -> None:
    await stage.press("d", "space", "down", "down", key)
    assert "what is it? 0 to 9 keeps it so labelled" in stage.text()
    await stage.press("1")
    await until(lambda: "your set  1 drawing" in stage.text(), stage.pilot)
    assert phases(stage) == ["training", "training"], "1 was a label"


async def keeps(stage: Stage, labels: str) -> None:
    """Keep the drawing once under each label, the last one newest."""
    await stage.press("d", "space", "down", "down")
    for n, label in enumerate(labels, start=1):
        await stage.press("enter", label)
        words = f"your set  {n} drawing"
        await until(lambda words=words: words in stage.text(), stage.pilot)  # type: ignore[misc]


@effect("draw", "delete")
async def deletes_the_newest(stage: Stage, key: str) -> None:
    await keeps(stage, "71")
    await stage.press(key)
    await until(lambda: "your set  1 drawing" in stage.text(), stage.pilot)
    assert "deleted a 1 from your set; u restores it" in stage.text()
    await stage.press(key)
    await until(lambda: "your set  0 drawings" in stage.text(), stage.pilot)
    await stage.press(key)
    await stage.says("nothing to delete")


@effect("draw", "take_back")
async def takes_back_what_was_deleted(stage: Stage, key: str) -> None:
    await keeps(stage, "71")
    await stage.press("backspace", "backspace", key)
    await until(lambda: "your set  1 drawing" in stage.text(), stage.pilot)
    assert "restored a 7" in stage.text()
    await stage.press(key, key)
    await until(lambda: "your set  2 drawings" in stage.text(), stage.pilot)
    await stage.says("nothing to restore")


@effect("draw", "choose(1)")
async def chooses_an_older_one(stage: Stage, key: str) -> None:
    await keeps(stage, "713")
    await stage.press(key, key, "backspace")
    await until(lambda: "your set  2 drawings" in stage.text(), stage.pilot)
    assert "deleted a 1 from" in stage.text()
    await stage.press("enter", "9")
    await until(lambda: "your set  3 drawings" in stage.text(), stage.pilot)
    await stage.press("backspace")
    await stage.says("deleted a 9 from")


@effect("draw", "choose(-1)")
async def chooses_a_newer_one(stage: Stage, key: str) -> None:
    await keeps(stage, "713")
    await stage.press("pagedown", "pagedown", "pagedown", key, "backspace")
    await until(lambda: "your set  2 drawings" in stage.text(), stage.pilot)
    assert "deleted a 1 from" in stage.text()


@effect("draw", "toggle_centring")
async def shows_it_as_drawn(stage: Stage, key: str) -> None:
    await stage.press("d", "space", "down")
    assert "networks see it as high as the field" in stage.text()
    await stage.press(key)
    assert "networks see it as drawn" in stage.text()


@effect("draw", "app.toggle_pause")
async def pauses_while_drawing(stage: Stage, key: str) -> None:
    await stage.press("d", key)
    assert phases(stage) == ["paused", "paused"]


@effect("draw", "back")
async def goes_back_from_the_drawing(stage: Stage, key: str) -> None:
    await stage.press("d", key)
    assert isinstance(stage.app.screen, Dashboard)


@effect("explain", "turn(1)")
async def turns_to_the_next_page(stage: Stage, key: str) -> None:
    await stage.press("e", key)
    assert "2/6  Forward" in stage.text()


@effect("explain", "turn(-1)")
async def turns_to_the_page_before(stage: Stage, key: str) -> None:
    await stage.press("e", key)
    assert "6/6  The update" in stage.text()


async def open_unit(stage: Stage) -> str:
    """Open the page of a unit, and return which unit and image it shows."""
    await stage.press("space", "e", *["right"] * 4)
    await stage.see("z = Σ w x + b")
    return stage.row("layer 0, unit").split("  ")[0]


def chooses(back: str, there: str) -> Effect:
    """Return the proof that a key leads on, and another one back."""

    async def proof(stage: Stage, key: str) -> None:
        first = await open_unit(stage)
        await stage.press(key)
        assert first not in stage.text()
        assert there in stage.text()
        await stage.press(back)
        assert first in stage.text()

    return proof


EFFECTS["explain", "unit(1)"] = chooses("up", "layer 0, unit ")
EFFECTS["explain", "unit(-1)"] = chooses("down", "layer 0, unit ")
EFFECTS["explain", "item(1)"] = chooses("p", "image 2 of 50")
EFFECTS["explain", "item(-1)"] = chooses("n", "image 50 of 50")
EFFECTS["explain", "layer(1)"] = chooses("pageup", "layer 1, unit ")
EFFECTS["explain", "layer(-1)"] = chooses("pagedown", "layer 1, unit ")


@effect("explain", "toggle_code")
async def shows_the_source_alone(stage: Stage, key: str) -> None:
    await stage.press("e", key)
    assert "core/network/losses.py  CrossEntropy.forward" in stage.text()
    assert "gradient norm" not in stage.text()
    await stage.press(key)
    assert "CrossEntropy.forward" in stage.text()
    assert "What this page computes" not in stage.text()
