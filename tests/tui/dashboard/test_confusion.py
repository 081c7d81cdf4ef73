"""The confusion matrix fits its pane, keeps its columns, and its cursor opens cells."""

import re
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from textual.message import Message

from mlpwatch.tui.dashboard.confusion import ConfusionMatrix
from mlpwatch.tui.dashboard.confusion_cells import MatrixFacts
from mlpwatch.tui.dashboard.confusion_layout import HEAD_ROWS, count_role, count_text, fit
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import HEAT, Role
from tests.support.pty.recording import RecordingApp

DIGITS = "0123456789"


def counts_of(classes: int, right: int, **mistakes: int) -> NDArray[np.int64]:
    """Counts with `right` on the diagonal and mistakes by `t4_9=12`."""
    counts = np.diag(np.full(classes, right, np.int64))
    for place, count in mistakes.items():
        true, predicted = map(int, place[1:].split("_"))
        counts[true, predicted] = count
    return counts


def painted(
    counts: NDArray[np.int64] | None,
    size: tuple[int, int] = (39, 12),
    *,
    names: Sequence[str] = DIGITS,
    cursor: tuple[int, int] | None = None,
    ascii_only: bool = False,
    facts: MatrixFacts | None = None,
) -> Canvas:
    matrix = ConfusionMatrix()
    matrix.look = Look(ascii_only)
    matrix.update(counts, names, "NumPy", Role.NUMPY, cursor=cursor, facts=facts)
    return matrix.paint(*size)


def test_ten_classes_of_three_digits_fit_half_of_eighty_columns() -> None:
    canvas = painted(counts_of(10, 487, t0_2=1, t4_9=12, t4_3=34, t4_5=7, t9_0=3))
    assert canvas.text().split("\n") == [
        "NumPy               true ↓  predicted →",
        "     0   1   2  3   4   5  6   7   8  9",
        "0  487   ·   1  ·   ·   ·  ·   ·   ·  ·",
        "1    · 487   ·  ·   ·   ·  ·   ·   ·  ·",
        "2    ·   · 487  ·   ·   ·  ·   ·   ·  ·",
        "3    ·   ·  · 487   ·   ·  ·   ·   ·  ·",
        "4    ·   ·   · 34 487   7  ·   ·   · 12",
        "5    ·   ·   ·  ·   · 487  ·   ·   ·  ·",
        "6    ·   ·   ·  ·   ·  · 487   ·   ·  ·",
        "7    ·   ·   ·  ·   ·   ·  · 487   ·  ·",
        "8    ·   ·   ·  ·   ·   ·  ·   · 487  ·",
        "9    3   ·   ·  ·   ·   ·  ·   ·  · 487",
    ]


