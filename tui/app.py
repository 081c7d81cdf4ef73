"""The app: screens, global keys, and the timer that polls the mailbox."""

import os
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from textual.app import SystemCommand
from textual.binding import BindingType
from textual.events import Key, Resize
from textual.filter import LineFilter
from textual.screen import Screen
from textual.timer import Timer

from mlpwatch.core.cli.ending import RunEndings
from mlpwatch.core.config import EngineName
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.formatting import with_keys
from mlpwatch.tui.kit.base_screen import Says, SpectatedApp, TakesKeys
from mlpwatch.tui.kit.hints import Hints
from mlpwatch.tui.kit.keys import Where, bindings
from mlpwatch.tui.kit.lines import Footer
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.run_text import why_not
from mlpwatch.tui.outside.announcer import Announcer
from mlpwatch.tui.outside.copies import Copies
from mlpwatch.tui.run_keys.epoch_keys import EpochKeys
from mlpwatch.tui.run_keys.live_settings import LiveSettings
from mlpwatch.tui.run_keys.screens_above import ScreensAbove
from mlpwatch.tui.run_stack import RunStack
from mlpwatch.tui.shutdown import Shutdown
from mlpwatch.tui.startup import ScreenOptions, collect_from_now_on
from mlpwatch.tui.state.watch import Followed, Watch
from mlpwatch.tui.terminal.ascii_filter import AsciiFilter
from mlpwatch.tui.terminal.cost import CostMeter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlpwatch.core.analysis.mistakes import MistakeList
    from mlpwatch.tui.lecture.cue_file import Cue
    from mlpwatch.tui.run_keys.cue_runner import CueRunner
    from mlpwatch.tui.state.shown_epoch import Move

STOP_AGAIN_SECONDS = 5.0
"""A second press of the stop key within this time confirms the first."""


