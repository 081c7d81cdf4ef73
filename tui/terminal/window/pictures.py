"""A picture in real pixels in front of the cells, by kitty's graphics protocol.

https://sw.kovidgoyal.net/kitty/graphics-protocol/. A digit of MNIST takes half the bytes of half
blocks. A terminal is asked first: variables of the one that it was started from may be left. Sixel
has no numbers for its pictures and no way to take one back, and takes more.
"""

from base64 import b64encode
from typing import NamedTuple

from textual.message import Message

PICTURE_ID = 1_836_020_577
"""The only picture; others of the same terminal have other numbers, most of them small."""

MOST_IN_CHUNK = 4_096
"""Bytes of base64 in a sequence, as the protocol says."""

_QUIET = "q=2"
"""No answers: what an earlier program asked may be read as keys by a later one."""


_QUESTION_ID = 1_836_020_578

QUESTION = f"\x1b_Gi={_QUESTION_ID},s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
"""Whether a picture of one pixel could be shown; only for terminals that do not print it."""

_ANSWER = f"\x1b_Gi={_QUESTION_ID};OK\x1b\\"


class PicturesFound(Message):
    """The terminal has answered that it shows pictures."""


def pictures_in(answer: str) -> PicturesFound | None:
    """Return what a terminal says about pictures; None for any other sequence."""
    return PicturesFound() if answer == _ANSWER else None


class Placement(NamedTuple):
    """A picture and its cells."""

    x: int
    """Column of the left upper corner, from 0 on."""
    y: int
    columns: int
    rows: int
    png: bytes


class Pictures:
    """Knows which picture the terminal has and shows, and what changes that."""

    def __init__(self) -> None:
        self._sent = b""
        self._shown: Placement | None = None

    def change(self, wanted: Placement | None) -> str:
        """Return what makes the terminal show a picture, or none; empty if it does already."""
        if wanted == self._shown:
            return ""
        before, self._shown = self._shown, wanted
        if wanted is None:
            return "" if before is None else _command(f"a=d,d=i,i={PICTURE_ID},{_QUIET}")
        place = f"i={PICTURE_ID},p=1,c={wanted.columns},r={wanted.rows},C=1,{_QUIET}"
        if wanted.png == self._sent:
            drawn = _command(f"a=p,{place}")
        else:
            self._sent = wanted.png
            drawn = _transmitted(wanted.png, f"a=T,f=100,{place}")
        # The cursor stays where the cells have left it.
        return f"\x1b7\x1b[{wanted.y + 1};{wanted.x + 1}H{drawn}\x1b8"

    def cleared(self) -> str:
        """Return what takes the picture and its data from the terminal; empty without one."""
        had, self._sent, self._shown = self._sent, b"", None
        return _command(f"a=d,d=I,i={PICTURE_ID},{_QUIET}") if had else ""

    def forget(self) -> None:
        """Place the picture again: the terminal may have lost it."""
        self._shown = None


def _transmitted(png: bytes, keys: str) -> str:
    """Return a picture in sequences of a size that the protocol allows."""
    text = b64encode(png).decode()
    parts = [text[n : n + MOST_IN_CHUNK] for n in range(0, len(text), MOST_IN_CHUNK)]
    last = len(parts) - 1
    return "".join(
        _command(f"{keys if n == 0 else _QUIET}{f',m={int(n < last)}' * (last > 0)};{part}")
        for n, part in enumerate(parts)
    )


def _command(text: str) -> str:
    return f"\x1b_G{text}\x1b\\"
