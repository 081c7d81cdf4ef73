"""What the dashboard says, in words and numbers, at every moment of a run."""

import re
from dataclasses import replace

import numpy as np
import pytest

from mlpwatch.core.config import EngineName
from mlpwatch.core.events import (
    CheckpointSaved,
    EpochDone,
    Event,
    Paused,
    SaveFailed,
    StepDone,
)
from mlpwatch.tui.dashboard.confusion import ConfusionMatrix
from tests.support.samples.scenes import (
    CONFIG,
    WHY_DIVERGED,
    FakeSession,
    digits,
    ended,
    epoch_done,
    epoch_read,
    evaluation,
    failed,
    finished,
    loss_at,
    started,
    trained,
    training,
)
from tests.support.stage import Stage, on_stage, until, while_loading

pytestmark = pytest.mark.slow

MARKUP = "[bold red]not markup[/] [/oops] \x1b[2Jgone\x07 \u202ebackwards"
SIZES = [(220, 60), (140, 40), (80, 24), (40, 10), (20, 5), (1, 1)]


def matrix(stage: Stage, engine: str) -> ConfusionMatrix:
    return stage.app.screen.query_one(f"#{engine}-confusion", ConfusionMatrix)


async def test_while_loading_it_says_what_it_waits_for() -> None:
    async with while_loading((80, 24)) as stage:
        assert "importing NumPy, scikit-learn and PyTorch" in stage.row("mlpwatch")
        assert stage.text().count("loading") == 2
        await stage.press("space", "full_stop", "s", "right_square_bracket", "tab", "enter", "o")
        assert stage.text().count("loading") == 2, "no key does harm while there is no session"


async def test_the_header_names_what_is_trained_and_how_long_it_takes() -> None:
    async with on_stage(training()) as stage:
        header = stage.text().split("\n")[0]
    assert "digits · 64-32-10 · relu · sgd · twin" in header
    # PyTorch is the slower: 240 - 67 steps at 0.08 s.
    assert "0:05 · about 0:13 left" in header
    assert header.endswith("rate 0.3 · batch 50"), "settings, where there is room"


async def test_the_header_gives_way_from_the_right() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        assert stage.text().split("\n")[0].endswith("limit 8 steps/s, ] lifts it")
        await stage.press("right_square_bracket")
        assert stage.text().split("\n")[0].endswith("about 0:13 left")


async def test_each_models_status_tells_loss_accuracy_and_speed() -> None:
    async with on_stage(training(), (220, 60)) as stage:
        accuracy = evaluation("numpy", 5).accuracy
        loss = stage.state.engines["numpy"].loss
        line = stage.row("samples/s").split(" loss ")[1]
    assert f"val {accuracy * 100:6.2f} %" in line
    assert line.startswith(f"{loss:.4f}")
    # 20 steps/s of 50 images each.
    assert re.search(r"\b1,000 samples/s   1 thread   0:05 · 0:06 left", line)


async def test_where_one_panel_fits_zooming_says_so() -> None:
    async with on_stage(training(), size=(80, 24)) as stage:
        await stage.press("z")
        assert "one panel fills this screen; tab shows the next" in stage.text()


async def test_paused_is_said_for_each_model() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await stage.press("2")
        assert re.search(r"training .* paused$", stage.row("NumPy"))
        await stage.press("1")
        assert re.search(r"paused .* paused$", stage.row("NumPy"))


async def test_the_last_numbers_before_silence_are_shown_soon_without_another_event() -> None:
    async with on_stage(training(), (80, 24), fps=50.0) as stage:
        # Two events closer together than numbers may change, then nothing.
        stage.session.feed(trained("numpy", 108, first=108))
        stage.session.pause()
        await until(lambda: stage.row("NumPy").count("paused") == 2, stage.pilot)


async def test_the_end_tells_test_accuracies_and_where_the_run_lies() -> None:
    async with on_stage(finished()) as stage:
        line = stage.row("test ")
        for name in ("numpy", "torch"):
            assert f"test {evaluation(name, 12, test=True).accuracy * 100:6.2f} %" in line
        assert stage.row("NumPy").count("finished") == 2
        assert "saved in saved/2026-11-23-twin-k3f9" in stage.text()
        assert "left" not in stage.text().split("\n")[0]
        assert "limit" not in stage.text().split("\n")[0]