@given(st.lists(st.integers(0, 500), min_size=10, max_size=10), st.integers(0, 9))
def test_no_two_numbers_touch_whatever_a_row_of_600_images_counts(
    shares: list[int], true: int
) -> None:
    counts = counts_of(10, 600)
    counts[true] = [share * 600 // max(1, sum(shares)) for share in shares]
    row = painted(counts).row(HEAD_ROWS + true)
    assert row.split() == [str(true), *(str(count or "·") for count in counts[true])]


@given(st.lists(st.integers(-600, 600), min_size=10, max_size=10))
def test_differences_are_whole_unless_most_of_a_row_are_long(differences: list[int]) -> None:
    counts, other = counts_of(10, 600), counts_of(10, 600)
    counts[4], other[4] = np.maximum(differences, 0), -np.minimum(differences, 0)
    counts[5, 5], other[5, 5] = 999, 999
    row = painted(counts, facts=MatrixFacts("difference", other=other)).row(HEAD_ROWS + 4)
    told = re.findall(r"[+-](?:\d+|>+)|·", row[1:])
    texts = [f"{number:+}" if number else "·" for number in differences]
    short = [text if len(text) < 4 else f"{text[0]}>>" for text in texts]
    has_few_long_ones = sum(len(text) > 3 for text in texts) <= 4
    assert told == texts or (told == short and not has_few_long_ones)


def test_wide_panes_get_wide_cells_with_numbers_at_the_right() -> None:
    canvas = painted(counts_of(10, 487, t0_1=5), size=(69, 12))
    assert (
        canvas.row(1).rstrip() == "       0     1     2     3     4     5     6     7     8     9"
    )
    assert canvas.row(2).startswith("0    487     5     ·")


@given(st.lists(st.integers(0, 300), min_size=9, max_size=9), st.integers(20, 80))
def test_columns_never_move_while_the_images_per_class_stay(
    mistakes: list[int], width: int
) -> None:
    before = counts_of(10, 4000)
    after = before.copy()
    after[0, 1:] = mistakes
    after[0, 0] -= sum(mistakes)
    first, second = painted(before, (width, 12)), painted(after, (width, 12))
    assert first.row(1) == second.row(1)
    assert first.text().split("\n")[3:] == second.text().split("\n")[3:]


def test_zeros_are_dots_the_diagonal_recedes_and_mistakes_glow() -> None:
    canvas = painted(counts_of(10, 487, t0_1=1, t0_2=5, t0_3=40), size=(69, 12))
    roles = [canvas.cell(7 + 6 * n, 2)[1] for n in range(5)]
    assert roles == [Role.DIAGONAL, Role.HEAT_1, Role.HEAT_3, Role.HEAT_5, Role.DIM]
    assert canvas.cell(0, 0) == ("N", Role.NUMPY)
    assert canvas.cell(7, 1)[1] == Role.DIM


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.integers(1, 10_000))
def test_heat_grows_with_the_count_up_to_the_largest(a: int, b: int, c: int) -> None:
    few, some, most = sorted((a, b, c))
    heat = [HEAT.index(count_role(count, False, most)) for count in (few, some, most)]
    assert heat == sorted(heat)
    assert heat[-1] == len(HEAT) - 1


def test_before_the_first_epoch_there_is_a_word() -> None:
    canvas = painted(None)
    assert "after the first epoch" in canvas.text()
    assert canvas.row(0).rstrip() == "NumPy"


def test_ascii_only_writes_no_character_above_the_tilde() -> None:
    for names, cursor in ((DIGITS, None), (DIGITS, (3, 5)), (DIGITS * 3, None)):
        counts = counts_of(len(names), 50)
        canvas = painted(counts, names=names, cursor=cursor, ascii_only=True)
        assert max(canvas.text()) <= "~"


@pytest.mark.parametrize(
    ("count", "width", "text"),
    [
        (0, 3, "·"),
        (7, 2, "7"),
        (999, 3, "999"),
        (1135, 3, "1k"),
        (1135, 4, "1135"),
        (60_000, 3, "60k"),
        (123_456, 3, ">>>"),
        (123_456, 4, "123k"),
        (7_000_000, 2, "7M"),
        (345, 2, ">>"),
    ],
)
def test_counts_are_shortened_to_their_cell(count: int, width: int, text: str) -> None:
    assert count_text(count, width, "·") == text


@given(
    st.integers(1, 36),
    st.integers(1, 99_999),
    st.integers(0, 120),
    st.integers(0, 40),
    st.data(),
)
def test_every_size_shows_the_cursor_s_cell_and_stays_inside(
    classes: int, right: int, width: int, height: int, data: st.DataObject
) -> None:
    place = data.draw(st.tuples(st.integers(0, classes - 1), st.integers(0, classes - 1)))
    names = ["abcdefghijklmnopqrstuvwxyz0123456789"[n] for n in range(classes)]
    canvas = painted(counts_of(classes, right), (width, height), names=names, cursor=place)
    assert (canvas.width, canvas.height) == (width, height)
    at_cursor = [
        (x, y)
        for x, y in product(range(width), range(height))
        if canvas.cell(x, y)[1] == Role.CURSOR
    ]
    assert bool(at_cursor) == (width > 2 and height > 2)


def test_thirty_six_classes_fit_seventy_four_columns_when_counts_are_small() -> None:
    layout = fit("a" * 36, 99, 74, 40, first=(0, 0), at=(0, 0))
    assert (layout.cell, len(layout.columns), len(layout.rows)) == (2, 36, 36)
    layout = fit("a" * 36, 100, 74, 40, first=(0, 0), at=(0, 0))
    assert (layout.cell, len(layout.columns)) == (3, 24)


