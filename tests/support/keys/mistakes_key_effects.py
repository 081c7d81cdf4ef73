"""What each key does among the mistakes; see `tests.support.keys.key_effects`."""

from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.mistakes.digit_view import DigitView
from tests.support.keys.key_effects import EFFECTS, Effect, effect
from tests.support.stage import Stage


def moves_to(place: str, *before: str) -> Effect:
    async def proof(stage: Stage, key: str) -> None:
        await stage.press("m", *before, key)
        assert f" {place} of 90 " in stage.text()

    return proof


EFFECTS["mistakes", "move(1)"] = moves_to("2")
EFFECTS["mistakes", "move(-1)"] = moves_to("90")
EFFECTS["mistakes", "move_row(1)"] = moves_to("15")
EFFECTS["mistakes", "move_row(-1)"] = moves_to("1", "down")
EFFECTS["mistakes", "move_page(1)"] = moves_to("11", "enter")
EFFECTS["mistakes", "move_page(-1)"] = moves_to("81", "enter")
EFFECTS["mistakes", "first"] = moves_to("1", "right")
EFFECTS["mistakes", "last"] = moves_to("90")


def shows(words: str, *before: str) -> Effect:
    async def proof(stage: Stage, key: str) -> None:
        await stage.press("m", *before)
        assert words not in stage.text()
        await stage.press(key)
        assert words in stage.text()

    return proof


EFFECTS["mistakes", "next_list(1)"] = shows("▸ PyTorch wrong")
EFFECTS["mistakes", "next_list(-1)"] = shows("▸ newly right")
EFFECTS["mistakes", "next_order"] = shows("surest mistakes first")
EFFECTS["mistakes", "filter_true"] = shows("true label 0 · read as any")
EFFECTS["mistakes", "filter_predicted"] = shows("true label any · read as 0")
EFFECTS["mistakes", "clear_filters"] = shows("true label any · read as any", "t", "f")


@effect("mistakes", "toggle_test")
async def turns_to_the_test_images_and_back(stage: Stage, key: str) -> None:
    await stage.press("m", key)
    await stage.app.workers.wait_for_complete()
    await stage.look()
    assert "test image " in stage.text()
    assert "validation image " not in stage.text()
    await stage.press(key)
    assert "validation image " in stage.text()


@effect("mistakes", "open")
async def enlarges_the_digit(stage: Stage, key: str) -> None:
    await stage.press("m", "right", key)
    assert stage.app.screen.query_one(DigitView).display
    assert "true label       6" in stage.text()
    assert "2 of 90 · validation image 1,007" in stage.text()


@effect("mistakes", "next_renderer")
async def draws_pixels_in_another_way(stage: Stage, key: str) -> None:
    # Of 16 colours no two are shades of grey.
    await stage.press("m", "enter")
    assert "@@@@" in stage.text()
    await stage.press(key)
    assert "@@@@" not in stage.text()
    assert "⣿⣿⣿⣿" in stage.text()


@effect("mistakes", "back")
async def goes_back_to_the_dashboard(stage: Stage, key: str) -> None:
    await stage.press("m", key)
    assert isinstance(stage.app.screen, Dashboard)


@effect("mistakes", "next_gradient")
async def marks_what_speaks_for_the_reading_then_for_the_true_label(stage: Stage, key: str) -> None:
    await stage.press("m", "enter")
    assert "more ink for" not in stage.text()
    for label in (stage.row("NumPy   predicts").split("predicts ")[1][0], true_label(stage)):
        await stage.press(key)
        await stage.says(f"against (−) {label}")
    await stage.press(key)
    assert "more ink for" not in stage.text()


def true_label(stage: Stage) -> str:
    return stage.row("true label  ").split()[-1]


@effect("mistakes", "toggle_neighbours")
async def shows_neighbours_instead_of_the_bars(stage: Stage, key: str) -> None:
    await stage.press("m", key)
    await stage.says("in NumPy · true label")
    assert "true label  " in stage.text(), "with room for both there are both"
    await stage.pilot.resize_terminal(80, 24)
    await stage.press(key)
    assert "true label  " in stage.text()
    await stage.press(key)
    assert "true label  " not in stage.text()
    await stage.says("in NumPy · true label")


@effect("mistakes", "other_model")
async def asks_the_other_model(stage: Stage, key: str) -> None:
    await stage.press("m")
    for name in ("PyTorch", "NumPy"):
        await stage.press(key)
        await stage.says(f"in {name} · true label")
