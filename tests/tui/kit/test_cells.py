"""Single cells are shown right, and nothing is sent that did not change."""

import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from mlpwatch.tui.kit.cells import Canvas, CellView, cells_of, columns_of, cut_to
from mlpwatch.tui.kit.theme import Role, palette_for
from tests.support.pty.recording import RecordingApp, StockApp, Terminal

CELLS = st.tuples(
    st.integers(-3, 12), st.integers(-2, 5), st.text(max_size=6), st.sampled_from(Role)
)


class Lines(CellView):
    """A view of one text, wherever it fits."""

    content = "first"
    painted = 0

    def paint(self, width: int, height: int) -> Canvas:
        self.painted += 1
        canvas = Canvas(width, height)
        for y in range(height):
            canvas.put(0, y, f"{self.content} {y} {'·' * 50}", Role.NUMPY)
            canvas.put(width - 9, y, f"{width:4}x{height}", Role.DIM)
        return canvas


def canvas_of(*rows: str) -> Canvas:
    canvas = Canvas(max(map(len, rows)), len(rows))
    for y, row in enumerate(rows):
        canvas.put(0, y, row)
    return canvas


def test_widgets_are_imported_without_what_takes_seconds() -> None:
    code = (
        "import sys, mlpwatch.tui.kit.cells, mlpwatch.tui.charts.chart, "
        "mlpwatch.tui.dashboard.confusion, mlpwatch.tui.images.renderers, "
        "mlpwatch.tui.terminal.spans; print(*sys.modules)"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    slow = {"torch", "sklearn", "pandas", "scipy"}
    assert not slow & set(output.split())
    assert not {f"mlpwatch.core.{name}" for name in ("network", "training")} & set(output.split())


def test_put_cuts_at_every_edge() -> None:
    canvas = Canvas(4, 2)
    assert canvas.put(-2, 0, "abcdefgh") == 6
    canvas.put(0, 2, "below")
    canvas.put(0, -1, "above")
    canvas.put(2, 1, "xyz")
    assert canvas.text() == "cdef\n  xy"


@pytest.mark.parametrize("bad", ["\x1b", "\n", "\t", "\u200b", "\x7f"])
def test_a_control_becomes_a_question_mark(bad: str) -> None:
    canvas = Canvas(3, 1)
    canvas.put(0, 0, f"a{bad}b")
    assert canvas.row(0) == "a?b"


def test_blank_braille_is_written_as_a_space() -> None:
    canvas = Canvas(3, 1)
    canvas.put(0, 0, "⠁\u2800⠂", Role.TORCH)
    assert canvas.row(0) == "⠁ ⠂"


def test_runs_join_blanks_with_what_stands_before_them_but_never_the_cursor() -> None:
    canvas = Canvas(9, 1)
    canvas.put(0, 0, "a", Role.NUMPY)
    canvas.put(3, 0, "b", Role.NUMPY)
    canvas.put(5, 0, " 7", Role.CURSOR)
    assert list(canvas.runs(0)) == [
        ("a  b ", Role.NUMPY, 0),
        (" 7", Role.CURSOR, 5),
        ("  ", Role.TEXT, 7),
    ]


@given(st.lists(CELLS, max_size=8), st.lists(CELLS, max_size=8))
def test_changed_rows_are_those_with_a_changed_cell(
    first: list[tuple[int, int, str, Role]], second: list[tuple[int, int, str, Role]]
) -> None:
    before, after = Canvas(10, 4), Canvas(10, 4)
    for puts, canvas in ((first, before), (second, after)):
        for x, y, text, role in puts:
            canvas.put(x, y, text, role)
    changed = {y for x in range(10) for y in range(4) if before.cell(x, y) != after.cell(x, y)}
    assert after.changed_rows(before) == sorted(changed)


def test_a_wide_character_takes_two_cells_and_what_is_behind_it_keeps_its_column() -> None:
    canvas = Canvas(12, 1)
    assert canvas.put(1, 0, "手書き") == 7
    canvas.put(8, 0, "x")
    assert canvas.row(0) == " 手書き x   "
    assert cell_len(canvas.row(0)) == 12
    assert (columns_of("手書き"), columns_of("abc"), columns_of("e\u0301x")) == (6, 3, 2)
    assert cells_of("e\u0301😀") == ("e\u0301", "😀", "")


@pytest.mark.parametrize(("x", "shown"), [(-1, " 書き"), (0, "手書 "), (1, " 手書"), (4, "    手")])
def test_half_of_a_wide_character_at_an_edge_is_a_blank(x: int, shown: str) -> None:
    canvas = Canvas(6 if x == 4 else 5, 1)
    canvas.put(x, 0, "手書き")
    assert canvas.row(0) == shown


def test_what_is_written_over_half_of_a_wide_character_blanks_the_other() -> None:
    for x, shown in ((0, "a 書"), (1, " a書"), (2, "手a "), (3, "手 a")):
        canvas = Canvas(4, 1)
        canvas.put(0, 0, "手書")
        canvas.put(x, 0, "a")
        assert canvas.row(0) == shown
        other = Canvas(4, 1)
        other.put(0, 0, "手書")
        other.paste(canvas_of("a"), x, 0)
        assert other.row(0) == shown


@given(st.lists(st.tuples(st.integers(-4, 12), st.text("ab手😀e\u0301 ", max_size=6))))
def test_a_row_is_always_as_wide_as_its_canvas(puts: list[tuple[int, str]]) -> None:
    canvas = Canvas(10, 1)
    for x, text in puts:
        canvas.put(x, 0, text)
        assert cell_len(canvas.row(0)) == 10


@pytest.mark.parametrize(
    ("columns", "shown"), [(6, "手書き"), (5, "手書…"), (4, "手…"), (3, "手…"), (1, "…"), (0, "")]
)
def test_a_text_is_cut_to_columns(columns: int, shown: str) -> None:
    assert cut_to("手書き", columns) == shown
    assert columns_of(shown) <= columns


def test_paste_cuts_at_every_edge() -> None:
    canvas = canvas_of("....", "....")
    canvas.paste(canvas_of("abc", "def", "ghi"), -1, -1)
    canvas.paste(canvas_of("xy"), 3, 1)
    assert canvas.text() == "ef..\nhi.x"


async def test_one_changed_digit_costs_less_than_200_bytes_and_no_change_costs_nothing() -> None:
    view = Lines()
    app = RecordingApp(view)
    async with app.run_test(size=(70, 20)) as pilot:
        await pilot.pause()
        app.sent.clear()
        view.repaint()
        await pilot.pause()
        assert app.sent == []
        changed = view.paint(70, 20)
        changed.put(66, 10, "7", Role.TORCH)
        view.show(changed)
        await pilot.pause()
        assert "7" in "".join(app.sent)
        assert 0 < app.sent_bytes() < 60


async def test_stock_updates_cost_several_times_as_much() -> None:
    view = Lines()
    app = StockApp(view)
    async with app.run_test(size=(70, 20)) as pilot:
        await pilot.pause()
        app.sent.clear()
        changed = view.paint(70, 20)
        changed.put(66, 10, "7", Role.TORCH)
        view.show(changed)
        await pilot.pause()
        assert app.sent_bytes() > 200


@pytest.mark.parametrize("seed", range(3))
async def test_a_terminal_that_gets_only_the_spans_shows_every_frame(seed: int) -> None:
    dice = random.Random(seed)
    left, right = CellView(), CellView()
    app = RecordingApp(left, right, css="Screen { layout: horizontal; } CellView { width: 1fr; }")
    terminal = Terminal(61, 9)
    async with app.run_test(size=(61, 9)) as pilot:
        await pilot.pause()
        terminal.feed(app)
        for _ in range(12):
            for view in (left, right):
                canvas = view.paint(*view.size)
                for _ in range(dice.randrange(6)):
                    text = "".join(dice.choices("0123 ·⢣⠁x", k=dice.randrange(1, 9)))
                    x, y = dice.randrange(-3, 33), dice.randrange(9)
                    canvas.put(x, y, text, dice.choice(list(Role)))
                view.show(canvas)
            await pilot.pause()
            terminal.feed(app)
            rows = zip(left.text().split("\n"), right.text().split("\n"), strict=True)
            expected = [f"{a:{left.size.width}}{b}".rstrip() for a, b in rows]
            assert terminal.text().split("\n") == expected


async def test_styles_reach_the_terminal_and_follow_the_theme() -> None:
    view = CellView()
    app = RecordingApp(view)
    terminal = Terminal(20, 3)
    async with app.run_test(size=(20, 3)) as pilot:
        await pilot.pause()
        canvas = view.paint(20, 3)
        canvas.put(4, 1, "abc", Role.NUMPY)
        canvas.put(8, 1, "5", Role.CURSOR)
        view.show(canvas)
        await pilot.pause()
        for theme, dark in (("textual-dark", True), ("textual-light", False)):
            app.theme = theme
            await pilot.pause()
            terminal.feed(app)
            colour = palette_for(dark, colour=True)[Role.NUMPY].color
            assert colour is not None
            assert terminal.colour(4, 1) == colour.get_truecolor().hex[1:].lower()
            assert terminal.is_reversed(8, 1)
            assert not terminal.is_reversed(9, 1)


async def test_it_repaints_in_full_on_resize_down_to_nothing() -> None:
    view = Lines()
    app = RecordingApp(view)
    async with app.run_test(size=(30, 4)) as pilot:
        await pilot.pause()
        assert "30x4" in view.text()
        for width, height, shown in ((20, 2, "20x2"), (1, 1, ""), (0, 0, ""), (28, 3, "28x3")):
            view.styles.width, view.styles.height = width, height
            await pilot.pause()
            view.repaint()
            assert shown in view.text()
            assert len(view.text().split("\n")) == max(1, height)


async def test_out_of_sight_nothing_is_painted_and_it_catches_up_once_when_seen() -> None:
    view = Lines()
    app = RecordingApp(view)
    async with app.run_test(size=(30, 3)) as pilot:
        await pilot.pause()
        view.display = False
        await pilot.pause()
        view.content, view.painted = "second", 0
        view.repaint()
        assert "first" in view.text()
        app.sent.clear()
        view.display = True
        await pilot.pause()
        assert "second" in view.text()
        assert "first" not in "".join(app.sent), "the first frame is not an old one"
        assert view.painted == 1
        await pilot.resize_terminal(28, 3)
        await pilot.pause()
        assert "28x3" in view.text()
        assert view.painted == 2, "by the first frame, not by its Resize again"


async def test_what_is_shown_without_paint_survives_a_resize() -> None:
    view = CellView()
    async with RecordingApp(view).run_test(size=(20, 3)) as pilot:
        await pilot.pause()
        view.show(canvas_of("hello               ", "", ""))
        await pilot.resize_terminal(4, 2)
        await pilot.pause()
        assert view.text() == "hell\n"
