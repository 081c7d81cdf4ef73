"""Title and progress: few bytes, absent where not understood, taken back once."""

import pytest

from mlpwatch.tui.terminal.window.abilities import Abilities
from mlpwatch.tui.terminal.window.title import WindowSigns, WindowState
from tests.support.pty.emulator import Emulator

BOTH = Abilities("bell", has_title=True, has_progress=True)


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_terminal_shows_the_title_and_nothing_else(clock: Clock) -> None:
    signs = WindowSigns(BOTH, clock)
    terminal = Emulator(40, 3)
    sent = signs.open() + signs.show(WindowState("demo 1/5 90.0%", "running", 20)) + signs.close()
    terminal.show(sent.encode())
    assert terminal.title == "demo 1/5 90.0%"
    assert terminal.text().strip() == ""
    assert sent == (
        "\x1b[22;0t\x1b]2;demo 1/5 90.0%\a\x1b]9;4;1;20\x1b\\\x1b]9;4;0;0\x1b\\\x1b[23;0t"
    )


def test_titles_come_every_few_seconds_and_only_new_ones(clock: Clock) -> None:
    signs = WindowSigns(BOTH._replace(has_progress=False), clock)
    signs.open()
    assert signs.show(WindowState("one"))
    assert signs.show(WindowState("two")) == "", "too early"
    clock.now += 5.0
    assert signs.show(WindowState("one")) == "", "shown already"
    assert signs.show(WindowState("two")) == "\x1b]2;two\a"


def test_bytes_of_an_hour_at_full_speed(clock: Clock) -> None:
    signs = WindowSigns(BOTH, clock)
    sent = len(signs.open())
    for look in range(7_200):
        clock.now += 0.5
        state = WindowState(f"2026-12-01-twin-abcd {look}/7200 97.5% 97.4%", "running", look // 72)
        sent += len(signs.show(state))
    assert sent / 3_600 < 0.03 * 600, "3 % of the 600 bytes per second of a slow link"


def test_the_same_progress_is_said_again_before_a_terminal_hides_it(clock: Clock) -> None:
    signs = WindowSigns(BOTH._replace(has_title=False), clock)
    signs.open()
    state = WindowState("", "paused", 50)
    assert signs.show(state) == "\x1b]9;4;4;50\x1b\\"
    assert signs.show(state) == ""
    clock.now += 10.0
    assert signs.show(state) == "\x1b]9;4;4;50\x1b\\"
    assert signs.show(WindowState("")) == "\x1b]9;4;0;0\x1b\\"
    assert signs.show(WindowState("")) == ""
    assert signs.close() == "", "cleared already"


def test_nothing_where_it_is_not_understood_or_not_open(clock: Clock) -> None:
    signs = WindowSigns(Abilities("bell"), clock)
    state = WindowState("demo", "running", 20)
    assert signs.open() + signs.show(state) + signs.close() == ""
    assert WindowSigns(BOTH, clock).close() == ""


def test_after_ctrl_z_both_are_shown_again(clock: Clock) -> None:
    signs = WindowSigns(BOTH, clock)
    state = WindowState("demo", "failed", 20)
    signs.open()
    shown = signs.show(state)
    signs.close()
    assert signs.close() == "", "once"
    assert signs.show(state) == "", "the shell has the terminal"
    clock.now += 1.0
    assert signs.open() == "\x1b[22;0t" + shown


def test_a_hostile_name_stays_in_the_title(clock: Clock) -> None:
    signs = WindowSigns(BOTH, clock)
    signs.open()
    sent = signs.show(WindowState("a\a\x1b]52;c;eA==\a" + "b" * 200))
    assert (sent.count("\x1b"), sent.count("\a")) == (1, 1)
    assert len(sent) < 70