class MlpwatchApp(SpectatedApp[int], inherit_bindings=False):
    """Follows one session from loading to the end; returns the exit status.

    Args:
        watch: not yet opened.
        names: the engines that train, left to right.
        options: of the screen.
    """

    CSS_PATH = "mlpwatch.tcss"
    TITLE = "mlpwatch"
    BINDINGS: ClassVar[list[BindingType]] = bindings("everywhere")
    ENABLE_COMMAND_PALETTE = True

    def __init__(self, watch: Watch, names: tuple[EngineName, ...], options: ScreenOptions) -> None:
        # With NO_COLOR Textual would still send its theme's greys; terminal colours send none.
        super().__init__(ansi_color=True if os.environ.get("NO_COLOR") else None)
        self._options = options
        self._cost = CostMeter(options.frames_per_second, self.bytes_taken)
        self.runs = RunStack(self, Followed(watch, names), self._dashboard)
        redraw, stays = partial(self.update_screen, numbers=True), options.goes_on_after_hangup
        self.shutdown = Shutdown(self, self.runs, redraw, goes_on_after_hangup=stays)
        self.endings = endings = options.endings or RunEndings()
        self._announcer = Announcer(self, self.runs, endings, self.shutdown, options.notifies)
        self._settings = LiveSettings(self, self.runs, self._answer, redraw)
        self._copies = Copies(self, self.runs, self._answer, options.saved)
        self._epochs = EpochKeys(self, self.runs, self._answer, redraw)
        self._cues: CueRunner | None = None
        self._ticker: Timer | None = None
        self._hints = Hints()
        self._above = ScreensAbove(self, self.runs, self._answer, redraw, self._hints)
        self._stop_asked_at = -STOP_AGAIN_SECONDS
        self.animation_level = "none"  # it would send bytes over SSH

    def follow_cues(self, cues: "Sequence[Cue]") -> None:
        """Do what a talk's file says, when it is due."""
        from mlpwatch.tui.run_keys.cue_runner import CueRunner  # noqa: PLC0415

        self._cues = CueRunner(self, self.runs, cues)

    def get_default_screen(self) -> Screen[Any]:
        """Return the dashboard of the run that trains here."""
        return self.runs.main_dashboard()

    def _dashboard(self, followed: Followed) -> Dashboard:
        return Dashboard(*followed, self._cost, self.runs.branch)

    @property
    def look(self) -> Look:
        """What the terminal can show."""
        colours = None if self.no_color else self.console.color_system
        ascii_only = self._options.ascii_only
        has_pictures = self.shows_pictures and colours is not None and not ascii_only
        return Look(ascii_only, colours, has_pictures)

    def get_line_filters(self) -> "Sequence[LineFilter]":
        """Return the filters of every row; `--ascii` also applies to Textual's own widgets."""
        filters = super().get_line_filters()
        return [*filters, AsciiFilter()] if self._options.ascii_only else filters

    def on_mount(self) -> None:
        """Start loading, drawing and listening for signals."""
        self.shutdown.listen()
        self._announcer.listen()
        self._set_fps(self._cost.fps)
        # Only after the first frame: importing torch holds the interpreter for a second.
        self.call_after_refresh(self._begin_loading)

    def _begin_loading(self) -> None:
        collect_from_now_on()
        self.runs.main.open()
        self._above.begin(is_big=self._options.is_big)

    def on_resize(self, _event: Resize) -> None:
        """Draw everything, even at the same size: the terminal may have been resized twice."""
        self.forget_what_is_shown()
        self.screen.refresh()

    async def on_key(self, event: Key) -> None:
        """Pass on a key that was typed before its line or screen had opened.

        Over a slow link keys come in bursts: those after the `/` that opens a filter, or the `?`
        that opens the help, are still sent to the previous screen. Later keys go to the line or
        screen directly, and never arrive here.
        """
        from textual.widgets import Input  # noqa: PLC0415 - after the first frame

        if isinstance(self.focused, Input) and event.is_printable and event.character:
            event.prevent_default()
            self.focused.insert_text_at_cursor(event.character)
        elif isinstance(self.screen, TakesKeys) and self.screen.take_key(event):
            event.prevent_default()

    def get_system_commands(self, screen: Screen[object]) -> "Iterable[SystemCommand]":
        """Offer every key of the table by its label, then Textual's own commands."""
        from mlpwatch.tui.help.screen import palette_commands  # noqa: PLC0415

        new = partial(self.runs.show_list, self._options.saved, starts_new=True)
        yield from palette_commands(self, screen, new)
        yield from self._settings.commands()
        yield from self._above.commands()
        yield SystemCommand("Faster screen", "more frames per second", self.action_faster_screen)
        yield SystemCommand("Slower screen", "fewer frames per second", self.action_slower_screen)
        # "Quit" is in the table, and saves; "Keys" would be a second help.
        commands = super().get_system_commands(screen)
        yield from (one for one in commands if one.title not in ("Quit", "Keys"))

    def action_command_palette(self) -> None:
        """Show all commands by name."""
        from mlpwatch.tui.help.screen import Palette  # noqa: PLC0415

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))

    def on_dashboard_cell_opened(self, event: Dashboard.CellOpened) -> None:
        """Show the digits of a confusion cell."""
        if not isinstance(self.screen, Dashboard):
            return  # already open: a second press or click came with the first
        right = event.true == event.predicted
        self.open_mistakes(event.engine, None if right else event.true, event.predicted)

    def open_mistakes(
        self, which: "MistakeList", true: int | None = None, predicted: int | None = None
    ) -> None:
        """Show the mistakes browser, with a list and filters to begin with."""
        self._above.open_mistakes(self.look, which, true, predicted)

    def action_mistakes(self) -> None:
        """Show the mistakes, where they were left, or from the first model."""
        self._above.reopen_mistakes(self.look)

    def action_above(self, which: Literal["metrics", "big"]) -> None:
        """Show every number that is logged, or the few that matter in large digits."""
        self._above.show(which)

    def action_explain(self, unit: int | None = None) -> None:
        """Explain why the two models differ, or do not; with a unit, its part in one step."""
        if self._is_dead("explain"):
            return
        from mlpwatch.tui.explain.screen import ExplainScreen  # noqa: PLC0415 - after the first frame

        self.push_screen(ExplainScreen(self.runs.top, unit))

    def action_weights(self) -> None:
        """Show the first layer's weights."""
        if self._is_dead("weights"):
            return
        from mlpwatch.tui.weights.screen import WeightsScreen  # noqa: PLC0415 - after the first frame

        screen = WeightsScreen(
            self.runs.top, self.runs.names, fps=self._cost.fps, hints=self._hints
        )
        self.push_screen(screen)

    def action_layers(self) -> None:
        """Show gradients, updates and dead units, layer by layer."""
        if self._is_dead("layers"):
            return
        from mlpwatch.tui.layers.screen import LayersScreen  # noqa: PLC0415 - after the first frame

        self.push_screen(LayersScreen(self.runs.top, self.runs.names))

    def action_draw(self) -> None:
        """Open the screen on which the user draws a digit for both models."""
        if self._is_dead("draw"):
            return
        from mlpwatch.tui.draw.screen import DrawScreen  # noqa: PLC0415 - after the first frame

        self.push_screen(DrawScreen(self.runs.top))

    def action_runs(self) -> None:
        """List the saved runs; from a viewed run, return to the list."""
        self.runs.show_list(self._options.saved)

    def action_toggle_pause(self) -> None:
        """Pause or resume both models."""
        if not self._is_dead("toggle_pause"):
            self.runs.top.toggle_pause()
            self._show_while_loading()

    def action_toggle_pause_engine(self, name: EngineName) -> None:
        """Pause or resume one model."""
        state = self.runs.top.state
        if name not in self.runs.names:
            self._answer(f"{self.runs.top.title(name)} is not part of this run")
        elif not self._is_dead("toggle_pause"):
            if state and state.engines[name].ended:
                self._answer(f"{self.runs.top.title(name)} has ended")
            self.runs.top.toggle_pause(name)
            self._show_while_loading()

    def action_toggle_lockstep(self) -> None:
        """Keep both models at the same step, or stop doing so."""
        self.runs.top.toggle_lockstep()
        self.update_screen(numbers=True)

    def _show_while_loading(self) -> None:
        """Show at once what a key will do: while loading, no event follows it."""
        if self.runs.top.session is None:
            self.update_screen(numbers=True)

    def action_step(self) -> None:
        """Train one batch while paused."""
        if not self._is_dead("step"):
            self.runs.top.step()
            self._show_while_loading()

    def action_save(self) -> None:
        """Save both models now."""
        self.runs.top.save()
        self.update_screen(numbers=True)

    def action_stop(self) -> None:
        """Ask the first time; the second time stop the run."""
        state = self.runs.top.state
        if state is None:
            self.runs.top.refuse(with_keys("{X} ends the run once it is loaded; {q} leaves"))
            self._show_while_loading()
        if state is None or self._is_dead("stop"):
            return
        confirmed = monotonic() - self._stop_asked_at < STOP_AGAIN_SECONDS
        self._stop_asked_at = -STOP_AGAIN_SECONDS if confirmed else monotonic()
        if confirmed:
            self.runs.top.stop()
            self._answer("saving the run, then ending its training")
        else:
            answer = with_keys("{X} again within 5 seconds saves the run and ends its training")
            self._answer(answer, bad=True, seconds=STOP_AGAIN_SECONDS)

    def action_faster(self) -> None:
        """Raise or remove the speed limit."""
        self._settings.faster()

    def action_slower(self) -> None:
        """Lower the speed limit."""
        self._settings.slower()

    def action_scale_rate(self, factor: float) -> None:
        """Multiply the learning rate while it trains."""
        self._settings.scale_rate(factor)

    async def action_epoch(self, move: "Move") -> None:
        """Show another epoch on every screen of the run."""
        await self._epochs.go(move)

    def _is_dead(self, action: str) -> bool:
        """Return whether a key would have no effect on the run now; say why."""
        if why := why_not(self.runs.top, action):
            self._answer(why)
        return bool(why)

    def _answer(self, text: str, *, bad: bool = False, seconds: float | None = None) -> None:
        """Show an answer to a key, only on the screen where it was pressed."""
        screen, state = self.screen, self.runs.top.state
        if isinstance(screen, Says):
            screen.say(text, bad=bad)
        elif state:
            where = getattr(screen, "WHERE", "")
            state.say(text, bad=bad, where=where, seconds=seconds)
            self.update_screen(numbers=True)

    def deliver_screenshot(
        self, filename: str | None = None, path: str | None = None, time_format: str | None = None
    ) -> str | None:
        """Save a picture of the screen beside the run's folder, and show its path."""
        return self._copies.picture(filename, path, time_format)

    def action_copy(self) -> None:
        """Copy what makes this run again, or what is under the crosshair."""
        self._copies.copy()

    def action_export_as(self) -> None:
        """Write the shown run as a report, figures, a notebook or a model."""
        self._copies.export()

    def action_faster_screen(self) -> None:
        """Poll the mailbox more often."""
        self._set_fps(self._cost.faster())

    def action_slower_screen(self) -> None:
        """Poll the mailbox less often: fewer bytes over a slow link."""
        self._set_fps(self._cost.slower())

    async def action_leave(self) -> None:
        """Go back; from the dashboard of the run that trains here, save and quit."""
        if len(self.screen_stack) > 1:
            await self.screen.run_action("back")
        else:
            self.shutdown.leave()

    async def action_quit(self) -> None:
        """Save and quit; used by the command palette."""
        self.shutdown.leave()

    def action_interrupt(self) -> None:
        """Save and quit with the status of Ctrl-C; the second time quit at once."""
        self.shutdown.interrupt()

    def action_suspend_process(self) -> None:
        """Stop, and return the terminal to the shell, whose `fg` continues."""
        if self.shutdown.may_suspend():
            super().action_suspend_process()

    def update_screen(self, *, numbers: bool = False) -> None:
        """Let the screen draw what has changed.

        Args:
            numbers: also draw the numbers, which otherwise change at most twice a second.
        """
        if (update := getattr(self.screen, "update", None)) is not None:
            update(numbers=numbers)
        for footer in self.screen.query(Footer):
            footer.update()

    def action_help(self) -> None:
        """Show all keys."""
        from mlpwatch.tui.help.screen import HelpScreen  # noqa: PLC0415

        where: Where = getattr(self.screen, "WHERE", "everywhere")
        # Kept, so that it is made and laid out only once: later it opens in half the time.
        name = f"help {where}"
        if not self.is_screen_installed(name):
            self.install_screen(HelpScreen(where), name)
        self.push_screen(name)

    def heard(self, line: str) -> None:
        """Show a message that a library wrote to the terminal, which is kept off the screen."""
        if state := self.runs.top.state:
            state.say(f"a library wrote: {line}")
            self.update_screen(numbers=True)

    def _set_fps(self, fps: float) -> None:
        if self._ticker:
            self._ticker.stop()
        self._ticker = self.set_interval(1 / fps, self._tick)

    def _tick(self) -> None:
        self.follow_size()
        happened = self.runs.poll()
        cost_changed = self._cost.read()
        is_over = (state := self.runs.top.state) is not None and state.expire(monotonic())
        if self.runs.main.error is not None:
            self.exit(1)
        elif happened or cost_changed or is_over:
            self.update_screen()
        if self._cues:
            self._cues.poll()
