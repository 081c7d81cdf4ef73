"""The text of the help: all keys from the key table, in as many columns as fit."""

from itertools import combinations, pairwise, zip_longest
from textwrap import fill

from rich.text import Text

from mlpwatch.tui.kit.keys import KEYS, Where
from mlpwatch.tui.kit.look import SHOWS_ALL, Look

_HEADINGS: dict[Where, str] = {
    "everywhere": "Everywhere",
    "explain": "In the explanation",
    "question": "Asked before something is done",
    "dashboard": "On the dashboard",
    "mistakes": "Among the mistakes",
    "weights": "Among the weights",
    "layers": "Among the layers",
    "compare": "Comparing runs",
    "runs": "Among the runs",
    "entry": "Typing a name or a number",
    "branch": "Setting up a branch",
    "draw": "On the drawing",
    "sweep": "In a sweep",
    "metrics": "On the charts of a log",
    "big": "On the large numbers",
}

_BOTTOMS: tuple[Where, ...] = ("sweep", "metrics")
"""Screens that are shown in place of the dashboard, and that no other opens."""

_NOT_IN_A_SWEEP: tuple[Where, ...] = ("question", "compare", "runs", "entry", "branch")
"""Screens that can't be reached from a sweep's."""

_ON_A_RUN = frozenset(key.action for key in KEYS if key.where == "everywhere") - {
    "help",
    "command_palette",
    "suspend_process",
    "leave",
    "interrupt",
}
"""Actions of all screens that a foreign log does not have: nothing of it trains here."""

HELP_COLUMNS = 72
"""Width of a column of keys: no line is longer."""

FRAME_COLUMNS = 6
"""Padding and scrollbar, as in the stylesheet."""

_LEAST_COLUMNS, _GAP = 62, 4
"""Least width of several columns, which folds a few lines; and the gap between them."""

_MOST_COLUMNS = 3

_TEXT_AT = {False: 13, True: 15}
"""The column where a key's help begins, by `Look.ascii_only`: `shift+right` is the longest."""

_MOUSE = "Shift and drag selects text; --no-mouse leaves the mouse alone."

Section = list[str]
"""A heading and its lines."""


def help_text(here: Where = "dashboard", width: int = HELP_COLUMNS, look: Look = SHOWS_ALL) -> str:
    """Return all keys in one column, grouped by where they work: here, everywhere, elsewhere.

    Args:
        here: the screen whose keys come first.
        width: in columns; a longer line continues below its own text, not below the key.
        look: without arrows their keys have names in words.
    """
    return "\n".join(_stacked(_sections(here, width, look)))


def laid_out(here: Where, size: tuple[int, int], look: Look) -> Text:
    """Return the same in the fewest columns that fit into a terminal's height, side by side.

    Args:
        here: the screen whose keys come first.
        size: of the terminal, columns and rows.
        look: without arrows their keys have names in words.
    """
    room, rows = size[0] - FRAME_COLUMNS, size[1]
    most = min(_MOST_COLUMNS, max(1, (room + _GAP) // (_LEAST_COLUMNS + _GAP)))
    text = Text()
    for count in range(1, most + 1):
        width = min(HELP_COLUMNS, (room + _GAP) // count - _GAP)
        sections = _sections(here, width, look)
        columns = [_stacked(part) for part in _balanced(sections, count, rows)]
        text = _side_by_side(columns, width)
        if max(map(len, columns)) <= rows:
            break
    return text


def _sections(here: Where, width: int, look: Look) -> list[Section]:
    sections, text_at = [], _TEXT_AT[look.ascii_only]
    away = [other for other in _BOTTOMS if other != here]
    away += _NOT_IN_A_SWEEP if here == "sweep" else ()
    # From a log no other screen opens.
    away += [where for where in _HEADINGS if where != "everywhere"] if here == "metrics" else ()
    for where in (here, *(where for where in _HEADINGS if where not in (here, *away))):
        lines = [_HEADINGS[where]]
        for key in KEYS:
            if key.where == where and not (here == "metrics" and key.action in _ON_A_RUN):
                shown = key.shown_in(look)
                line = f"  {shown}".ljust(text_at) + key.help
                lines += _filled(line, width, text_at).split("\n")
        sections.append(lines)
    return [*sections, fill(_MOUSE, max(1, width)).split("\n")]


def _stacked(sections: list[Section]) -> list[str]:
    """Return the lines, with a blank line between two sections."""
    return [line for section in sections for line in ("", *section)][1:]


def _balanced(sections: list[Section], columns: int, rows: int) -> list[list[Section]]:
    """Return the sections in order, none split, so that the highest column is shortest.

    If that is higher than `rows`, one section behind the first two, which are those of the screen
    and of all screens, may go to the end of another column; or all of them go, the longest first,
    below the column that is shortest then.
    """
    splits = _splits(sections, columns)
    best = min(splits, key=_height)
    if columns == 1 or _height(best) <= rows:
        return best
    moved = [
        [[*part, one] if n == column else part for n, part in enumerate(split)]
        for number, one in list(enumerate(sections))[2:-1]
        for split in _splits([*sections[:number], *sections[number + 1 :]], columns)
        for column in range(columns)
    ]
    packed = [[*sections[:2]], *([] for _ in range(columns - 1))]
    for one in sorted(sections[2:], key=len, reverse=True):
        min(packed, key=lambda part: _height([part])).append(one)
    return min((best, *moved, packed), key=_height)


def _splits(sections: list[Section], columns: int) -> list[list[list[Section]]]:
    return [
        [sections[a:b] for a, b in pairwise((0, *cuts, len(sections)))]
        for cuts in combinations(range(1, len(sections)), columns - 1)
    ]


def _height(split: list[list[Section]]) -> int:
    """Return the lines of the highest column, with a blank line between two sections."""
    return max(sum(map(len, part)) + len(part) - 1 for part in split)


def _side_by_side(columns: list[list[str]], width: int) -> Text:
    text = Text()
    for row in zip_longest(*columns, fillvalue=""):
        for n, line in enumerate(row):
            is_heading = line in _HEADINGS.values()
            text.append(line, "bold" if is_heading else "")
            if n + 1 < len(row):
                text.append(" " * (width + _GAP - len(line)))
        text.append("\n")
    text.rstrip()
    return text


def _filled(line: str, width: int, text_at: int) -> str:
    columns = max(width, text_at + 10)
    # If everything fits, `fill` is not called: it takes 0.1 ms a line.
    if len(line) <= columns:
        return line
    return fill(line, columns, subsequent_indent=" " * text_at, drop_whitespace=True)
