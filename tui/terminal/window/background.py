"""Whether the terminal has a light background: asked with OSC 11 (xterm, ctlseqs); most answer.

The answer may come after the first frame, or never; nothing waits for it.
"""

import re

from textual.message import Message

QUESTION = "\x1b]11;?\x1b\\"

LONGEST_ANSWER = 64
"""In bytes; the longest known one, with alpha, has 30."""

_ANSWER = re.compile(
    r"\x1b\]11;rgba?:([0-9a-f]{1,4})/([0-9a-f]{1,4})/([0-9a-f]{1,4})(?:/[0-9a-f]{1,4})?"
    r"(?:\x07|\x1b\\|\x9c)",
    re.IGNORECASE,
)

_WEIGHTS = 0.2126, 0.7152, 0.0722
"""Of red, green and blue in the luma of ITU-R BT.709."""


class BackgroundFound(Message):
    """The terminal has answered.

    Args:
        is_light: whether dark letters are read better on its background.
    """

    def __init__(self, *, is_light: bool) -> None:
        super().__init__()
        self.is_light = is_light


def background_in(answer: str) -> BackgroundFound | None:
    """Return what a terminal says; None for any other sequence.

    Args:
        answer: a whole sequence; each colour has one to four hexadecimal digits.
    """
    found = _ANSWER.fullmatch(answer)
    if found is None:
        return None
    shares = (int(digits, 16) / (16 ** len(digits) - 1) for digits in found.groups())
    luma = sum(weight * share for weight, share in zip(_WEIGHTS, shares, strict=True))
    return BackgroundFound(is_light=luma > 0.5)  # noqa: PLR2004 - half of white's