async def test_divergence_is_said_with_step_layer_and_advice_while_the_other_goes_on() -> None:
    async with on_stage(failed()) as stage:
        assert re.search(r"training .* diverged$", stage.row("NumPy"))
        why, _, advice = WHY_DIVERGED.partition("; ")
        assert "lower" in advice
        assert f"B goes back, half the rate: PyTorch diverged: {why}" in stage.text()
        await stage.feed(*trained("numpy", 120, first=108))
        assert "epoch  6/12" in stage.row("NumPy")


async def test_a_failed_save_is_said() -> None:
    async with on_stage(training()) as stage:
        await stage.feed(SaveFailed("numpy", 107, "saved/x/numpy.safetensors", "disk full"))
        assert "not saved at saved/x/numpy.safetensors: disk full" in stage.text()
        await stage.feed(CheckpointSaved("numpy", 110, "saved/x/numpy.safetensors"))
        assert "disk full" not in stage.text()


@pytest.mark.parametrize("engine", ["numpy", "torch"])
async def test_the_matrix_shows_the_evaluations_counts(engine: EngineName) -> None:
    async with on_stage(training()) as stage:
        rows = matrix(stage, engine).text().split("\n")[2:12]
    counts = evaluation(engine, 5 if engine == "numpy" else 3).confusion
    for true, row in enumerate(rows):
        name, *cells = row.split()
        assert name == str(true)
        assert [0 if cell == "·" else int(cell) for cell in cells] == counts[true].tolist()


@pytest.mark.parametrize("size", [(220, 60), (120, 36), (80, 36), (80, 24)])
async def test_every_class_has_a_row_wherever_all_panels_are_shown(size: tuple[int, int]) -> None:
    async with on_stage(training(), size) as stage:
        await stage.press(*(["tab", "tab"] if size[1] < 36 else []))
        rows = matrix(stage, "torch").text().rstrip().split("\n")
        assert [row.split()[0] for row in rows[2:]] == list("0123456789")
        if size[1] >= 36:
            charts = [stage.app.screen.query_one(f"#numpy-{name}") for name in ("loss", "accuracy")]
            heights = sorted(chart.size.height for chart in charts)
            assert heights[0] >= 8
            assert heights[1] - heights[0] <= 1


async def test_the_cell_under_the_cursor_is_read_out_for_both_models() -> None:
    async with on_stage(training()) as stage:
        await stage.press("tab", "tab")
        assert "arrows choose a cell, enter shows its digits" in stage.text()
        await stage.press("enter")
        cursor = matrix(stage, "numpy").cursor
        assert cursor is not None
        true, predicted = cursor
        numpy, torch = evaluation("numpy", 5).confusion, evaluation("torch", 3).confusion
        off_diagonal = numpy - np.diag(np.diag(numpy))
        assert numpy[cursor] == off_diagonal.max(), "it begins on the most frequent mistake"
        of, shares = numpy[true].sum(), [100 * n[cursor] / n[true].sum() for n in (numpy, torch)]
        expected = (
            f"{true} predicted as {predicted}: NumPy {numpy[cursor]} of {of} ({shares[0]:.1f} %) · "
            f"PyTorch {torch[cursor]} of {of} ({shares[1]:.1f} %) · enter opens"
        )
        assert expected in stage.text()
        assert matrix(stage, "torch").cursor == cursor
        nobody = int(np.flatnonzero(numpy[true] + torch[true] == 0)[0])
        await stage.press(*["right" if nobody > predicted else "left"] * abs(nobody - predicted))
        assert stage.row(f"{true} predicted as {nobody}: NumPy 0 of").endswith(" (0.0 %)")


async def test_a_click_on_the_second_matrix_moves_both_cursors_and_tab_takes_the_arrows_back() -> (
    None
):
    async with on_stage(training()) as stage:
        await stage.pilot.click("#torch-confusion", offset=(8, 5))
        await stage.look()
        assert matrix(stage, "numpy").cursor == matrix(stage, "torch").cursor is not None
        assert "▸ confusion" in stage.text()
        before = matrix(stage, "numpy").cursor
        await stage.press("tab", "left")
        assert "step 67:" in stage.row("▸ loss")
        assert matrix(stage, "numpy").cursor == before


async def test_the_arrows_still_read_out_steps_after_another_screen_was_open() -> None:
    async with on_stage(training()) as stage:
        await stage.press("m", "escape", "left")
        assert "step 67:" in stage.row("▸ loss")


async def test_a_double_click_opens_the_digits_of_that_model() -> None:
    async with on_stage(training()) as stage:
        await stage.pilot.click("#torch-confusion", offset=(8, 5), times=2)
        await stage.look()
        assert "▸ PyTorch wrong" in stage.text()


