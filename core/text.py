"""Text from outside, made safe to show on one line of a terminal."""

MAX_LINE_LENGTH = 1_000
"""Characters of one message on a terminal; a run's own path and reason fit."""

MAX_EXCERPT_LENGTH = 160
"""Characters of foreign text that a message quotes."""


def printable(text: object) -> str:
    r"""Return `text` on one line, with control and bidi characters shown as `\x1b` and the like.

    A folder name may hold any byte; an escape sequence in it must not reach the terminal.
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)
    )


def one_line(text: object) -> str:
    """Return `text` as `printable` does, with the middle left out where it is very long.

    A path may have 4,096 characters, an argument 131,072: the end of a message, which says what to
    do, would be lost below them.
    """
    shown = printable(text)
    if len(shown) <= MAX_LINE_LENGTH:
        return shown
    half = MAX_LINE_LENGTH // 2
    return f"{shown[:half]} … {shown[-half:]}"


def excerpt(text: object, limit: int = MAX_EXCERPT_LENGTH) -> str:
    """Return the first `limit` characters of foreign text, its white space folded, printable."""
    line = printable(" ".join(str(text).split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"
