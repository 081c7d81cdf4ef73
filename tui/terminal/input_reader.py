"""Splits a terminal's input into keys, pastes, mouse reports and answers.

Textual 8.2 decodes strictly, so that one byte that is not UTF-8 ends its input thread; and it
turns every unknown escape sequence into keys, among them a late answer's `q`. Here every
control sequence of ECMA-48 (5.4 and 5.6: CSI, and the strings OSC, DCS, APC, PM, SOS) is read to
its end, at any length and split anywhere. Only complete, known sequences are passed on.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from time import monotonic

from textual import constants
from textual.events import Key, Paste, Resize
from textual.message import Message

from mlpwatch.tui.terminal.textual_internals import XTermParser
from mlpwatch.tui.terminal.window.background import LONGEST_ANSWER, background_in
from mlpwatch.tui.terminal.window.pictures import pictures_in

SEQUENCE_SECONDS = 2.0
"""Silence after which an incomplete sequence is given up: the next byte is a key again."""

STRING_SECONDS = 5.0
"""The same for strings and pastes, which come in many parts over a slow link."""

LATE_SECONDS = 1.5
"""How long after an escape key its byte may still prove to have begun a sequence: a slow link
splits anywhere."""

GUESS_SECONDS = 1.0
"""Silence after which the possible rest of such a sequence is a key. Only a key that was pressed
soon after escape, with no other behind it, takes so long."""

LONGEST_KNOWN = 32
"""In bytes; Textual's parser knows no longer sequence."""

MOST_PASTED = 1_000_000
"""Most bytes of a paste that are kept."""

_ESC, _CANCELS, _BEL, _ST = 0x1B, (0x18, 0x1A), 0x07, 0x9C
_PASTE_START, _PASTE_END = b"\x1b[200~", b"\x1b[201~"
_OLD_MOUSE_BYTES = 3
"""Button, column and row, each of any value: xterm's reports before SGR mode."""

_RXVT_KEY = re.compile(rb"\x1b\[(3|7|8|23|24)\$")
"""Ends with an intermediate byte, against ECMA-48."""

_PRINTABLE = bytes(range(0x20, 0x7F))

_CONTINUES = {
    ord("["): b"0123456789<=>?ABCDEFGHIMOPQRSZ", ord("O"): b"0123456789" + _PRINTABLE[0x20:0x5F],
    ord("]"): b"0123456789lLI", ord("P"): b"0123456789!$+>|=", ord("X"): _PRINTABLE,
    ord("^"): _PRINTABLE, ord("_"): _PRINTABLE,
}  # fmt: skip
"""What terminals send behind the second byte of a sequence: where it was guessed, and something
else comes, two keys were pressed."""

_INTRODUCERS = {0x9B: "[", 0x90: "P", 0x9D: "]"}
"""8-bit introducers of CSI, DCS and OSC (ECMA-48, 5.3), and the second bytes that they stand for.
No character of UTF-8 begins with one, but in Latin-1's relatives they are keys."""

_EIGHT_BIT_CONTINUES = {
    ord("["): b"0123456789<=>?", ord("P"): b"0123456789!$+>|=", ord("]"): b"0123456789",
}  # fmt: skip
"""What follows an 8-bit introducer that is no key."""

_EIGHT_BIT = re.compile(
    rb"(?<![\x80-\xff])"
    rb"(?:\x9b[<=>?]?[0-9:;]+[0-?]*[ -/]*[@-~]|[\x90\x98\x9d\x9e\x9f][^\x1b\x9c]*(?:\x9c|\x1b\\))"
)
"""A sequence with an 8-bit introducer, if complete; such a byte alone is a Latin-1 key."""


