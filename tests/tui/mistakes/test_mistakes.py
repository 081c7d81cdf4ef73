"""The mistakes browser shows what was read wrong, and all of it."""

import re
from dataclasses import replace

import numpy as np
import pytest

from mlpwatch.core.analysis.inference import evaluate
from mlpwatch.core.analysis.mistakes import MISTAKE_LISTS, SortOrder
from mlpwatch.core.network.losses import loss_for
from mlpwatch.tui.images.renderers import digit_rows
from mlpwatch.tui.mistakes.digit_facts import DigitFactsView
from mlpwatch.tui.mistakes.digit_view import DigitView
from mlpwatch.tui.mistakes.split_images import DigitFacts
from mlpwatch.tui.mistakes.text import LIST_TITLES
from tests.support.samples.mistake_samples import EPOCHS, drawn, rows_of, without_margins
from tests.support.samples.scenes import (
    CONFIG,
    TRAIN,
    FakeSession,
    digits,
    ended,
    epoch_done,
    evaluation,
    started,
    trained,
    training,
)
from tests.support.stage import on_stage, until, while_loading

pytestmark = pytest.mark.slow


async def test_each_list_tells_its_length_and_the_first_digit() -> None:
    async with on_stage(training()) as stage:
        await stage.press("m", "enter")
        for which in MISTAKE_LISTS:
            rows = rows_of(which)
            heading = stage.text().split("\n")[0]
            for name, title in LIST_TITLES.items():
                assert f"{title} {len(rows_of(name))}" in heading
            assert f"▸ {LIST_TITLES[which]} " in heading
            if rows:
                assert f"1 of {len(rows)} · validation image {TRAIN + rows[0]:,}" in stage.text()
            else:
                assert "nothing: as in the epoch before" in stage.text()
            await stage.press("tab")
        assert "▸ NumPy wrong" in stage.text(), "round the end"


async def test_what_the_last_epoch_changed_is_listed() -> None:
    """NumPy forgets what it had learned since epoch 2, PyTorch learns as if until epoch 9."""
    worse = replace(epoch_done("numpy", 6), validation=evaluation("numpy", 2))
    better = replace(epoch_done("torch", 4), validation=evaluation("torch", 9))
    labels = digits().validation_labels
    right = {
        (name, epoch): evaluation(name, epoch).predictions == labels
        for name, epoch in [("numpy", 5), ("numpy", 2), ("torch", 3), ("torch", 9)]
    }
    forgotten = np.flatnonzero(right["numpy", 5] & ~right["numpy", 2])
    learned = np.flatnonzero(~right["torch", 3] & right["torch", 9])
    assert len(forgotten) > 3
    async with on_stage(training()) as stage:
        await stage.feed(worse, better)
        await stage.press("m", "enter", "shift+tab")
        assert f"▸ newly right {len(learned)}\n" in stage.text()
        assert f"1 of {len(learned)} · validation image {TRAIN + learned[0]:,}" in stage.text()
        was = evaluation("torch", 3).predictions[learned[0]]
        assert f"an epoch before: PyTorch {was}\n" in stage.text()
        await stage.press("shift+tab")
        assert f"▸ newly wrong {len(forgotten)} " in stage.text()
        assert f"1 of {len(forgotten)} · validation image {TRAIN + forgotten[0]:,}" in stage.text()
        await stage.press("escape")
        assert f" % (was {labels[forgotten[0]]}), PyTorch " in stage.text()
        await stage.press("tab", "tab")
        assert "(was " not in stage.text(), "only where changes are listed"


@pytest.mark.parametrize("size", [(140, 40), (80, 24)])
async def test_the_drawn_digit_is_the_image(size: tuple[int, int]) -> None:
    async with on_stage(training(), size) as stage:
        await stage.press("m", "enter", "right", "right")
        view = stage.app.screen.query_one(DigitView)
        image = digits().validation_images[rows_of("numpy")[2]].reshape(8, 8)
        assert drawn(stage) == without_margins(digit_rows(image, *view.size))


async def test_images_from_minus_one_to_one_are_drawn_with_the_same_ink() -> None:
    data = digits()
    scaled = replace(data, images=data.images * 2 - 1)
    config = replace(CONFIG, pixel_range="-1..1")
    pictures = []
    for session in (FakeSession(), FakeSession(config=config, dataset=scaled)):
        async with on_stage(training(), session=session) as stage:
            await stage.press("m", "enter")
            pictures.append(drawn(stage))
    assert pictures[0] == pictures[1]


