"""A terminal shows the same, whether it gets every update whole or what it does not show yet."""

import pyte
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.geometry import Region
from textual.strip import Strip
from textual.widgets import Static

from mlpwatch.tui.terminal.shown_cells import ShownCells
from mlpwatch.tui.terminal.spans import CellsUpdate
from mlpwatch.tui.terminal.textual_internals import ChopsUpdate, LayoutUpdate
from tests.support.pty.recording import RecordingApp

WIDTH, HEIGHT = 16, 3
CONSOLE = Console(force_terminal=True, color_system="truecolor", width=WIDTH)
COLOURS = st.sampled_from([None, "#102030", "red"])
STYLES = st.builds(
    Style, color=COLOURS, bgcolor=COLOURS, bold=st.booleans(), underline=st.booleans()
)
# "漢" takes two columns, and which of its halves lies under a change is anybody's guess.
SEGMENTS = st.lists(
    st.builds(Segment, st.text("ab  ⠃·é", max_size=5), STYLES, st.none()), max_size=5
)
ROWS = st.lists(SEGMENTS, min_size=HEIGHT, max_size=HEIGHT)
SPANS = st.lists(
    st.tuples(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), st.integers(1, WIDTH)).filter(
        lambda span: span[1] < span[2]
    ),
    min_size=1,
    max_size=3,
)
UPDATES = st.lists(st.tuples(ROWS, st.one_of(st.none(), SPANS)), min_size=1, max_size=5)


def strips(rows: list[list[Segment]]) -> list[Strip]:
    return [Strip(segments).adjust_cell_length(WIDTH) for segments in rows]


def whole(rows: list[Strip], width: int = WIDTH) -> LayoutUpdate:
    return LayoutUpdate([[row] for row in rows], Region(0, 0, width, len(rows)))


def partial(rows: list[Strip], spans: list[tuple[int, int, int]]) -> ChopsUpdate:
    return ChopsUpdate([{0: row} for row in rows], spans, [[WIDTH]] * len(rows))


def visible(cell: pyte.screens.Char) -> object:
    """Leave out what nobody sees: the foreground and weight of a blank."""
    if cell.data == " " and not cell.underscore:
        return " ", cell.bg
    return cell


def shown(screen: pyte.Screen) -> list[list[object]]:
    return [[visible(screen.buffer[y][x]) for x in range(WIDTH)] for y in range(HEIGHT)]


@settings(deadline=None)
@given(UPDATES)
def test_what_is_left_out_was_there_already(
    updates: list[tuple[list[list[Segment]], list[tuple[int, int, int]] | None]],
) -> None:
    cut, full = pyte.Screen(WIDTH, HEIGHT), pyte.Screen(WIDTH, HEIGHT)
    remembered = ShownCells()
    for rows, spans in updates:
        lines = strips(rows)
        update = whole(lines) if spans is None else partial(lines, spans)
        pyte.Stream(cut).feed(CellsUpdate(update, remembered).render_segments(CONSOLE))
        pyte.Stream(full).feed(CellsUpdate(update, ShownCells()).render_segments(CONSOLE))
        assert shown(cut) == shown(full)


def sent(remembered: ShownCells, text: str, width: int = WIDTH) -> str:
    row = Strip([Segment(text)]).adjust_cell_length(WIDTH)
    return CellsUpdate(whole([row], width), remembered).render_segments(CONSOLE)


def test_the_same_again_sends_nothing() -> None:
    remembered = ShownCells()
    assert sent(remembered, "abcdefgh")
    assert sent(remembered, "abcdefgh") == ""


def test_a_segment_without_text_sends_nothing() -> None:
    rows = [Strip([Segment(""), Segment("ab", Style(bold=True)), Segment("")])]
    for update in (whole(rows, 2), ChopsUpdate([{0: rows[0]}], [(0, 0, 2)], [[2]])):
        assert "ab" in CellsUpdate(update, ShownCells()).render_segments(CONSOLE)


def test_changed_cells_are_sent_and_few_between_them_again() -> None:
    remembered = ShownCells()
    sent(remembered, "abcdefghijkl")
    assert sent(remembered, "Xbcdefghijkl") == "\x1b[1;1HX"
    assert sent(remembered, "XbcdYfghijkl") == "\x1b[1;5HY"
    assert sent(remembered, "YbcdXfghijkl") == "\x1b[1;1HYbcdX", "three between them"
    assert sent(remembered, "XbcdXYghijkX") == "\x1b[1;1HX\x1b[4CY\x1b[5CX"


def test_what_is_not_surely_one_column_wide_is_sent_each_time() -> None:
    remembered = ShownCells()
    sent(remembered, "a漢b")
    assert "漢" in sent(remembered, "a漢b")


def test_after_another_size_everything_is_sent() -> None:
    remembered = ShownCells()
    first = sent(remembered, "abc")
    sent(remembered, "abc", WIDTH - 1)
    assert sent(remembered, "abc") == first


def test_what_was_forgotten_is_sent() -> None:
    remembered = ShownCells()
    first = sent(remembered, "abc")
    remembered.forget()
    assert sent(remembered, "abc") == first


class Lines(RecordingApp):
    def compose(self) -> ComposeResult:
        yield Static("one line")


async def test_a_layout_that_changes_nothing_sends_no_cell() -> None:
    app = Lines()
    async with app.run_test(size=(40, 5)) as pilot:
        assert "one line" in "".join(app.sent)
        app.sent.clear()
        app.screen.refresh(layout=True)
        app.screen.refresh()
        await pilot.pause()
        assert app.sent
        assert "".join(app.sent) == ""
        app.forget_what_is_shown()
        app.screen.refresh()
        await pilot.pause()
        assert "one line" in "".join(app.sent)
