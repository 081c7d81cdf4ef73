"""Short updates put the same characters and styles on the terminal as Textual's own."""

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from mlpwatch.tui.terminal.shown_cells import ShownCells
from mlpwatch.tui.terminal.spans import CellsUpdate
from mlpwatch.tui.terminal.textual_internals import ChopsUpdate

WIDTH = 24
CONSOLE = Console(force_terminal=True, color_system="truecolor")
COLOURS = st.sampled_from([None, "#102030", "#a0b0c0", "red", "default"])
STYLES = st.one_of(
    st.none(),
    st.builds(
        Style,
        color=COLOURS,
        bgcolor=COLOURS,
        bold=st.booleans(),
        reverse=st.booleans(),
        underline=st.booleans(),
        italic=st.booleans(),
        link=st.sampled_from([None, None, None, "https://example.org"]),
    ),
)
SEGMENTS = st.lists(
    st.tuples(st.text("abc ⠃", min_size=1, max_size=5), STYLES).map(lambda pair: Segment(*pair)),
    max_size=8,
)
SPANS = st.tuples(st.integers(0, WIDTH - 1), st.integers(1, WIDTH)).filter(lambda s: s[0] < s[1])


def spans_update(
    chops: list[dict[int, Strip]], spans: list[tuple[int, int, int]], ends: list[list[int]]
) -> CellsUpdate:
    return CellsUpdate(ChopsUpdate(chops, spans, ends), ShownCells())


def row_of(segments: list[Segment]) -> Strip:
    return Strip(segments).adjust_cell_length(WIDTH)


def shown(output: str) -> list[pyte.screens.Char]:
    screen = pyte.Screen(WIDTH, 2)
    # pyte knows no hyperlinks; only their text is compared.
    pyte.Stream(screen).feed(output.replace("\x1b]8;", "\x1b]0;"))
    return [screen.buffer[1][x] for x in range(WIDTH)]


def update(strip: Strip, spans: list[tuple[int, int]], cut: int) -> str:
    chops = {0: strip.crop(0, cut), cut: strip.crop(cut, WIDTH)} if 0 < cut < WIDTH else {0: strip}
    ends = [*list(chops)[1:], WIDTH]
    all_spans = [(1, start, end) for start, end in spans]
    return spans_update([{}, chops], all_spans, [[], ends]).render_segments(CONSOLE)


@settings(deadline=None)
@given(SEGMENTS, SEGMENTS, SPANS, st.integers(0, WIDTH))
def test_a_span_shows_what_textual_would_show_and_leaves_the_rest_alone(
    old: list[Segment], new: list[Segment], span: tuple[int, int], cut: int
) -> None:
    before = "\x1b[2;1H" + row_of(old).render(CONSOLE)
    after = "\x1b[2;1H" + row_of(new).render(CONSOLE)
    start, end = span
    expected = shown(before)
    expected[start:end] = shown(after)[start:end]
    assert shown(before + update(row_of(new), [span], cut)) == expected


@settings(deadline=None)
@given(SEGMENTS, SPANS)
def test_an_update_leaves_no_style_behind(segments: list[Segment], span: tuple[int, int]) -> None:
    plain = shown("\x1b[2;1H" + update(row_of(segments), [span], 0) + "\x1b[2;1Hx")[0]
    assert plain == shown("\x1b[2;1Hx")[0]


def test_only_what_differs_is_said() -> None:
    row = row_of(
        [
            Segment("ab", Style.parse("#010203 on #040506")),
            Segment("cd", Style.parse("#070809 on #040506")),
            Segment("ef", Style.parse("on #040506")),
        ]
    )
    assert update(row, [(0, 6)], 0) == (
        "\x1b[2;1H\x1b[38;2;1;2;3;48;2;4;5;6mab\x1b[38;2;7;8;9mcd\x1b[39mef\x1b[0m"
    )


