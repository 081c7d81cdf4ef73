"""Makes foreign text safe to show on one line of a terminal."""

MAX_LINE_LENGTH = 1_000
"""Most characters of one message on a terminal; a run's path and a reason fit."""

MAX_EXCERPT_LENGTH = 160
"""Most characters of foreign text quoted in a message."""


def printable(text: object) -> str:
    r"""Return `text` on one line, with control and bidi characters shown as `\x1b` and the like.

    A folder's name may contain any byte; an escape sequence in it must not reach the terminal.
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)
    )


def one_line(text: object) -> str:
    """Return `text` as in `printable`, without its middle if it is very long.

    A path may have 4,096 characters, an argument 131,072. The end of the message, which says what
    to do, would then be off the screen.
    """
    shown = printable(text)
    if len(shown) <= MAX_LINE_LENGTH:
        return shown
    half = MAX_LINE_LENGTH // 2
    return f"{shown[:half]} … {shown[-half:]}"


def excerpt(text: object, limit: int = MAX_EXCERPT_LENGTH) -> str:
    """Return the first `limit` characters of foreign text, printable, white space collapsed."""
    line = printable(" ".join(str(text).split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"
