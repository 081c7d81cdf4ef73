"""Sends changed spans of the screen in as few bytes as possible.

Textual 8.2 answers `refresh(Region)` by sending the row from the widget's left edge to the end of
the region, with both colours spelled out and reset around every run. One changed digit at column
60 of a chart costs 300 to 900 bytes that way, and about 50 here.
"""

from functools import lru_cache

from rich.color import Color, ColorSystem
from rich.console import Console, RenderableType
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.app import App, ReturnType
from textual.screen import Screen
from textual.strip import Strip

_Codes = tuple[str, str, str]
"""SGR parameters of the attributes, the foreground and the background; "" for the default."""

_PLAIN: _Codes = ("", "", "")

_ENDS = {
    **{"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "6": "25", "7": "27", "8": "28"},
    **{"9": "29", "21": "24", "51": "54", "52": "54", "53": "55"},
}
"""The SGR parameter that ends each attribute which Rich can set (ECMA-48, 8.3.117)."""


class SpanApp(App[ReturnType]):
    """An app whose partial updates send the changed spans and nothing else."""

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        if isinstance(renderable, ChopsUpdate) and not isinstance(renderable, SpanUpdate):
            renderable = SpanUpdate(renderable.chops, renderable.spans, renderable.chop_ends)
        super()._display(screen, renderable)


class SpanUpdate(ChopsUpdate):
    """A partial update cut to its spans, which says only what differs from run to run."""

    def render_segments(self, console: Console) -> str:
        """Return the terminal sequences that bring the spans up to date."""
        system = console._color_system or ColorSystem.TRUECOLOR
        pen = _Pen(system)
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                start, stop = max(x, x1), min(end, x2)
                if strip is not None and start < stop:
                    pen.move(start, y)
                    pen.draw(strip.crop(start - x, stop - x))
        return pen.finish()


class _Pen:
    """Collects terminal output and remembers the cursor's place and style."""

    def __init__(self, system: ColorSystem) -> None:
        self._system = system
        self._output: list[str] = []
        self._place = (-1, -1)
        self._codes = _PLAIN

    def move(self, x: int, y: int) -> None:
        if self._place != (x, y):
            self._output.append(Control.move_to(x, y).segment.text)
        self._place = (x, y)

    def draw(self, strip: Strip) -> None:
        for segment in strip:
            self._draw_segment(segment)
        x, y = self._place
        self._place = (x + strip.cell_length, y)

    def _draw_segment(self, segment: Segment) -> None:
        text, style, _ = segment
        if style is not None and style.link:
            # Hyperlinks wrap their text in sequences of their own, and end with a reset.
            self._change(_PLAIN)
            self._output.append(Strip.render_style(style, text, self._system))
            return
        self._change(_PLAIN if style is None else _style_codes(style, self._system))
        self._output.append(text)

    def _change(self, codes: _Codes) -> None:
        if parameters := _transition(self._codes, codes):
            self._output.append(f"\x1b[{parameters}m")
        self._codes = codes

    def finish(self) -> str:
        self._change(_PLAIN)
        return "".join(self._output)


@lru_cache(1024)
def _style_codes(style: Style, system: ColorSystem) -> _Codes:
    attributes = Strip.render_ansi(style.without_color, system)
    foreground = _colour_codes(style.color, system, foreground=True)
    return attributes, foreground, _colour_codes(style.bgcolor, system, foreground=False)


def _colour_codes(colour: Color | None, system: ColorSystem, *, foreground: bool) -> str:
    if colour is None or colour.is_default:
        return ""
    return ";".join(colour.downgrade(system).get_ansi_codes(foreground))


@lru_cache(4096)
def _transition(before: _Codes, after: _Codes) -> str:
    """Return the SGR parameters that take the pen from one style to another, or ""."""
    if before == after:
        return ""
    if after == _PLAIN:
        return "0"
    parts = _attribute_changes(before[0], after[0])
    for old, new, default in zip(before[1:], after[1:], ("39", "49"), strict=True):
        if old != new:
            parts.append(new or default)
    return ";".join(parts)


def _attribute_changes(before: str, after: str) -> list[str]:
    old, new = (set(filter(None, codes.split(";"))) for codes in (before, after))
    ends = {_ENDS[code] for code in old - new}
    # One parameter ends bold and dim together: the one that stays is said again.
    again = {code for code in new & old if _ENDS[code] in ends}
    return sorted(ends) + sorted((new - old) | again)