def test_neighbouring_widgets_share_one_cursor_movement() -> None:
    assert update(row_of([Segment("abcdef")]), [(1, 5)], 3) == "\x1b[2;2Hbcde"


def test_attributes_end_before_others_begin() -> None:
    row = row_of([Segment("a", Style.parse("bold")), Segment("b", Style.parse("underline"))])
    assert update(row, [(0, 2)], 0) == "\x1b[2;1H\x1b[1ma\x1b[22;4mb\x1b[0m"


def test_the_attribute_that_stays_is_said_again_when_its_end_is_shared() -> None:
    row = row_of([Segment("a", Style.parse("bold dim")), Segment("b", Style.parse("dim"))])
    assert update(row, [(0, 2)], 0) == "\x1b[2;1H\x1b[1;2ma\x1b[22;2mb\x1b[0m"


@pytest.mark.parametrize("attribute", Style.STYLE_ATTRIBUTES.values())
def test_every_attribute_can_begin_and_end(attribute: str) -> None:
    row = row_of([Segment("a", Style.parse(attribute)), Segment("b", Style.parse("bold red"))])
    assert update(row, [(0, 2)], 0).count("m") == 3


@pytest.mark.parametrize(
    ("system", "codes"),
    [(ColorSystem.STANDARD, "33"), (ColorSystem.EIGHT_BIT, "38;5;178")],
)
def test_colours_are_those_of_the_terminal(system: ColorSystem, codes: str) -> None:
    console = Console(force_terminal=True, color_system="truecolor")
    console._color_system = system
    strip = row_of([Segment("a", Style.parse("#E69F00"))])
    output = spans_update([{0: strip}], [(0, 0, 1)], [[WIDTH]]).render_segments(console)
    assert output == f"\x1b[1;1H\x1b[{codes}ma\x1b[0m"


def test_a_hyperlink_stays_one() -> None:
    row = row_of([Segment("a", Style.parse("link https://example.org")), Segment("b")])
    output = update(row, [(0, 2)], 0)
    assert "https://example.org\x1b\\" in output
    assert output.endswith("\x1b]8;;\x1b\\b")


@settings(deadline=None)
@given(st.lists(st.tuples(SEGMENTS, SPANS), min_size=1, max_size=4))
def test_rows_show_the_same_in_whatever_order_they_are_sent(
    rows: list[tuple[list[Segment], tuple[int, int]]],
) -> None:
    height = len(rows)
    chops = [{0: row_of(segments)} for segments, _ in rows]
    spans = [(y, *span) for y, (_, span) in enumerate(rows)]
    output = spans_update(chops, spans, [[WIDTH]] * height).render_segments(CONSOLE)
    expected = "".join(
        f"\x1b[{y + 1};{start + 1}H" + row_of(segments).crop(start, end).render(CONSOLE)
        for y, (segments, (start, end)) in enumerate(rows)
    )
    assert all_shown(output, height) == all_shown(expected, height)


def all_shown(output: str, height: int) -> list[list[pyte.screens.Char]]:
    screen = pyte.Screen(WIDTH, height)
    pyte.Stream(screen).feed(output.replace("\x1b]8;", "\x1b]0;"))
    return [[screen.buffer[y][x] for x in range(WIDTH)] for y in range(height)]


def test_alternating_colours_are_said_once_each() -> None:
    red, blue = Style.parse("#ff0000"), Style.parse("#0000ff")
    row = row_of([Segment("12", style) for style in (red, blue) * 4])
    output = update(row, [(0, 16)], 0)
    assert output.count("38;2;255;0;0") == output.count("38;2;0;0;255") == 1
    assert (output.count("H"), output.count("G")) == (1, 1), "the rest are movements to the right"


def test_a_character_that_may_be_two_columns_wide_is_left_by_an_absolute_movement() -> None:
    one, two = Style.parse("#ff0000"), Style.parse("#0000ff")
    row = row_of([Segment("·", style) for style in (one, two) * 4])
    assert "C" not in update(row, [(0, 8)], 0)
