"""Sends the changes of the screen in as few bytes as possible.

For `refresh(Region)`, Textual 8.2 sends the row from the widget's left edge to the end of the
region, with both colours in full and a reset around every run. One changed digit at column
60 of a chart costs 300 to 900 bytes that way, and about 50 here.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from itertools import groupby

from rich.color import Color, ColorSystem
from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.style import Style
from textual.app import ReturnType
from textual.screen import Screen
from textual.strip import Strip

from mlpwatch.tui.terminal.shown_cells import PLAIN, Codes, ShownCells, StyledRun
from mlpwatch.tui.terminal.textual_internals import (
    ChopsUpdate,
    CompositorUpdate,
    DisplayApp,
    LayoutUpdate,
    color_system,
)

BAND_ROWS = 20
"""A whole screen is sent in bands from top to bottom, so that it appears gradually on a slow link.
With pictures in greys it takes 18 kB in such bands, 30 kB run by run."""

_RAMP_START, _RAMP_GREYS = 232, 24
"""xterm's numbers of the greys 8, 18, … 238, in terminals of 256 colours and more."""

_ENDS = {
    **{"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "6": "25", "7": "27", "8": "28"},
    **{"9": "29", "21": "24", "51": "54", "52": "54", "53": "55"},
}
"""The SGR parameter that ends each attribute which Rich can set (ECMA-48, 8.3.117)."""


class SpanApp(DisplayApp[ReturnType]):
    """An app that sends only the cells that the terminal does not show yet."""

    @cached_property
    def _shown_cells(self) -> ShownCells:
        return ShownCells()

    def forget_what_is_shown(self) -> None:
        """Make the next whole update send every cell: the terminal may have lost some."""
        self._shown_cells.forget()

    def display_frame(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Send the cells of a frame that the terminal does not show yet."""
        if isinstance(renderable, ChopsUpdate | LayoutUpdate):
            renderable = CellsUpdate(renderable, self._shown_cells)
        super().display_frame(screen, renderable)


class CellsUpdate(CompositorUpdate):
    """An update reduced to changed cells; each run is sent as its difference from the one before.

    Args:
        update: of some spans, or of the whole screen.
        shown: what the terminal shows; rendering the update records its cells there.
    """

    def __init__(self, update: ChopsUpdate | LayoutUpdate, shown: ShownCells) -> None:
        self._update, self._shown = update, shown

    def __rich__(self) -> RenderableType:
        """Return the whole update, as Rich would print it."""
        return self._update

    def render_segments(self, console: Console) -> str:
        """Return the terminal sequences that update the screen."""
        if is_whole := isinstance(self._update, LayoutUpdate):
            self._shown.fit(self._update.region.size)
        news = self._shown.news(_runs(self._update, color_system(console)))
        if not is_whole:
            return _in_shorter_order(list(news), console.width)
        bands = groupby(news, lambda run: run.y // BAND_ROWS)
        return "".join(_in_shorter_order(list(band), console.width) for _, band in bands)


def _in_shorter_order(runs: list[StyledRun], width: int) -> str:
    """Return the terminal sequences of these runs, sorted by place or by style.

    If colours alternate, as in a matrix, moving costs less than setting them again: 400 bytes
    instead of 1,200 for a matrix of ten classes. In text it is the reverse.
    """
    by_style: dict[Codes, list[StyledRun]] = {}
    for run in runs:
        by_style.setdefault(run.codes, []).append(run)
    in_order = _drawn(runs, width)
    if len(by_style) == len(runs):
        return in_order
    sorted_runs = [run for same in by_style.values() for run in same]
    return min(in_order, _drawn(sorted_runs, width), key=len)


def _runs(update: ChopsUpdate | LayoutUpdate, system: ColorSystem) -> Iterator[StyledRun]:
    """Yield an update's cells, one run per stretch of equal style."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            x = update.region.x
            for whole in strips:
                yield from _cut(whole, (x, y), range(x, x + whole.cell_length), system)
                x += whole.cell_length
        return
    for y, x1, x2 in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            start, stop = max(x, x1), min(end, x2)
            if strip is not None and start < stop:
                yield from _cut(strip, (x, y), range(start, stop), system)


def _cut(
    strip: Strip, place: tuple[int, int], columns: range, system: ColorSystem
) -> Iterator[StyledRun]:
    """Yield the runs within some columns of a strip that begins at a place (column, row).

    `Strip.crop` would create a strip with seven caches that is read only once: for the pictures
    of a contact sheet that took longer than everything else.
    """
    (x, y), start, stop = place, columns.start, columns.stop
    for segment in strip:
        if x >= stop:
            return
        end = x + segment.cell_length
        if start <= x and end <= stop:
            yield _run(x, y, end, segment, system)
        elif start < end:
            first, last = max(x, start), min(end, stop)
            part = segment.split_cells(first - x)[1].split_cells(last - first)[0]
            yield _run(first, y, last, part, system)
        x = end


def _run(x: int, y: int, end: int, segment: Segment, system: ColorSystem) -> StyledRun:
    text, style, _ = segment
    codes = PLAIN
    if style is not None and style.link:
        # Hyperlinks wrap their text in their own sequences, and end with a reset.
        text = Strip.render_style(style, text, system)
    elif style is not None:
        codes = _style_codes(style, system)
    return StyledRun(x, y, end, text, codes)


def _drawn(runs: Iterable[StyledRun], width: int) -> str:
    """Return the terminal sequences of these runs on a terminal of this width."""
    output: list[str] = []
    at_x, at_y, codes, is_sure = -1, -1, PLAIN, False
    for run in runs:
        if run.x != at_x or run.y != at_y:
            output.append(_move(run, at_x if is_sure else None, at_y))
        if parameters := _transition(codes, run.codes):
            output.append(f"\x1b[{parameters}m")
        output.append(run.text)
        codes, at_x, at_y = run.codes, run.end, run.y
        # Some terminals draw "·" or "━" two columns wide; and after the last column the
        # cursor's position differs between terminals.
        is_sure = run.text.isascii()
        if run.end + (0 if is_sure else len(run.text)) >= width:
            at_y = -1
    if parameters := _transition(codes, PLAIN):
        output.append(f"\x1b[{parameters}m")
    return "".join(output)


def _move(run: StyledRun, at_x: int | None, at_y: int) -> str:
    """Return the movement to a run's place from a column, if known, and a row or -1.

    A column alone takes 3 bytes less than row and column (CHA and CUP of ECMA-48, 8.3.9 and
    8.3.21): a page of the contact sheet takes 11.9 kB instead of 12.6.
    """
    if run.y != at_y:
        return f"\x1b[{run.y + 1};{run.x + 1}H"
    if at_x is None or run.x < at_x:
        return f"\x1b[{run.x + 1}G"
    columns = run.x - at_x
    return f"\x1b[{columns}C" if columns > 1 else "\x1b[C"


@lru_cache(1024)
def _style_codes(style: Style, system: ColorSystem) -> Codes:
    attributes = Strip.render_ansi(style.without_color, system)
    foreground = _colour_codes(style.color, system, foreground=True)
    return attributes, foreground, _colour_codes(style.bgcolor, system, foreground=False)


def _colour_codes(colour: Color | None, system: ColorSystem, *, foreground: bool) -> str:
    if colour is None or colour.is_default:
        return ""
    if system == ColorSystem.TRUECOLOR and (number := _grey_number(colour)):
        return f"{38 if foreground else 48};5;{number}"
    return ";".join(colour.downgrade(system).get_ansi_codes(foreground))


def _grey_number(colour: Color) -> int:
    """Return a colour's number on xterm's ramp of 24 greys, or 0: takes 8 bytes instead of 16."""
    if colour.triplet is None:
        return 0
    red, green, blue = colour.triplet
    step, rest = divmod(red - 8, 10)
    on_ramp = red == green == blue and rest == 0 and 0 <= step < _RAMP_GREYS
    return _RAMP_START + step if on_ramp else 0


@lru_cache(4096)
def _transition(before: Codes, after: Codes) -> str:
    """Return the SGR parameters that change one style into another, or ""."""
    if before == after:
        return ""
    if after == PLAIN:
        return "0"
    parts = _attribute_changes(before[0], after[0])
    for old, new, default in zip(before[1:], after[1:], ("39", "49"), strict=True):
        if old != new:
            parts.append(new or default)
    return ";".join(parts)


def _attribute_changes(before: str, after: str) -> list[str]:
    old, new = (set(filter(None, codes.split(";"))) for codes in (before, after))
    ends = {_ENDS[code] for code in old - new}
    # One parameter ends both bold and dim: if either stays, it is set again.
    again = {code for code in new & old if _ENDS[code] in ends}
    return sorted(ends) + sorted((new - old) | again)
