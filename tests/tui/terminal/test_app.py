"""Frames are skipped while the terminal takes nothing, and made up for once; modes never are."""

import io
from threading import Event as Flag
from typing import IO, cast

from textual.geometry import Region, Size
from textual.screen import Screen
from textual.strip import Strip

from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.terminal.app import LOOK_SECONDS, MOST_WAITING, Missed, TerminalApp
from mlpwatch.tui.terminal.frame_flow import FrameFlow
from mlpwatch.tui.terminal.output import Output
from mlpwatch.tui.terminal.textual_internals import ChopsUpdate, LayoutUpdate
from tests.support.pty.recording import RecordingApp, Terminal
from tests.support.stage import until

DEADLINE_SECONDS = 30.0


class StalledFile(io.StringIO):
    """Takes nothing until told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = Flag()

    def flush(self) -> None:
        self.may_go_on.wait(DEADLINE_SECONDS)


def letters(letter: str) -> Canvas:
    canvas = Canvas(40, 5)
    for y in range(5):
        canvas.put(0, y, letter * 40, Role.TEXT)
    return canvas


class StalledApp(TerminalApp[None], RecordingApp):
    """Notes the frames that it does not skip."""

    def connect(self, file: IO[str]) -> Output:
        """Write to a file; headless drivers have no output of their own."""
        output = Output(file)
        vars(self.driver)["output"] = output
        return output


class ScreenNote:
    """Stands for a screen that is asked to draw regions."""

    def __init__(self) -> None:
        self.regions: list[tuple[Region, ...]] = []

    def refresh(self, *regions: Region) -> None:
        self.regions.append(regions)


def frame(*spans: tuple[int, int, int]) -> ChopsUpdate:
    return ChopsUpdate([{0: Strip.blank(40)}] * 5, list(spans), [[40]] * 5)


def refreshed(missed: Missed) -> list[tuple[Region, ...]]:
    note = ScreenNote()
    missed.refresh(cast("Screen[object]", note))
    return note.regions


def test_output_counts_what_waits_and_what_was_taken() -> None:
    file = StalledFile()
    output = Output(file)
    output.write("━" * 10)
    assert (output.waiting, output.bytes_taken) == (10, 0)
    file.may_go_on.set()
    output.close()
    assert (output.waiting, output.bytes_taken) == (0, 30)
    assert file.getvalue() == "━" * 10


def test_a_terminal_that_is_gone_does_not_keep_anything_waiting() -> None:
    file = StalledFile()
    file.close()
    output = Output(file)
    output.write("lost")
    output.close()
    assert (output.waiting, output.bytes_taken) == (0, 0)


def test_missed_cells_are_joined_to_one_stretch_per_row() -> None:
    missed = Missed()
    for _ in range(1000):
        missed.add(frame((1, 5, 7), (3, 0, 2)))
        missed.add(frame((1, 20, 22)))
    assert refreshed(missed) == [(Region(5, 1, 17, 1), Region(0, 3, 2, 1))]
    assert not missed


def test_a_missed_layout_means_the_whole_screen() -> None:
    missed = Missed()
    missed.add(frame((1, 5, 7)))
    missed.add(LayoutUpdate([], Size(40, 5).region))
    assert refreshed(missed) == [()]
    assert not missed


async def test_one_frame_shows_the_newest_state_after_a_stall() -> None:
    view, file = CellView(), StalledFile()
    app, terminal = StalledApp(view, css="CellView { height: 5; }"), Terminal(40, 5)
    async with app.run_test(size=(40, 5)) as pilot:
        view.show(letters("a"))
        await pilot.pause()
        terminal.feed(app)
        output = app.connect(file)
        output.write("m" * (MOST_WAITING + 1))
        for letter in "bcdef":
            view.show(letters(letter))
            await pilot.pause(LOOK_SECONDS)
        assert app.sent == []
        assert output.waiting == MOST_WAITING + 1, "no frame waits behind what is stuck"
        file.may_go_on.set()
        await until(lambda: app.sent, pilot)
        assert len(app.sent) == 1
        terminal.feed(app)
        assert terminal.text() == "\n".join(["f" * 40] * 5)
        output.close()


async def test_a_frame_waits_for_the_answer_to_the_one_before_and_a_key_does_not() -> None:
    view, file, flow = CellView(), io.StringIO(), FrameFlow()
    app = StalledApp(view, css="CellView { height: 5; }")
    async with app.run_test(size=(40, 5)) as pilot:
        output = app.connect(file)
        vars(app.driver)["flow"] = flow
        flow.sent()
        flow.answered()
        app.sent.clear()

        async def show(letter: str) -> list[str]:
            view.show(letters(letter))
            await pilot.pause()
            sent, app.sent = list(filter(None, app.sent)), []
            return sent

        assert len(await show("a")) == 1
        flow.sent()  # headless: nothing was written that a question could end
        assert await show("b") == await show("c") == []
        assert flow.answered(), "the driver would have it catch up"
        app.catch_up()
        await until(lambda: app.sent, pilot)
        assert "c" * 40 in app.sent[0]
        flow.sent()
        app.sent.clear()
        assert await show("d") == []
        await pilot.press("x")
        assert "e" * 40 in (await show("e"))[-1], "what a key changes does not wait"
        output.close()
