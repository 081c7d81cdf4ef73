"""A screen as text: its characters, and in a second block which colour each of them has."""

from collections import Counter
from itertools import groupby
from string import ascii_letters
from typing import Any

from rich.style import Style
from textual.app import App

_LETTERS = ascii_letters + "".join(map(chr, range(0x100, 0x180)))
"""One per style; pixels in grey have many."""

_ATTRIBUTES = ("bold", "dim", "italic", "underline", "reverse")


def screen_text(app: App[Any]) -> str:
    """Return the rows of the screen, without blanks at their ends."""
    return "\n".join(row.rstrip() for row, _ in _rows(app))


def screen_picture(app: App[Any]) -> str:
    """Return the rows, then one letter and count per run of one style, then what the letters mean.

    Blanks take the style before them unless it could be seen on them. The most common background
    is named once.
    """
    letters: dict[str, str] = {}
    text, runs = [], []
    for row, styles in _rows(app):
        text.append(row.rstrip())
        names = _without_blanks(row.rstrip(), styles)
        runs.append(
            " ".join(
                letters.setdefault(name, _LETTERS[len(letters)]) + str(len(list(group)))
                for name, group in groupby(names)
            )
        )
    grounds = Counter(name.partition("on ")[2] for name in letters)
    ground = grounds.most_common(1)[0][0]
    legend = [
        f"{letter} = {name.removesuffix(f'on {ground}').strip() or 'blank'}"
        for name, letter in letters.items()
    ]
    return "\n".join([*text, "", *runs, "", f"ground {ground}", *legend])


def _rows(app: App[Any]) -> list[tuple[str, list[str]]]:
    """Return each row's characters, and the name of each character's style."""
    rows = []
    for strip in app.screen._compositor.render_strips():
        text = "".join(segment.text for segment in strip)
        styles = [
            name
            for segment in strip
            for name in [style_name(segment.style or Style())] * len(segment.text)
        ]
        rows.append((text, styles))
    return rows


def style_name(style: Style) -> str:
    """Return attributes and colours, like `bold #e69f00 on #121212`."""
    words = [word for word in _ATTRIBUTES if getattr(style, word)]
    if style.color is not None:
        words.append(style.color.name)
    if style.bgcolor is not None:
        words += ["on", style.bgcolor.name]
    return " ".join(words)


def _without_blanks(row: str, styles: list[str]) -> list[str]:
    names: list[str] = []
    for character, name in zip(row, styles, strict=False):
        is_seen = "underline" in name or "reverse" in name
        names.append(names[-1] if character == " " and names and not is_seen else name)
    return names