async def test_the_epoch_read_out_tells_the_epochs_numbers() -> None:
    async with on_stage(training()) as stage:
        await stage.press("pageup")
        record = epoch_done("numpy", 3).record
        numbers = f"epoch 3: {loss_at('numpy', 60):.4f}, val {record.val_loss:.4f}"
        assert numbers in stage.row("▸ loss")
        assert f"epoch 3: {100 * record.val_accuracy:.2f} %" in stage.row("accuracy %")


async def test_a_resumed_run_shows_its_past_at_once() -> None:
    past: list[Event] = [
        epoch_read(engine, n, train_loss=1.0 / n, val_loss=1.1 / n, accuracy=0.5 + n / 10)
        for engine in ("numpy", "torch")
        for n in (1, 2, 3)
    ]
    session = FakeSession(past=past)
    async with on_stage(session=session) as stage:
        await stage.feed(started("numpy", first_step=65, seconds=3.2))
        assert "epoch  3/12" in stage.row("NumPy")
        assert "val  80.00 %" in stage.text()
        await stage.press("pageup", "pageup")
        assert "epoch 2: 0.5000 (20 steps), val 0.5500" in stage.row("▸ loss")


async def test_a_model_that_diverged_at_once_waits_for_no_epoch_and_says_why_in_full() -> None:
    events = [started("numpy"), *trained("numpy", 30), started("torch"), *trained("torch", 3)]
    async with on_stage([*events, ended("torch", "diverged", WHY_DIVERGED, step=3)]) as stage:
        rows = [row[70:] for row in stage.text().split("\n")]
        shown = " ".join(" ".join(rows[2:4]).split())
        assert shown == WHY_DIVERGED, "in its own half, folded at words"
        assert "after the first epoch" not in stage.text()
        assert stage.text().count("it ended before its first epoch was done") == 2


@pytest.mark.parametrize("only", ["numpy", "torch"])
async def test_one_engine_alone_has_the_whole_width(only: EngineName) -> None:
    session = FakeSession(config=replace(CONFIG, only=only))
    title, other = ("NumPy", "PyTorch") if only == "numpy" else ("PyTorch", "NumPy")
    async with on_stage([started(only), *trained(only, 50)], session=session) as stage:
        await stage.press("o", "1", "2", "tab", "tab", "down", "left")
        assert other not in stage.text()
        assert len(stage.row(title)) > 130
        await stage.press("enter")
        assert f"▸ {title} wrong" in stage.text()
        assert other not in stage.text()


async def test_markup_and_control_characters_are_shown_as_text() -> None:
    session = FakeSession(dataset=replace(digits(), name=MARKUP))
    async with on_stage(training(), (220, 60), session=session) as stage:
        shown = r"[bold red]not markup[/] [/oops] \x1b[2Jgone\x07 \u202ebackwards"
        assert shown in stage.text().split("\n")[0]
        await stage.feed(SaveFailed("numpy", 1, MARKUP, MARKUP))
        assert f"not saved at {shown}: {shown}" in stage.text()
        await stage.feed(ended("torch", "failed", MARKUP, step=67))
        assert f"PyTorch failed: {shown}" in stage.text()
        await stage.press("m")
        assert shown in stage.text()


async def test_markup_in_what_is_being_loaded_is_shown_as_text() -> None:
    async with while_loading(text=MARKUP) as stage:
        assert "[bold red]not markup[/] [/oops]" in stage.row("mlpwatch")


@pytest.mark.parametrize(
    "keys",
    [
        "", "o", "tab z", "tab tab down", "m",
        *(pytest.param(k, marks=pytest.mark.rare) for k in ("z", "e", "question_mark", "ctrl+p")),
    ],
)  # fmt: skip
async def test_any_screen_lives_through_any_size_and_comes_back_the_same(keys: str) -> None:
    async with on_stage(training(), SIZES[0]) as stage:
        await stage.press(*keys.split())
        before = stage.text()
        for width, height in [*SIZES, *reversed(SIZES)]:
            await stage.pilot.resize_terminal(width, height)
            await stage.look()
            rows = stage.text().split("\n")
            assert len(rows) <= height
            assert max(map(len, rows)) <= width
        await stage.pilot.resize_terminal(*SIZES[0])
        await stage.look()
        assert stage.text() == before