async def test_true_label_readings_and_probabilities_are_the_evaluations() -> None:
    async with on_stage(training()) as stage:
        await stage.press("m", "enter", "right")
        row = rows_of("numpy")[1]
        true = digits().validation_labels[row]
        assert f"true label       {true}" in stage.text()
        for title, engine in zip(("NumPy", "PyTorch"), EPOCHS, strict=True):
            shares = evaluation(engine, EPOCHS[engine]).probabilities[row]
            read = int(shares.argmax())
            verdict = "right" if read == true else "wrong"
            percent = f"{float(shares[read]) * 100:5.1f} %"
            assert stage.row(f"{title:<8}predicts").endswith(
                f"predicts {read} {percent}  {verdict}"
            )
        bars = stage.app.screen.query_one(DigitFactsView).text().split("\n")[-30:]
    for number in range(10):
        (line,) = [line for line in bars if line[:3] in (f"> {number}", f"  {number}")]
        assert (line[0] == ">") == (number == true)
        percents = [
            f"{float(evaluation(engine, epoch).probabilities[row][number]) * 100:.1f}"
            for engine, epoch in EPOCHS.items()
        ]
        assert re.findall(r"\d+\.\d", line) == percents
    few = DigitFactsView(id="few")
    few.update(
        DigitFacts("", 7, {"numpy": [0.1, 0.4, 0.0, 0.3, *[0.0] * 3, 0.0, 0.2, 0.0]}, "0123456789")
    )
    rows = few.paint(40, 9).text().split("\n")[6:]
    assert [row[:3] for row in rows] == ["  1", "  3", "> 7"], "the true one and the most probable"
    assert rows[0][3:].split()[0] == "█" * 11 + "▋", "0.4 of 29 columns to an eighth"


async def test_moving_goes_round_both_ends() -> None:
    total = len(rows_of("numpy"))
    async with on_stage(training()) as stage:
        await stage.press("m", "enter")
        for key, place in (
            ("right", 2),
            ("left", 1),
            ("left", total),
            ("right", 1),
            ("end", total),
        ):
            await stage.press(key)
            assert f" {place} of {total} " in stage.text()


@pytest.mark.parametrize(("presses", "true"), [(1, 0), (4, 3), (10, 9), (11, None)])
async def test_the_true_filter_goes_through_the_classes_and_back_to_all(
    presses: int, true: int | None
) -> None:
    async with on_stage(training()) as stage:
        await stage.press("m", "enter", *["t"] * presses)
        rows = rows_of("numpy", true=true)
        assert f"true label {'any' if true is None else true} · read as any" in stage.text()
        assert f"1 of {len(rows)} · validation image {TRAIN + rows[0]:,}" in stage.text()


async def test_a_confusion_cell_opens_exactly_the_images_that_it_counts() -> None:
    counts = evaluation("numpy", 5).confusion
    async with on_stage(training()) as stage:
        await stage.press("tab", "tab", "down", "enter", "enter")
        worst = counts - np.diag(np.diag(counts))
        true, predicted = (int(n) for n in np.unravel_index(worst.argmax(), worst.shape))
        assert f"true label {true} · read as {predicted}" in stage.text()
        assert f"1 of {worst.max()} " in stage.text()
        for _ in range(int(worst.max())):
            assert f"true label       {true}" in stage.text()
            assert f"NumPy   predicts {predicted}" in stage.text()
            await stage.press("right")
        assert f"1 of {worst.max()} " in stage.text()


async def test_a_diagonal_cell_opens_what_was_wrongly_read_as_that_class() -> None:
    async with on_stage(training()) as stage:
        await stage.press("tab", "tab", "down")
        await stage.press(*["up"] * 10, *["left"] * 10, "enter")
        assert "true label any · read as 0" in stage.text()


async def test_labels_that_nobody_confused_say_so_and_clear_brings_all_back() -> None:
    async with on_stage(training()) as stage:
        await stage.press("m", "enter", "t", "f")
        assert "nothing with these labels; c shows all" in stage.text()
        await stage.press("right", "left", "pagedown", "home", "end", "c")
        assert f"1 of {len(rows_of('numpy'))} " in stage.text()


async def test_before_the_first_epoch_it_says_what_will_come_and_then_shows_it() -> None:
    async with on_stage([started("numpy"), started("torch")]) as stage:
        await stage.press("m", "enter")
        assert "after the first epoch, what was read wrong appears here" in stage.text()
        await stage.feed(epoch_done("numpy", 1))
        assert "1 of " in stage.text()
        assert "NumPy epoch 1" in stage.text()


async def test_it_opens_while_loading_too() -> None:
    async with while_loading() as stage:
        await stage.press("m", "enter", "right", "t", "tab", "end")
        assert "after the first epoch, what was read wrong appears here" in stage.text()


