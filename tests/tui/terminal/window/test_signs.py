"""Signs beside the cells: by terminal, through tmux, and absent where they are not understood."""

import io

import pytest

from mlpwatch.tui.terminal.window.abilities import Abilities, abilities
from mlpwatch.tui.terminal.window.signs import clipboard, notification, notify_stderr

KINDS = {
    "iTerm2": ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "osc9"),
    "iTerm2 by ssh": ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "osc9"),
    "kitty by ssh": ({"TERM": "xterm-kitty"}, "osc777"),
    "ghostty": ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "osc777"),
    "wezterm": ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "osc777"),
    "foot": ({"TERM": "foot"}, "osc777"),
    "urxvt": ({"TERM": "rxvt-unicode-256color"}, "osc777"),
    "kitty in tmux": (
        {"TERM": "tmux-256color", "TMUX": "x", "TERM_PROGRAM": "tmux", "KITTY_WINDOW_ID": "1"},
        "osc777",
    ),
    "tmux": ({"TERM": "tmux-256color", "TMUX": "x", "TERM_PROGRAM": "tmux"}, "bell"),
    "xterm": ({"TERM": "xterm-256color"}, "bell"),
    "macOS": ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, "bell"),
    "Windows": ({"TERM": "xterm-256color", "WT_SESSION": "x"}, "bell"),
    "screen": ({"TERM": "screen-256color", "STY": "x", "KITTY_WINDOW_ID": "1"}, "bell"),
    "console": ({"TERM": "linux"}, "bell"),
    "dumb": ({"TERM": "dumb"}, ""),
    "none": ({}, ""),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_notification_by_terminal(kind: str) -> None:
    variables, expected = KINDS[kind]
    assert abilities(variables).notification == expected


def test_only_what_is_known_gets_a_title_or_progress_or_the_clipboard() -> None:
    for name in ("dumb", "none", "console", "screen"):
        can = abilities(KINDS[name][0])
        assert (can.has_title, can.has_progress, can.has_clipboard) == (False, False, False)
    for name in ("iTerm2", "kitty by ssh", "tmux", "xterm", "foot"):
        assert abilities(KINDS[name][0]).has_title
    assert abilities({"TERM": "strange"}) == Abilities("bell")


@pytest.mark.parametrize(
    ("variables", "shows"),
    [
        ({"WT_SESSION": "x"}, True),
        ({"TERM_PROGRAM": "ghostty"}, True),
        ({"TERM_PROGRAM": "WezTerm"}, True),
        ({"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.6.6"}, True),
        ({"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.5.14"}, False),
        ({"VTE_VERSION": "8001"}, True),
        ({"VTE_VERSION": "7600"}, False),
        ({"KONSOLE_VERSION": "250401"}, True),
        ({"ConEmuANSI": "ON"}, True),
        ({}, False),
        ({"TERM": "xterm-kitty"}, False),
        ({"TMUX": "x", "WT_SESSION": "x"}, False),
    ],
)
def test_progress_only_where_it_is_not_a_notification(
    variables: dict[str, str], shows: bool
) -> None:
    assert abilities({"TERM": "xterm-256color"} | variables).has_progress is shows


def test_the_sequences_of_a_notification() -> None:
    assert notification("a; b", Abilities("osc9")) == "\x1b]9;mlpwatch: a, b\x1b\\"
    assert notification("a", Abilities("osc777")) == "\x1b]777;notify;mlpwatch;a\x1b\\"
    assert notification("a", Abilities("bell")) == "\a"
    assert notification("a", Abilities()) == ""
    hostile = notification("a\x1b\\\x1b]52;c;eA==\a\x9c" + "b" * 500, Abilities("osc9"))
    assert (hostile.count("\x1b"), hostile.count("\a"), "\x9c" in hostile) == (2, 0, False)
    assert len(hostile) < 200


def test_tmux_passes_on_what_is_in_its_envelope_and_marks_the_window() -> None:
    sequence = notification("a", Abilities("osc777", is_tmux=True))
    assert sequence == "\x1bPtmux;\x1b\x1b]777;notify;mlpwatch;a\x1b\x1b\\\x1b\\\a"
    assert notification("a", Abilities("bell", is_tmux=True)) == "\a"


def test_a_pipe_gets_no_notification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("TMUX", raising=False)

    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    pipe, terminal = io.StringIO(), Tty()
    notify_stderr("a", pipe)
    notify_stderr("a", terminal)
    assert (pipe.getvalue(), terminal.getvalue()) == ("", "\a")


def test_the_clipboard_directly_and_through_tmux() -> None:
    direct = "\x1b]52;c;w7w=\a"
    assert clipboard("ü", Abilities("bell", has_clipboard=True)) == direct
    inside = clipboard("ü", Abilities("bell", has_clipboard=True, is_tmux=True))
    assert inside == direct + "\x1bPtmux;\x1b" + direct + "\x1b\\"
    assert clipboard("ü", Abilities("bell")) == ""


def test_only_known_terminals_with_colours_are_asked_for_their_background() -> None:
    assert abilities({"TERM": "xterm-256color"}).has_background
    assert abilities({"TERM": "tmux-256color", "TMUX": "/tmp/tmux-0/default,1,0"}).has_background
    for variables in ({"TERM": "linux"}, {"TERM": "vt100"}, {"TERM": "screen", "STY": "1"}, {}):
        assert not abilities(variables).has_background
    assert not abilities({"TERM": "xterm-256color", "NO_COLOR": "1"}).has_background
