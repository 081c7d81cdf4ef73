"""How the runs stand, said outside of the screen: title, notifications, `--on-end`'s command."""

from math import isnan, nan
from typing import TYPE_CHECKING, Protocol

from mlpwatch.core.cli.ending import RunEndings, end_text
from mlpwatch.tui.terminal.driver import TerminalDriver
from mlpwatch.tui.terminal.textual_internals import DisplayApp
from mlpwatch.tui.terminal.window.abilities import abilities
from mlpwatch.tui.terminal.window.signs import notification
from mlpwatch.tui.terminal.window.title import WindowState

if TYPE_CHECKING:
    from mlpwatch.core.config import EngineName
    from mlpwatch.core.run_source import RunSource
    from mlpwatch.tui.run_stack import RunStack
    from mlpwatch.tui.state.watch import Watch

LOOK_SECONDS = 0.5
"""Time between two looks at the runs: half of what a person would wait for."""


class Leaving(Protocol):
    """Ends the app."""

    @property
    def is_asked(self) -> bool:
        """Whether the end has been asked for."""


class Announcer:
    """Looks at the runs that train here, or are followed, every half second.

    Args:
        app: writes to the terminal.
        runs: that are looked at.
        endings: follow the runs that train here.
        leaving: whether the screen closes: what failed is then said after it.
        notifies: a word when a run ends, fails or diverges.
    """

    def __init__(
        self,
        app: DisplayApp[int],
        runs: "RunStack",
        endings: RunEndings,
        leaving: Leaving,
        notifies: bool,
    ) -> None:
        self._app, self._runs, self._endings = app, runs, endings
        self._leaving = leaving
        self._notifies, self._abilities = notifies, abilities()
        self._ended: dict[Watch, set[EngineName]] = {}

    def listen(self) -> None:
        """Begin; call it when the app runs."""
        self._app.set_interval(LOOK_SECONDS, self.look)

    def look(self) -> None:
        """Say what has happened since the last look."""
        for watch in (self._runs.main, *self._runs.beside):
            if watch.session is not None and not watch.attached:
                self._follow(watch.session)
            self.notify(self._news_of(watch))
        if isinstance(driver := self._app.driver, TerminalDriver):
            driver.show_window(window_state(self._runs.top))
        for line in () if self._leaving.is_asked else self._endings.failures():
            if state := self._runs.top.state:
                state.say(line, bad=True)

    def notify(self, text: str) -> None:
        """Let the terminal say a word, if that was asked for and there is one."""
        if self._notifies and text:
            self._write(notification(text, self._abilities))

    def _follow(self, source: "RunSource") -> None:
        # Not at the top: the first frame trains nothing.
        from mlpwatch.core.training.session import Session  # noqa: PLC0415

        if isinstance(source, Session):
            self._endings.follow(source)

    def _news_of(self, watch: "Watch") -> str:
        """Return what is to be said of a run, or ""."""
        session, state = watch.session, watch.state
        if session is None or state is None:
            return ""
        ended = {name for name, engine in state.engines.items() if engine.ended}
        # A run that had ended when it was opened is no news.
        before = self._ended.get(watch, ended if watch.attached else set())
        self._ended[watch] = ended
        new = [state.engines[name] for name in sorted(ended - before)]
        is_over = len(ended) == len(state.engines)
        if all(engine.phase == "stopped" for engine in new):
            return ""
        if not is_over:
            # The other trains on: only what went wrong is a reason to look.
            new = [engine for engine in new if engine.phase != "finished"]
            engines = new
        else:
            engines = list(state.engines.values())
        ends = {engine.title: (engine.phase, engine.test_accuracy) for engine in engines}
        return end_text(session.run.name, ends) if ends else ""

    def _write(self, sequence: str) -> None:
        if sequence and (driver := self._app.driver):
            driver.write(sequence)


def window_state(watch: "Watch") -> WindowState:
    """Return title and progress: run, epoch of the slower model, newest validation accuracies."""
    session, state = watch.session, watch.state
    if session is None or state is None:
        return WindowState("mlpwatch")
    engines = list(state.engines.values())
    going = [engine for engine in engines if not engine.ended]
    slowest = min(going or engines, key=lambda engine: engine.step)
    done = f"{slowest.epochs_done}/{state.epochs}"
    phase = slowest.phase if slowest.phase not in ("waiting", "training") else ""
    known = [
        (engine.epochs[-1].val_accuracy if engine.epochs else nan)
        if isnan(engine.test_accuracy)
        else engine.test_accuracy
        for engine in engines
    ]
    accuracies = [f"{accuracy:.1%}" for accuracy in known if not isnan(accuracy)]
    title = " ".join([session.run.name, done, *([phase] if phase else []), *accuracies])
    if not going:
        return WindowState(title)
    percent = min(99, int(100 * slowest.step / max(1, state.planned_steps)))
    if any(engine.phase in ("diverged", "failed") for engine in engines):
        return WindowState(title, "failed", percent)
    return WindowState(title, "paused" if phase else "running", percent)