async def test_sizes_may_change_while_events_come() -> None:
    async with on_stage([started("numpy"), started("torch")], SIZES[0]) as stage:
        for n, size in enumerate([*SIZES, *reversed(SIZES)] * 2):
            await stage.pilot.resize_terminal(*size)
            first = 1 + n * 10
            await stage.feed(*trained("numpy", first + 9, first=first))
            await stage.press("tab" if n % 2 else "o")
        assert stage.state.engines["numpy"].step == 240
        assert "epoch 12/12" in stage.row("NumPy")


async def test_loading_lives_through_any_size() -> None:
    async with while_loading(SIZES[0]) as stage:
        for size in [*SIZES, *reversed(SIZES)]:
            await stage.pilot.resize_terminal(*size)
        assert stage.text().count("loading") == 2


@pytest.mark.parametrize("size", [(220, 60), (80, 24)])
@pytest.mark.parametrize("keys", ["", "m", "e", "question_mark", "ctrl+p", "tab tab down", "o l x"])
async def test_ascii_holds_on_every_screen(keys: str, size: tuple[int, int]) -> None:
    async with on_stage(failed(), size, ascii_only=True) as stage:
        await stage.press(*keys.split())
        above = {character for character in stage.text() if character > "~"}
    assert not above - {"\n"}


async def test_the_header_tells_the_learning_rate_of_now_its_schedule_and_dropout() -> None:
    config = replace(CONFIG, schedule="linear", learning_rate=0.4, dropout=0.2, input_dropout=0.1)
    session = FakeSession(config=config)
    async with on_stage(training(), (220, 60), session=session) as stage:
        header = stage.text().split("\n")[0]
    left = 1 - stage.state.engines["numpy"].step / stage.state.planned_steps
    assert f"rate {0.4 * left:.2g} linear · batch 50 · dropout 0.2, input 0.1" in header


@pytest.mark.parametrize(
    ("size", "keys", "panels"),
    [
        ((100, 30), "", {"loss", "accuracy"}),
        ((100, 30), "tab", {"loss", "accuracy"}),
        ((100, 30), "tab tab", {"loss", "confusion"}),
        ((100, 28), "", {"loss", "accuracy"}),
        ((100, 27), "tab", {"accuracy"}),
        ((100, 30), "z", {"loss"}),
        ((100, 36), "", {"loss", "accuracy", "confusion"}),
    ],
)
async def test_two_panels_from_28_rows_and_all_from_36(
    size: tuple[int, int], keys: str, panels: set[str]
) -> None:
    async with on_stage(training(), size) as stage:
        await stage.press(*keys.split())
        rows = [line[:40] for line in stage.text().split("\n")]
        names = ("loss", "accuracy", "confusion")
        screen = stage.app.screen
        shown = {name for name in names if screen.query_one(f"#numpy-{name}").size.height > 0}
        assert shown == panels
        if "confusion" in panels:
            assert all(any(row.split()[:1] == [str(n)] for row in rows) for n in range(10))


async def test_while_one_catches_up_to_be_paused_it_says_who_waits_and_where() -> None:
    async with on_stage(training()) as stage:
        stage.session._paused.update(("numpy", "torch"))
        at = stage.state.engines["numpy"].step
        await stage.feed(Paused("numpy", at))
        assert f"NumPy waits for PyTorch at step {at:,}" in stage.text()
        await stage.feed(*[e for e in trained("torch", at, first=68) if isinstance(e, StepDone)])
        await stage.feed(Paused("torch", at))
        assert "waits for" not in stage.text()


async def test_accuracy_on_training_images_is_charted_and_read_out_where_it_is_known() -> None:
    record = epoch_done("numpy", 4).record
    async with on_stage(training()) as stage:
        assert "train" not in stage.row("  accuracy")
        known = replace(record, train_accuracy=0.8125)
        await stage.feed(EpochDone(known))
        assert "train" in stage.row("  accuracy")
        await stage.press("pageup", "pagedown")
        assert f"{100 * record.val_accuracy:.2f} %, train 81.25 %" in stage.row("  accuracy")


async def test_no_memory_for_a_matrix_is_said_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_counts: object) -> None:
        raise MemoryError

    monkeypatch.setattr("mlpwatch.tui.dashboard.confusion.mistakes", exhausted)
    async with on_stage(training()) as stage:
        assert stage.text().count("no memory for this matrix") == 2
        await stage.press("tab", "tab", "down", "c", "c")
        monkeypatch.undo()
        await stage.press("c", "c")
        assert "no memory" not in stage.text()
