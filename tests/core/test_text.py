"""Text from outside is safe to show."""

from hypothesis import given
from hypothesis import strategies as st

from mlpwatch.core.text import excerpt, printable


@given(st.text())
def test_it_is_printable_and_keeps_what_was_printable(text: str) -> None:
    line = printable(text)
    assert line.isprintable()
    assert line == text or not text.isprintable()


def test_control_characters_are_shown_not_sent() -> None:
    assert printable("a\x1b[2Jb\nc\u202ed") == "a\\x1b[2Jb\\nc\\u202ed"


def test_an_excerpt_is_one_short_line() -> None:
    assert excerpt("a\n  b\x1b") == "a b\\x1b"
    assert excerpt("x" * 30, limit=10) == "x" * 9 + "…"
