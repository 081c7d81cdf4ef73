"""Pictures in pixels: what is sent decodes to the image, and nothing is left behind."""

import re
import zlib
from base64 import b64decode
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpwatch.tui.mistakes.digit_view import png_of
from mlpwatch.tui.terminal.input_reader import InputReader
from mlpwatch.tui.terminal.window.abilities import abilities
from mlpwatch.tui.terminal.window.pictures import (
    MOST_IN_CHUNK,
    QUESTION,
    Pictures,
    PicturesFound,
    Placement,
    pictures_in,
)

COMMAND = re.compile(r"\x1b_G([^;\x1b]*)(?:;([^\x1b]*))?\x1b\\")


class Sent(NamedTuple):
    """A command of kitty's protocol."""

    keys: dict[str, str]
    payload: str


def commands(text: str) -> list[Sent]:
    return [
        Sent(dict(pair.split("=") for pair in keys.split(",")), payload)
        for keys, payload in COMMAND.findall(text)
    ]


def decoded(png: bytes) -> NDArray[np.uint8]:
    """Return (height, width, 2): grey and alpha; checks every chunk's sum."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4])
        name, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert int.from_bytes(png[at + 8 + length : at + 12 + length]) == zlib.crc32(name + body)
        chunks[name], at = body, at + 12 + length
    width, height = int.from_bytes(chunks[b"IHDR"][:4]), int.from_bytes(chunks[b"IHDR"][4:8])
    assert chunks[b"IHDR"][8:] == bytes((8, 4, 0, 0, 0))
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any(), "no filter"
    return rows[:, 1:].reshape(height, width, 2)


def ink(seed: int = 0, size: int = 28) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random((size, size))


def placed(png: bytes = b"one", x: int = 3, y: int = 7) -> Placement:
    return Placement(x, y, 56, 28, png)


def test_a_png_has_the_ink_as_alpha_over_the_terminals_own_background() -> None:
    image = np.array([[0.0, 1.0, 0.5], [np.nan, 2.0, -1.0]])
    pixels = decoded(png_of(image, 224))
    assert pixels[..., 1].tolist() == [[0, 255, 128], [0, 255, 0]]
    assert set(pixels[..., 0].ravel().tolist()) == {224}


@pytest.mark.parametrize("size", [8, 28, 96])
def test_a_new_picture_is_sent_in_chunks_at_its_cells(size: int) -> None:
    png = png_of(ink(size=size), 224)
    text = Pictures().change(placed(png))
    assert text.startswith("\x1b7\x1b[8;4H")
    assert text.endswith("\x1b8")
    first, *others = commands(text)
    assert (first.keys["a"], first.keys["f"], first.keys["C"]) == ("T", "100", "1")
    assert (first.keys["c"], first.keys["r"]) == ("56", "28")
    assert b64decode("".join(one.payload for one in (first, *others))) == png
    assert all(len(one.payload) <= MOST_IN_CHUNK for one in (first, *others))
    assert [one.keys.get("m") for one in (first, *others)] == (
        ["1"] * len(others) + ["0"] if others else [None]
    )
    assert all(one.keys["q"] == "2" for one in (first, *others)), "no answer comes"
    assert bool(others) == (size == 96)


def test_the_terminal_is_asked_in_a_way_that_it_answers() -> None:
    (question,) = commands(QUESTION)
    assert (question.keys["a"], question.keys["t"], question.keys["f"]) == ("q", "d", "24")
    assert b64decode(question.payload) == bytes(3), "one pixel"
    answer = f"\x1b_Gi={question.keys['i']};OK\x1b\\"
    assert pictures_in(answer) is not None
    assert pictures_in(answer.replace("OK", "ENOTSUP:no")) is None
    assert pictures_in("\x1b_Gi=1;OK\x1b\\") is None
    for cut in range(1, len(answer)):
        reader = InputReader()
        found = reader.feed(answer[:cut].encode()) + reader.feed(answer[cut:].encode())
        assert [type(one) for one in found] == [PicturesFound]


def test_only_changes_are_sent() -> None:
    pictures = Pictures()
    assert pictures.change(None) == ""
    assert pictures.change(placed())
    assert pictures.change(placed()) == ""
    (moved,) = commands(pictures.change(placed(x=9)))
    assert (moved.keys["a"], moved.payload) == ("p", ""), "its data are there already"
    (hidden,) = commands(pictures.change(None))
    assert (hidden.keys["a"], hidden.keys["d"]) == ("d", "i"), "its data stay"
    (again,) = commands(pictures.change(placed()))
    assert again.keys["a"] == "p"
    pictures.forget()
    assert commands(pictures.change(placed()))[0].keys["a"] == "p"
    (gone,) = commands(pictures.cleared())
    assert (gone.keys["a"], gone.keys["d"]) == ("d", "I"), "with its data"
    assert pictures.cleared() == ""
    assert commands(pictures.change(placed()))[0].keys["a"] == "T"


@pytest.mark.parametrize(
    ("variables", "able"),
    [
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "xterm-ghostty"}, True),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, True),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, False),
        ({"TERM": "tmux-256color", "TMUX": "1", "KITTY_WINDOW_ID": "1"}, False),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, False),
        ({"TERM": "screen-256color", "STY": "1", "KITTY_WINDOW_ID": "1"}, False),
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "foot"}, False),
        ({"TERM": "dumb", "KITTY_WINDOW_ID": "1"}, False),
        ({}, False),
    ],
)
def test_only_terminals_that_know_the_question_are_asked(
    variables: dict[str, str], able: bool
) -> None:
    assert abilities(variables).has_pictures is able
