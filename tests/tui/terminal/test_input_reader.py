"""Every control sequence is read to its end, however it is split; what is unknown is dropped."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.events import AppBlur, AppFocus, CursorPosition, Key, MouseDown, Paste
from textual.message import Message

from mlpwatch.tui.terminal.input_reader import (
    GUESS_SECONDS,
    LATE_SECONDS,
    MOST_PASTED,
    SEQUENCE_SECONDS,
    STRING_SECONDS,
    InputReader,
)
from mlpwatch.tui.terminal.window.background import BackgroundFound

UNKNOWN = {
    "CSI": b"\x1b[?64;1;2;6;22c",
    "CSI, long": b"\x1b[" + b"1;" * 500 + b"q",
    "CSI, intermediates": b"\x1b[?12 $q",
    "CSI, a character beyond all": b"\x1b[1;1;1114112u",
    "CSI, half a surrogate": b"\x1b[1;1;55296u",
    "OSC, BEL": b"\x1b]11;rgb:1e1e/1e1e/1e1eq\x07",
    "OSC 11, too long": b"\x1b]11;rgb:ffff/ffff/ffff" + b"f" * 80 + b"\x07",
    "OSC, ST": b"\x1b]52;c;" + b"cQ==q " * 2000 + b"\x1b\\",
    "OSC, 8-bit ST": b"\x1b]0;\xc3\x9cq q\x9c",
    "character set": b"\x1b(q",
    "two intermediates": b"\x1b $q",
    "SS2": b"\x1bNq",
    "DCS": b"\x1bP1$r0 q q\x1b\\",
    "DCS with BEL": b"\x1bP>|term\x07 q\x1b\\",
    "APC": b"\x1b_Gi=31;OK q\x1b\\",
    "PM": b"\x1b^q private q\x1b\\",
    "SOS": b"\x1bXq start q\x1b\\",
    "8-bit CSI": b"\x9b?64;1q",
    "8-bit DCS": b"\x901$r0 q\x9c",
    "mouse before SGR mode": b"\x1b[MC\x85*",
    "mouse, urxvt": b"\x1b[35;101;10M",
    "size": b"\x1b[48;0;0;0;0t",
    "SS3": b"\x1bOz",
    "Latin-1": b"\xe9",
    "0x80": b"\x80",
    "0xff": b"\xff\xfe",
    "half a character": b"\xf0\x9f\x98",
}

SPLIT = {
    name: sequence for name, sequence in UNKNOWN.items() if sequence[1:2] not in (b"(", b" ", b"N")
}
"""A sign some time after escape is a key."""

KEYS = {
    b"\x1b[A": "up", b"\x1bOA": "up", b"\x1b[1;5C": "ctrl+right", b"\x1b[6~": "pagedown",
    b"\x1b[[A": "f1", b"\x1b[3$": "shift+delete", b"\x1b[27u": "escape", b"\x10": "ctrl+p",
    b"q": "q", b"\xc3\xa9": "é", b"\x1bx": "alt+x", b"\x1b\xc3\xa9": "alt+é", b"\r": "enter",
}  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reader(clock: Clock) -> InputReader:
    return InputReader(clock)


def keys(messages: list[Message]) -> list[str]:
    return [message.key for message in messages if isinstance(message, Key)]


def fed(reader: InputReader, parts: Iterator[bytes] | list[bytes]) -> list[Message]:
    return [message for part in parts for message in reader.feed(part)]


@pytest.mark.parametrize("sequence", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_what_is_unknown_brings_nothing_and_the_next_key_works(
    sequence: bytes, reader: InputReader
) -> None:
    assert reader.feed(sequence) == []
    assert keys(reader.feed(b"q")) == ["q"]


@pytest.mark.parametrize("sequence", SPLIT.values(), ids=SPLIT.keys())
def test_split_anywhere_it_brings_nothing_either(
    sequence: bytes, reader: InputReader, clock: Clock
) -> None:
    for cut in range(1, min(len(sequence), 40)):
        found = reader.feed(sequence[:cut])
        clock.now += 0.2
        found += reader.tick() + reader.feed(sequence[cut:])
        assert [key for key in keys(found) if key != "escape"] == [], cut
        assert keys(reader.feed(b"q")) == ["q"]


@pytest.mark.parametrize(("sequence", "key"), KEYS.items(), ids=map(repr, KEYS))
def test_keys_are_the_same_however_they_are_split(
    sequence: bytes, key: str, reader: InputReader
) -> None:
    assert keys(reader.feed(sequence)) == [key]
    for cut in range(len(sequence)):
        assert keys(fed(reader, [sequence[:cut], sequence[cut:]])) == [key]
    assert keys(fed(reader, [bytes([byte]) for byte in sequence])) == [key]


@pytest.mark.parametrize("introducer", [b"\x90", b"\x98", b"\x9b", b"\x9d", b"\x9f"])
@pytest.mark.parametrize("key", ["q", "d", "w"])
def test_an_8_bit_introducer_alone_is_a_key_of_another_encoding(
    introducer: bytes, key: str, reader: InputReader
) -> None:
    assert reader.feed(introducer) == reader.tick() == []
    assert keys(reader.feed(key.encode())) == [key]


def test_escape_before_a_byte_that_is_no_character_changes_no_later_key(
    reader: InputReader,
) -> None:
    assert keys(fed(reader, [b"\x1b\x80", b"q"])) == ["q"]
    assert keys(fed(reader, [b"\x1b\xc2", b"q"])) == ["q"]


def test_an_8_bit_introducer_in_a_character_is_part_of_it(reader: InputReader) -> None:
    for character in ("Û", "ś", "ě", "Đ"):
        first, second = character.encode()
        assert keys(fed(reader, [bytes([first]), bytes([second]), b"1"])) == [character, "1"]


def test_an_escape_alone_is_the_key_after_a_moment(reader: InputReader, clock: Clock) -> None:
    assert reader.feed(b"\x1b") == reader.tick() == []
    clock.now += 0.125
    assert keys(reader.tick()) == ["escape"]
    clock.now += LATE_SECONDS
    assert keys(reader.feed(b"[")) == ["left_square_bracket"]


def test_an_arrow_that_a_slow_link_splits_lowers_no_limit(
    reader: InputReader, clock: Clock
) -> None:
    found: list[Message] = []
    for byte in (b"\x1b", b"[", b"A"):
        found += reader.feed(byte)
        clock.now += GUESS_SECONDS - 0.1
        found += reader.tick()
    assert keys(found) == ["escape", "up"]


@pytest.mark.parametrize(
    "sequence", [b"\x1b[1;5C", b"\x1bOA", b"\x1bP1$r0 q q\x1b\\", b"\x1b]11;q\x07"]
)
@pytest.mark.parametrize("seconds", [0.2, 0.35, 0.6, 0.9])
def test_bytes_that_come_one_by_one_over_a_slow_link_are_no_letters(
    sequence: bytes, seconds: float, reader: InputReader, clock: Clock
) -> None:
    found: list[Message] = []
    for byte in sequence:
        found += reader.feed(bytes([byte]))
        clock.now += seconds
        found += reader.tick()
    assert [key for key in keys(found) if len(key) == 1 or "bracket" in key] == []


@pytest.mark.parametrize(
    ("typed", "expected"),
    [(b"]]]", ["right_square_bracket"] * 3), (b"[[", ["left_square_bracket"] * 2),
     (b"]q", ["right_square_bracket", "q"]), (b"X\r", ["X", "enter"]), (b"PP", ["P", "P"])],
)  # fmt: skip
def test_keys_soon_after_an_escape_are_keys(
    typed: bytes, expected: list[str], reader: InputReader, clock: Clock
) -> None:
    reader.feed(b"\x1b")
    clock.now += 0.125
    assert keys(reader.tick()) == ["escape"]
    found = reader.feed(typed[:1])
    clock.now += 0.2
    found += reader.tick() + reader.feed(typed[1:])
    clock.now += GUESS_SECONDS
    assert [key.replace("upper_", "") for key in keys(found + reader.tick())] == expected


def test_alt_with_a_sign_is_a_key_after_a_moment(reader: InputReader, clock: Clock) -> None:
    assert reader.feed(b"\x1b/") == []
    clock.now += 0.125
    assert keys(reader.tick()) == ["alt+slash"]
    assert keys(reader.feed(b"q")) == ["q"]


def test_a_bracket_soon_after_an_escape_is_a_key_if_nothing_follows(
    reader: InputReader, clock: Clock
) -> None:
    reader.feed(b"\x1b")
    clock.now += 0.125
    reader.tick()
    assert reader.feed(b"[") == []
    clock.now += GUESS_SECONDS + 0.01
    assert keys(reader.tick()) == ["left_square_bracket"]
    assert keys(reader.feed(b"q")) == ["q"]


@pytest.mark.parametrize(
    ("begun", "seconds"),
    [(b"\x1b[1;", SEQUENCE_SECONDS), (b"\x1bO", SEQUENCE_SECONDS), (b"\x1bP1", STRING_SECONDS)],
)
def test_what_never_ends_is_given_up(
    begun: bytes, seconds: float, reader: InputReader, clock: Clock
) -> None:
    reader.feed(begun)
    clock.now += seconds - 0.1
    assert reader.tick() == []
    assert not reader.is_idle
    clock.now += 0.1
    assert reader.tick() == []
    assert keys(reader.feed(b"q")) == ["q"]


@pytest.mark.parametrize("begun", [b"\x1b[12", b"\x1bO", b"\x1b]0;", b"\x1bPabc"])
def test_ctrl_c_ends_a_sequence_and_is_taken(begun: bytes, reader: InputReader) -> None:
    assert keys(reader.feed(begun + b"\x03")) == ["ctrl+c"]
    assert reader.feed(begun + b"\x18") == [], "CAN cancels"
    assert keys(reader.feed(b"q")) == ["q"]


def test_a_paste_is_one_message_whatever_is_in_it(reader: InputReader, clock: Clock) -> None:
    parts = [b"\x1b[200~caf\xc3", b"\xa9 \x1b[A q\x1b[20", b"1~", b"z"]
    found = fed(reader, parts)
    assert [message.text for message in found if isinstance(message, Paste)] == ["café \x1b[A q"]
    assert keys(found) == ["z"]
    reader.feed(b"\x1b[200~never ended")
    clock.now += STRING_SECONDS
    assert [type(message) for message in reader.tick()] == [Paste]
    (paste,) = reader.feed(b"\x1b[200~" + b"x" * (2 * MOST_PASTED) + b"\x1b[201~")
    assert isinstance(paste, Paste)
    assert len(paste.text) <= MOST_PASTED


def test_mouse_focus_and_answers_come_through(reader: InputReader) -> None:
    found = reader.feed(b"\x1b[<0;120;40M\x1b[I\x1b[O\x1b[12;7R")
    assert [type(message) for message in found] == [MouseDown, AppFocus, AppBlur, CursorPosition]
    assert isinstance(found[0], MouseDown)
    assert (found[0].x, found[0].y) == (119, 39)


SOUND = st.sampled_from([*(part for part in SPLIT.values() if part[0] < 0x80), *KEYS])
"""Half a character and an 8-bit introducer may make a whole character."""


@settings(deadline=None)
@given(st.lists(SOUND, max_size=12), st.lists(st.integers(0, 400), max_size=12))
def test_any_series_is_read_as_its_parts_are(series: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(series)
    ends = sorted({min(cut, len(whole)) for cut in cuts} | {len(whole)})
    reader = InputReader(Clock())
    starts = [0, *ends[:-1]]
    found = fed(reader, [whole[start:end] for start, end in zip(starts, ends, strict=True)])
    assert keys(found) == [KEYS[part] for part in series if part in KEYS]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=20), max_size=8))
def test_no_bytes_are_too_much(parts: list[bytes]) -> None:
    clock = Clock()
    reader = InputReader(clock)
    for part in parts:
        reader.feed(part)
        clock.now += 0.15
        reader.tick()
    clock.now += STRING_SECONDS
    reader.tick()
    clock.now += STRING_SECONDS
    reader.tick()
    assert keys(reader.feed(b"q"))[-1:] == ["q"]


@pytest.mark.parametrize(
    ("answer", "is_light"),
    [
        (b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\", True),
        (b"\x1b]11;rgb:fdfd/f6f6/e3e3\x07", True),
        (b"\x1b]11;rgba:ff/ff/ff/80\x9c", True),
        (b"\x1b]11;rgb:0/0/0\x07", False),
        (b"\x1b]11;rgb:0000/2b2b/3636\x1b\\", False),
    ],
)
@pytest.mark.parametrize("pieces", [1, 2, 30])
def test_a_terminal_says_its_background(answer: bytes, is_light: bool, pieces: int) -> None:
    reader, found = InputReader(), []
    size = -(-len(answer) // pieces)
    for start in range(0, len(answer), size):
        found += reader.feed(answer[start : start + size])
    (one,) = found
    assert isinstance(one, BackgroundFound)
    assert one.is_light == is_light
    assert [m.key for m in reader.feed(b"q") if isinstance(m, Key)] == ["q"]
