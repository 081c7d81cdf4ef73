"""What this project expects of each private name of Textual and Rich; it may change with theirs.

A failure here says which private name another version has taken away or changed.
"""

import inspect
import re
from pathlib import Path

import pytest
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key, MouseDown
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Label

from mlpwatch.tui.terminal.textual_internals import (
    ChopsUpdate,
    CompositorUpdate,
    DisplayApp,
    HookedDriver,
    LayoutUpdate,
    XTermParser,
    add_result_callback,
    color_system,
    is_being_removed,
)
from tests.support.checkout import CHECKOUT

PRIVATE_IMPORT = re.compile(r"^\s*(?:from|import) (?:textual|rich)(?:\.\w+)*\._", re.MULTILINE)


class Noting(DisplayApp[None]):
    def __init__(self) -> None:
        super().__init__()
        self.frames: list[object] = []

    def compose(self) -> ComposeResult:
        yield Label("hello", id="greeting")

    def display_frame(self, _screen: Screen[object], renderable: object) -> None:
        self.frames.append(renderable)


def test_one_file_imports_private_modules() -> None:
    files = [*CHECKOUT.glob("tui/**/*.py"), *CHECKOUT.glob("core/**/*.py")]
    found = [path.name for path in files if PRIVATE_IMPORT.search(path.read_text())]
    assert found == ["textual_internals.py"]


async def test_app_display_is_called_with_each_frame() -> None:
    app = Noting()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert any(isinstance(frame, LayoutUpdate) for frame in app.frames), "App._display"
        app.frames.clear()
        app.query_one(Label).refresh(Region(0, 0, 2, 1))
        await pilot.pause()
        assert any(isinstance(frame, ChopsUpdate) for frame in app.frames), "ChopsUpdate"
        assert app.driver is not None, "App._driver"


def test_updates_have_the_parts_that_frames_are_read_from() -> None:
    strip = Strip([Segment("ab")])
    chops = ChopsUpdate([{0: strip}], [(0, 0, 2)], [[2]])
    assert (chops.chops, chops.spans, chops.chop_ends) == ([{0: strip}], [(0, 0, 2)], [[2]])
    layout = LayoutUpdate([[strip]], Region(0, 0, 2, 1))
    assert (layout.strips, layout.region) == ([[strip]], Region(0, 0, 2, 1))
    for update in (chops, layout):
        assert isinstance(update, CompositorUpdate)
        assert "ab" in update.render_segments(Console())


def test_console_color_system() -> None:
    assert color_system(Console(force_terminal=True, color_system="256")) == ColorSystem.EIGHT_BIT
    assert color_system(Console(color_system=None)) == ColorSystem.TRUECOLOR


async def test_pruning_is_true_from_the_removal_on() -> None:
    async with Noting().run_test() as pilot:
        label = pilot.app.query_one(Label)
        assert is_being_removed(label) is False
        await label.remove()
        assert is_being_removed(label) is True


async def test_a_callback_more_lets_the_first_screen_be_switched() -> None:
    async with Noting().run_test() as pilot:
        add_result_callback(pilot.app.screen)
        after: Screen[None] = Screen()
        await pilot.app.switch_screen(after)
        assert pilot.app.screen is after


def test_the_driver_calls_its_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("_get_terminal_size", "_sigtstp_application", "_sigcont_application")
    for name in names:
        assert callable(getattr(LinuxDriver, name, None)), name
    source = inspect.getsource(LinuxDriver)
    assert source.count("self._get_terminal_size()") == 1
    assert "signal.signal(signal.SIGTSTP, self._sigtstp_application)" in source
    assert "signal.signal(signal.SIGCONT, self._sigcont_application)" in source

    async def look() -> None:
        app = App[None]()
        driver = HookedDriver(app)
        assert driver.app is app
        assert driver.loop.is_running()
        monkeypatch.setattr(HookedDriver, "terminal_size", lambda _: (7, 5))
        assert driver._get_terminal_size() == (7, 5)

    import asyncio

    asyncio.run(look())


def test_the_parser_takes_whole_sequences() -> None:
    parser = XTermParser()
    (key,) = parser.feed("\x1b[A")
    assert isinstance(key, Key)
    assert key.key == "up"
    (press,) = parser.feed("\x1b[<0;12;5M")
    assert isinstance(press, MouseDown)
    assert (press.x, press.y) == (11, 4)
    assert list(parser.feed("\x1b[7y")) == [], "unknown sequences bring nothing"


def test_the_driver_leaves_the_reading_to_a_method_of_a_known_name() -> None:
    assert Path(inspect.getfile(LinuxDriver)).name == "linux_driver.py"
    assert callable(LinuxDriver.run_input_thread)
    assert "self.run_input_thread()" in inspect.getsource(LinuxDriver)
