"""What a terminal can show is read from its environment."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlpwatch.tui.terminal.traits import has_colour, has_unicode, unusable_terminal
from tests.support.checkout import CHECKOUT


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, True),
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "de_DE.utf8"}, True),
        ({"LC_CTYPE": "UTF-8"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),
        ({"LANG": "C"}, False),
        ({"LANG": "POSIX"}, False),
        ({"LANG": "en_US"}, False),
        ({"LANG": "de_DE.ISO-8859-15@euro"}, False),
        ({"LC_ALL": "C", "LANG": "C.UTF-8"}, False),
        ({"LC_ALL": "", "LANG": "C.UTF-8"}, True),
    ],
)
def test_unicode_goes_by_the_locale(variables: Mapping[str, str], expected: bool) -> None:
    assert has_unicode(variables, "utf-8") is expected


def test_an_output_of_another_encoding_has_no_unicode() -> None:
    assert not has_unicode({"LANG": "C.UTF-8"}, "ascii")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc here")
@pytest.mark.parametrize(
    ("variables", "expected"),
    [({"LANG": "C"}, "False"), ({"LC_ALL": "POSIX"}, "False"), ({"LANG": "C.UTF-8"}, "True")],
)
def test_pythons_own_change_of_the_locale_does_not_count(
    variables: dict[str, str], expected: str
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LA"))}
    script = "import os; from mlpwatch.tui.terminal.traits import has_unicode; print(has_unicode())"
    printed = subprocess.run(
        [sys.executable, "-c", script], env=kept | variables, cwd=CHECKOUT,
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert printed.strip() == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "linux"}, True),
        ({"TERM": "screen-256color"}, True),
        ({"TERM": "vt100"}, False),
        ({"TERM": "vt100", "COLORTERM": "truecolor"}, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        ({"TERM": "a-terminal-of-next-year"}, True),
    ],
)
def test_colour_goes_by_terminfo(variables: Mapping[str, str], expected: bool) -> None:
    # curses reads one description per process.
    script = (
        "from mlpwatch.tui.terminal.traits import has_colour; "
        f"print(has_colour({dict(variables)!r}))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True,
        timeout=60,
    ).stdout  # fmt: skip
    assert printed.strip() == str(expected)


def test_nobody_asked_means_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colour()


@pytest.mark.parametrize(
    ("name", "usable"), [("dumb", 0), ("Dumb", 0), ("unknown", 0), ("vt100", 1)]
)
def test_a_terminal_that_can_not_move_its_cursor_shows_no_screen(name: str, usable: int) -> None:
    assert unusable_terminal({"TERM": name}) == ("" if usable else f"TERM is {name}")
    assert unusable_terminal({}) == ""