async def test_a_new_epoch_keeps_the_digit_that_is_looked_at() -> None:
    later, rows = evaluation("numpy", 12), rows_of("numpy")
    still = np.flatnonzero(later.predictions != digits().validation_labels)
    place = next(n for n, row in enumerate(rows) if row not in still and row > still[0])
    row, following = rows[place], still[np.searchsorted(still, rows[place])]
    async with on_stage(training()) as stage:
        await stage.press("m", "enter", *["right"] * place)
        before = drawn(stage)
        await stage.feed(epoch_done("numpy", 12), epoch_done("torch", 12))
        assert drawn(stage) == before
        assert f"validation image {TRAIN + row:,}" in stage.text()
        assert f"NumPy   predicts {later.predictions[row]}" in stage.text()
        assert "no longer here" in stage.text()
        await stage.press("right")
        assert "no longer here" not in stage.text()
        assert f"validation image {TRAIN + following:,}" in stage.text(), "the one after it"


async def test_a_sheet_follows_the_training_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("mlpwatch.tui.mistakes.screen.monotonic", lambda: now[0])
    monkeypatch.setattr("mlpwatch.tui.mistakes.screen.SHEET_SECONDS", 0.05)
    async with on_stage(training()) as stage:
        await stage.press("m")
        seen = stage.row("NumPy wrong")
        assert f"NumPy wrong {len(rows_of('numpy'))} " in seen
        stage.state.apply_all([epoch_done("numpy", 12), epoch_done("torch", 12)])
        now[0] += 0.04
        stage.app.update_screen()
        assert stage.row("NumPy wrong") == seen
        now[0] += 0.02
        # No event has to come for it: the training may have ended meanwhile.
        await until(lambda: stage.row("NumPy wrong") != seen, stage.pilot)


async def test_the_bars_of_a_digit_follow_the_training_only_so_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("mlpwatch.tui.mistakes.screen.monotonic", lambda: now[0])
    monkeypatch.setattr("mlpwatch.tui.mistakes.screen.NUMBERS_SECONDS", 0.05)
    async with on_stage(training(), (80, 24)) as stage:
        await stage.press("m", "enter")
        await stage.feed(epoch_done("numpy", 6))
        seen = stage.row("NumPy   predicts")
        stage.state.apply_all([epoch_done("numpy", 12)])
        now[0] += 0.04
        stage.app.update_screen()
        assert stage.row("NumPy   predicts") == seen
        now[0] += 0.02
        await until(lambda: stage.row("NumPy   predicts") != seen, stage.pilot)


async def test_no_mistake_at_all_is_said() -> None:
    labels = digits().validation_labels
    sure = 20 * np.eye(10, dtype=np.float32)[labels]
    perfect = evaluate(sure, labels, loss_for(CONFIG, "numpy"))
    async with on_stage([started("numpy"), started("torch")]) as stage:
        await stage.feed(replace(epoch_done("numpy", 1), validation=perfect))
        await stage.press("m", "enter")
        assert "nothing: every digit was read right" in stage.text()


async def test_messages_and_the_end_are_seen_here_too() -> None:
    async with on_stage(training()) as stage:
        await stage.press("m", "enter", "s")
        assert "saved in saved/2026-11-23-twin-k3f9" in stage.text()
        await stage.feed(ended("torch", "failed", "no memory", step=67))
        assert "PyTorch epoch 3 failed" in stage.text()
        assert "PyTorch failed: no memory" in stage.text()


@pytest.mark.parametrize("order", ["confidence", "loss", "label"])
async def test_each_order_goes_through_the_list_in_that_order(order: SortOrder) -> None:
    presses = ["image", "confidence", "loss", "label"].index(order)
    rows = rows_of("disagree", order=order)
    assert rows != rows_of("disagree")
    async with on_stage(training()) as stage:
        await stage.press("m", "enter", "tab", "tab", "tab", *["o"] * presses)
        for place, row in enumerate(rows[:5], start=1):
            assert f"{place} of {len(rows)} · validation image {TRAIN + row:,}" in stage.text()
            await stage.press("right")


async def test_one_model_alone_has_the_lists_that_need_no_other() -> None:
    config = replace(CONFIG, only="torch")
    events = [started("torch"), *trained("torch", 67)]
    async with on_stage(events, session=FakeSession(config=config)) as stage:
        await stage.press("m", "enter")
        heading = stage.text().split("\n")[0]
        assert heading.split("  ")[0].strip().startswith("▸ PyTorch wrong")
        assert "NumPy" not in heading
        for title in ("newly wrong", "newly right", "PyTorch wrong"):
            await stage.press("tab")
            assert f"▸ {title} " in stage.text()


async def test_an_enlarged_digit_has_bars_and_neighbours_wherever_both_fit() -> None:
    async with on_stage(training()) as stage:
        await stage.press("m")
        assert "enter large" in stage.text()
        await stage.press("enter", "y")
        await stage.says("in NumPy · true label")
        assert "true label  " in stage.text()
        assert "bars and nearest digits both fit here" in stage.text()
        assert "enter large" not in stage.text(), "it is"
        await stage.press("right")
        assert "both fit here" not in stage.text(), "an answer goes with the next key"
        await stage.press("escape")
        assert "enter large" in stage.text()
