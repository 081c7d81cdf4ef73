"""The emulator that the tests of real terminals look at keeps two screens apart."""

from tests.support.pty.emulator import Emulator


def test_the_alternate_screen_is_empty_at_first_and_gone_afterwards() -> None:
    emulator = Emulator(20, 3)
    emulator.show(b"ready> demo\r\n")
    emulator.show(b"\x1b[?1049h\x1b[Hdrawn")
    assert emulator.text() == "drawn\n\n"
    emulator.show(b"\x1b[?1049lback")
    assert emulator.text() == "ready> demo\nback\n"
    emulator.show(b"\x1b[?1049h")
    assert emulator.text() == "\n\n", "nothing of the time before"


def test_switching_twice_changes_nothing() -> None:
    emulator = Emulator(20, 2)
    emulator.show(b"shell\x1b[?1049h\x1b[Happ\x1b[?1049h")
    assert emulator.text() == "app\n"
    emulator.show(b"\x1b[?1049l\x1b[?1049l")
    assert emulator.text() == "shell\n"


def test_a_sequence_may_come_in_parts_and_keyboard_protocols_print_nothing() -> None:
    emulator = Emulator(20, 1)
    for part in (b"a\x1b", b"[3", b"1mb\x1b[>", b"1u", b"\x1b[=0;1uc"):
        emulator.show(part)
    assert emulator.text() == "abc"
    assert emulator.buffer[0][1].fg == "red"


def test_it_tells_where_the_cursor_is_after_what_came_before() -> None:
    answers: list[str] = []
    Emulator(20, 5, answers.append).show(b"ab\x1b[6n\r\ncde\x1b[6n")
    assert answers == ["\x1b[1;3R", "\x1b[2;4R"]
