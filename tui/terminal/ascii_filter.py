"""Plain ASCII on every row of the screen, for all widgets."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from unicodedata import category

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

LAST_ASCII = "~"

_PLAIN: Mapping[str, str] = MappingProxyType(
    {
        "·": "|",
        "▸": ">",
        "→": ">",
        "←": "<",
        "↑": "^",
        "↓": "v",
        "–": "-",
        "−": "-",
        "…": ".",
        "─": "-",
        "━": "=",
        "│": "|",
        "┃": "|",
        "×": "x",
        "Σ": "S",
        "²": "2",
        "•": "o",
    }
)

_BLOCKS = range(0x2580, 0x25A0)
"""Borders and scrollbars are drawn with these; their backgrounds still show their positions."""

_BOXES = range(0x2500, 0x2580)


class AsciiFilter(LineFilter):
    """Replaces every character above U+007E by a plain one of the same width."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        """Return the segments in ASCII."""
        return [
            segment if segment.text.isascii() else segment._replace(text=plain(segment.text))
            for segment in segments
        ]


def plain(text: str) -> str:
    """Return text of the same width without characters above U+007E."""
    # Three columns of a number with its deviation, which one plain character can't say.
    return "".join(map(_plain_character, text.replace(" ± ", " +-")))


@lru_cache(4096)
def _plain_character(character: str) -> str:
    if character <= LAST_ASCII:
        return character
    if known := _PLAIN.get(character):
        return known
    if ord(character) in _BOXES:
        return "+"
    columns = cell_len(character)
    # A symbol such as the palette's magnifying glass says nothing that the words do not say.
    is_blank = ord(character) in _BLOCKS or category(character) == "So"
    return (" " if is_blank else "?") * columns