class InputReader:
    """Collects bytes, and returns the complete messages.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._parser = XTermParser()
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._take: Callable[[int], None] = self._take_text
        """Handles the next byte, depending on the bytes before."""
        self._sequence = bytearray()
        self._before = 0
        """In a string, the byte before."""
        self._alt = ""
        self._messages: list[Message] = []
        self._heard_at = self._late_until = clock()
        self._is_guess = False
        """Whether the sequence's ESC was taken for a key, and only its second byte has come; or
        only an 8-bit introducer, which may be a key."""
        self._is_eight_bit = False

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing incomplete that silence would end."""
        return self._take == self._take_text

    @property
    def _in_character(self) -> bool:
        """Whether part of a character of several bytes has come."""
        return bool(self._decoder.getstate()[0])

    def feed(self, data: bytes) -> list[Message]:
        """Add bytes; return the messages that they complete."""
        self._heard_at = self._clock()
        if self.is_idle and not self._in_character:
            data = _EIGHT_BIT.sub(b"", data)
        for byte in data:
            if self._is_guess:
                self._check_guess(byte)
            self._take(byte)
        return self._taken()

    def tick(self) -> list[Message]:
        """Return the messages due to silence since the last byte; call it while nothing comes."""
        silence = self._clock() - self._heard_at
        if self._take == self._take_escaped and silence >= constants.ESCAPE_DELAY:
            self._messages.append(Key("escape", "\x1b"))
            self._late_until = self._clock() + LATE_SECONDS
            self._take = self._take_text
        elif self._take == self._take_intermediate and silence >= constants.ESCAPE_DELAY:
            self._end_intermediate()
        elif self._is_guess and silence >= GUESS_SECONDS:
            self._type_guess()
        elif silence >= STRING_SECONDS and self._take == self._take_paste:
            self._end_paste()
        elif silence >= self._patience():
            self._give_up()
        return self._taken()

    def _patience(self) -> float:
        """Return the seconds of silence after which the incomplete input is given up."""
        is_long = self._take in (self._take_string, self._take_paste)
        return STRING_SECONDS if is_long else SEQUENCE_SECONDS

    def _taken(self) -> list[Message]:
        messages, self._messages = self._messages, []
        return messages

    def _give_up(self) -> None:
        self._take, self._is_guess = self._take_text, False

    def _check_guess(self, byte: int) -> None:
        """Take what was guessed to be part of a sequence for a key, if this byte is not the next.

        A key that is pressed twice, as to lower the limit, is no sequence either.
        """
        begun, self._is_guess = self._sequence[1], False
        if self._is_eight_bit:
            if byte not in _EIGHT_BIT_CONTINUES[begun]:
                self._give_up()
        elif byte == begun or byte not in _CONTINUES[begun]:
            self._type_guess()

    def _type_guess(self) -> None:
        self._give_up()
        if not self._is_eight_bit:
            self._type(chr(self._sequence[1]))

    def _take_text(self, byte: int) -> None:
        if byte == _ESC:
            self._begin()
        elif byte in b"[O]PX^_" and self._clock() < self._late_until:
            self._begin()
            self._take_escaped(byte)
            self._is_guess = True
        elif byte in _INTRODUCERS and not self._in_character:
            self._begin()
            self._take_escaped(ord(_INTRODUCERS[byte]))
            self._is_guess = self._is_eight_bit = True
        else:
            self._late_until = 0.0
            if self._in_character and not 0x80 <= byte < 0xC0:  # noqa: PLR2004 - no continuation
                self._alt = ""
            self._type(self._decoder.decode(bytes([byte])))
            if not self._in_character:
                self._alt = ""

    def _begin(self) -> None:
        """Begin a sequence; an incomplete character before it is dropped."""
        self._decoder.reset()
        self._sequence[:] = [_ESC]
        self._late_until = 0.0
        self._take, self._is_guess, self._is_eight_bit = self._take_escaped, False, False

    def _take_escaped(self, byte: int) -> None:
        """Process the byte after ESC."""
        self._sequence.append(byte)
        if byte == _ESC:
            self._messages.append(Key("escape", "\x1b"))
            self._begin()
        elif byte in _CANCELS:
            self._give_up()
        elif byte == ord("["):
            self._take = self._take_control
        elif byte == ord("O"):
            self._take = self._take_single_shift
        elif byte in b"]PX^_":
            self._take, self._before = self._take_string, 0
        elif byte in _PRINTABLE[:0x10] or byte == ord("N"):
            self._take = self._take_intermediate
        else:
            self._give_up()
            self._alt = "" if self._knows() else "alt+"
            if self._alt:
                self._take_text(byte)

    def _take_intermediate(self, byte: int) -> None:
        """Take a byte of `ESC ( B` and the like (ECMA-35, 13.2), or the one that SS2 shifts."""
        self._sequence.append(byte)
        if byte not in _PRINTABLE:
            self._end_intermediate()
            self._take_text(byte)
        elif byte not in _PRINTABLE[:0x10] or self._sequence[1] == ord("N"):
            self._give_up()

    def _end_intermediate(self) -> None:
        """Nothing that belongs to it follows: the first byte was a key, with alt."""
        self._give_up()
        self._alt = "alt+"
        self._type(chr(self._sequence[1]))

    def _take_control(self, byte: int) -> None:
        """Process a byte of CSI: parameters, intermediates, one final byte."""
        if 0x20 <= byte <= 0x7E:  # noqa: PLR2004 - the printable characters of ASCII
            if len(self._sequence) <= LONGEST_KNOWN:
                self._sequence.append(byte)
            if self._sequence == b"\x1b[M":
                self._take = self._take_old_mouse
            elif self._sequence == b"\x1b[[":
                self._take = self._take_single_shift
            elif byte >= ord("@") or _RXVT_KEY.fullmatch(self._sequence):
                self._end_control()
        else:
            self._break_off(byte)

    def _end_control(self) -> None:
        self._give_up()
        if self._sequence == _PASTE_START:
            self._sequence.clear()
            self._take = self._take_paste
        else:
            self._knows()

    def _take_single_shift(self, byte: int) -> None:
        """Process a byte of SS3, or of the Linux console's `ESC [ [`: one final byte."""
        if ord("0") <= byte <= ord(";") and len(self._sequence) <= LONGEST_KNOWN:
            self._sequence.append(byte)
        elif ord("@") <= byte <= ord("~"):
            self._sequence.append(byte)
            self._give_up()
            self._knows()
        else:
            self._break_off(byte)

    def _take_old_mouse(self, byte: int) -> None:
        """Drop a byte of an old mouse report, which has three."""
        self._sequence.append(byte)
        if len(self._sequence) == len(b"\x1b[M") + _OLD_MOUSE_BYTES:
            self._give_up()

    def _take_string(self, byte: int) -> None:
        """Take a byte of OSC, DCS, APC, PM or SOS, up to ST or, in OSC, BEL."""
        before, self._before = self._before, byte
        if len(self._sequence) <= LONGEST_ANSWER:
            self._sequence.append(byte)
        # As ST has one byte too, which is also the second half of many a letter in UTF-8.
        is_end = byte in _CANCELS or (byte == _ST and before < 0x80)  # noqa: PLR2004
        if before == _ESC and byte != ord("\\"):
            self._begin()
            self._take_escaped(byte)
        elif before == _ESC or is_end or (byte == _BEL and self._sequence[1] == ord("]")):
            self._give_up()
            # Of all strings only the answers to our own questions are passed on.
            answer = self._sequence.decode("latin-1")
            if found := background_in(answer) or pictures_in(answer):
                self._messages.append(found)
        elif byte == 0x03:  # noqa: PLR2004 - ctrl+c, which no string holds
            self._break_off(byte)

    def _take_paste(self, byte: int) -> None:
        self._sequence.append(byte)
        if len(self._sequence) > MOST_PASTED:
            # The newest bytes are kept: they may begin the end.
            del self._sequence[-len(_PASTE_END) - 1]
        if byte == ord("~") and self._sequence.endswith(_PASTE_END):
            del self._sequence[-len(_PASTE_END) :]
            self._end_paste()

    def _end_paste(self) -> None:
        text = self._sequence.decode(errors="ignore").replace("\0", "")
        self._messages.append(Paste(text))
        self._give_up()

    def _break_off(self, byte: int) -> None:
        """Give up the sequence at a byte that can't be part of it, and process that byte."""
        self._give_up()
        if byte not in _CANCELS:
            self._take_text(byte)

    def _type(self, text: str) -> None:
        for character in text:
            for message in self._parsed(character):
                if self._alt and isinstance(message, Key):
                    message = Key(f"{self._alt}{message.key}", None)  # noqa: PLW2901
                self._messages.append(message)
            self._alt = ""

    def _knows(self) -> bool:
        """Pass on the messages of the sequence, if Textual knows it; return whether it does."""
        if len(self._sequence) > LONGEST_KNOWN:
            return False
        found = list(self._parsed(self._sequence.decode("latin-1")))
        self._messages += found
        return bool(found)

    def _parsed(self, text: str) -> Iterator[Message]:
        """Yield what Textual's parser returns for a character or a complete sequence."""
        try:
            found = list(self._parser.feed(text))
        except (ValueError, OverflowError, ArithmeticError):
            # For example numbers beyond those of characters.
            found = []
        yield from filter(_is_sound, found)
        if not found and len(text) > 1:
            # The parser waits for more if it does not know the sequence.
            self._parser = XTermParser()


def _is_sound(message: Message) -> bool:
    """Return whether the app may get a message.

    Its size comes only from the system, and a character must be encodable.
    """
    if isinstance(message, Key) and message.character:
        return not any("\ud800" <= character <= "\udfff" for character in message.character)
    return not isinstance(message, Resize)