async def test_a_part_follows_the_cursor_and_says_which_part_it_is() -> None:
    matrix = ConfusionMatrix()
    async with RecordingApp(matrix).run_test(size=(39, 12)) as pilot:
        names = [str(n) for n in range(36)]
        matrix.update(counts_of(36, 50), names, "NumPy", Role.NUMPY)
        await pilot.pause()
        assert "1-10 of 36" in matrix.text()
        matrix.update(counts_of(36, 50), names, "NumPy", Role.NUMPY, cursor=(30, 35))
        rows = matrix.text().split("\n")
        assert [row[:2] for row in rows[2:]] == names[21:31]
        assert rows[1].split() == names[24:]
        matrix.update(counts_of(36, 50), names, "NumPy", Role.NUMPY, cursor=(29, 30))
        assert matrix.text().split("\n")[1] == rows[1]  # in view already: nothing scrolls


async def test_keys_move_the_cursor_and_open_the_cell() -> None:
    matrix = ConfusionMatrix()
    seen: list[tuple[str, int, int]] = []

    def record(message: Message) -> None:
        if isinstance(message, (ConfusionMatrix.CursorMoved, ConfusionMatrix.Opened)):
            seen.append((type(message).__name__, message.true, message.predicted))

    app = RecordingApp(matrix)
    async with app.run_test(size=(39, 12), message_hook=record) as pilot:
        matrix.update(counts_of(10, 40, t4_9=7), DIGITS, "NumPy", Role.NUMPY)
        matrix.blur()
        await pilot.press("tab")
        await pilot.pause()
        assert matrix.cursor == (4, 9)  # the most frequent mistake
        assert "4 predicted as 9: 7" in matrix.text()
        await pilot.press("right", "down", "left", "up", "enter")
        await pilot.pause()
    moves = list(dict.fromkeys(seen))
    assert moves == [
        ("CursorMoved", 4, 9),
        ("CursorMoved", 5, 9),
        ("CursorMoved", 5, 8),
        ("CursorMoved", 4, 8),
        ("Opened", 4, 8),
    ]


async def test_a_click_moves_the_cursor_and_a_second_one_opens() -> None:
    matrix = ConfusionMatrix()
    opened: list[tuple[int, int]] = []

    def record(message: Message) -> None:
        if isinstance(message, ConfusionMatrix.Opened):
            opened.append((message.true, message.predicted))

    app = RecordingApp(matrix, css="ConfusionMatrix { padding: 1 2; width: 43; height: 14; }")
    async with app.run_test(size=(50, 20), message_hook=record) as pilot:
        matrix.update(counts_of(10, 487), DIGITS, "NumPy", Role.NUMPY)
        await pilot.pause()
        await pilot.click(matrix, offset=(2 + 2 + 22 + 2, 1 + 2 + 3))
        assert matrix.cursor == (3, 6)
        assert opened == []
        await pilot.click(matrix, offset=(2, 1))
        assert matrix.cursor == (3, 6)
        await pilot.click(matrix, offset=(2 + 2 + 26, 1 + 2 + 4), times=2)
        await pilot.pause()
        assert set(opened) == {(4, 7)}


async def test_a_moved_cursor_and_new_counts_send_few_bytes() -> None:
    matrix = ConfusionMatrix()
    app = RecordingApp(matrix)
    async with app.run_test(size=(39, 12)) as pilot:
        matrix.update(counts_of(10, 487), DIGITS, "NumPy", Role.NUMPY)
        await pilot.press("tab", "down")
        await pilot.pause()
        app.sent.clear()
        matrix.update(counts_of(10, 487, t7_1=3), DIGITS, "NumPy", Role.NUMPY)
        await pilot.pause()
        assert 0 < app.sent_bytes() < 60
        app.sent.clear()
        matrix.update(counts_of(10, 487, t7_1=3), DIGITS, "NumPy", Role.NUMPY)
        await pilot.pause()
        assert app.sent == []


def test_counts_that_do_not_match_the_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"counts \(3, 3\): expected a square for 10 names"):
        painted(counts_of(3, 1))


def test_a_cursor_outside_is_taken_to_the_edge() -> None:
    matrix = ConfusionMatrix()
    matrix.update(counts_of(3, 1), "abc", "NumPy", Role.NUMPY, cursor=(7, -1))
    assert matrix.cursor == (2, 0)
