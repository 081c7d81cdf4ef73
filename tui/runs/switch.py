"""Resumes a saved run, or starts a new one, in place of the one on the dashboard."""

import argparse
import asyncio
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from textual.app import App

from mlpwatch.core.cli.options import (
    add_run_options,
    add_training_options,
    config_from,
    options_for,
)
from mlpwatch.core.cli.parser import Parser
from mlpwatch.core.config import ENGINE_NAMES, IN_PLACE, RunConfig
from mlpwatch.core.errors import ConfigError, InputError, MlpwatchError
from mlpwatch.core.limits import MAX_EPOCHS
from mlpwatch.core.runs.changes import delete_run
from mlpwatch.core.runs.layout import check_run_name
from mlpwatch.tui.formatting import TITLES, count
from mlpwatch.tui.kit.dialogs import Confirmation, LineEntry
from mlpwatch.tui.runs.columns import ListedRun
from mlpwatch.tui.runs.host import RunsHost
from mlpwatch.tui.state.watch import Followed, Watch

if TYPE_CHECKING:
    from mlpwatch.core.run_source import RunSource
    from mlpwatch.core.training.session import Session

END_SECONDS = 10.0
"""The run on the dashboard may take this long to save and end."""

POLL_SECONDS = 0.05
"""Time between two checks whether the trainers have ended."""


class Say(Protocol):
    """Shows a line on the screen."""

    def __call__(self, text: str, *, bad: bool = False) -> None:
        """Show it; bad news in another colour."""


class RunSwitch:
    """Resumes a saved run inside the app.

    The saved run is loaded first: if that fails, the run on the dashboard continues.

    Args:
        host: keeps the run that is replaced.
        app: shows the dialogs.
        say: shows progress and errors.
    """

    def __init__(self, host: RunsHost, app: App[Any], say: Say) -> None:
        self._host, self._app, self._say = host, app, say

    async def resume(self, run: ListedRun) -> bool:
        """Ask, load, save and end the run on the dashboard, and resume this one.

        Returns:
            Whether the run now trains; if not, a message says why.
        """
        name = run.summary.name
        current = self._host.main.session
        if current is None:
            self._say("the run on the dashboard is still loading; try again in a moment", bad=True)
            return False
        if why := why_not_resumed(run):
            self._say(why, bad=True)
            return False
        facts = [
            *progress_facts(run),
            fate_of_current(current, attached=self._host.main.attached),
        ]
        epochs = None
        if run.summary.state == "finished":
            epochs = await self._ask_for_epochs(run, facts)
            if epochs is None:
                return False
        elif not await self._ask(name, facts):
            return False
        self._say(f"loading {name} …")
        loaded = await self._replace(current, run, epochs)
        if loaded is None:
            return False
        watch = Watch(lambda _report: loaded, titles=loaded.config.titles)
        await self._host.replace(Followed(watch, loaded.config.engine_names))
        return True

    async def start_new(self, run: ListedRun) -> bool:
        """Ask for options, load, save and end the run on the dashboard, and start a new run.

        Args:
            run: its options are those to begin with.

        Returns:
            Whether the new run now trains; if not, a message says why.
        """
        current = self._host.main.session
        if current is None:
            self._say("the run on the dashboard is still loading; try again in a moment", bad=True)
            return False
        saved = run.summary.path.parent
        like = await asyncio.to_thread(_config_of, run.summary.path)
        if any(getattr(like, name) for name in IN_PLACE):
            what = "trains a network file: start it from a shell"
            if like.treatment is not None:
                what = "is a branch against its parent: b on the parent makes another"
            self._say(f"{run.summary.name} {what}", bad=True)
            return False
        entry = LineEntry(
            "A new run here, with these options:",
            shlex.join(options_for(like)),
            options_typed,
            yes="starts it",
            no="changes nothing",
            facts=[
                "Options are those of the command line (mlpwatch --help); no option is the recipe "
                "twin.",
                fate_of_current(current, attached=self._host.main.attached),
            ],
            effect=lambda text: new_run_text(config_from(options_typed(text))),
        )
        text = await self._app.push_screen_wait(entry)
        if text is None:
            return False
        options = options_typed(text)
        return await self.start(current, lambda: _make(options, saved), saved)

    async def start(
        self,
        current: "RunSource",
        make: "Callable[[], Session]",
        saved: Path,
        *,
        keeps_current: bool = False,
    ) -> bool:
        """Make a new run, save and end the current one, and train the new one in its place.

        Args:
            current: the run on the dashboard.
            make: returns the new run's session, ready to start; called in a thread.
            saved: the folder of the new run.
            keeps_current: the current run is not ended: it trains here without a dashboard.

        Returns:
            Whether the new run now trains; if not, a message says why.
        """
        self._say("loading …")
        try:
            new = await asyncio.to_thread(make)
        except (MlpwatchError, OSError, MemoryError) as error:
            self._say(f"no new run: {error or 'out of memory'}", bad=True)
            return False
        if not keeps_current and not await self._end(current):
            new.run.release()
            with suppress(MlpwatchError):
                await asyncio.to_thread(delete_run, saved, new.run.path.name)
            return False
        watch = Watch(lambda _report: new, titles=new.config.titles)
        followed = Followed(watch, new.config.engine_names)
        await self._host.replace(followed, keeps_main=keeps_current)
        return True

    async def _ask(self, name: str, facts: list[str]) -> bool:
        question = Confirmation(
            f"Continue {name} here?", facts, yes="continues it", no="changes nothing"
        )
        return await self._app.push_screen_wait(question)

    async def _ask_for_epochs(self, run: ListedRun, facts: list[str]) -> int | None:
        """Ask for the new number of epochs of a finished run; None to keep the old number."""
        done = run.epochs_done or 0
        entry = LineEntry(
            f"Continue {run.summary.name}: how many epochs in all?",
            str(min(2 * done, MAX_EPOCHS)),
            lambda text: more_epochs(text, done),
            yes="continues it",
            no="changes nothing",
            facts=facts,
            effect=lambda text: _more_text(more_epochs(text, done) - done),
        )
        text = await self._app.push_screen_wait(entry)
        return None if text is None else more_epochs(text, done)

    async def _replace(
        self, current: "RunSource", run: ListedRun, epochs: int | None
    ) -> "Session | None":
        """Load a run and end the current one; None and a message if either fails."""
        # A run that this process has ended is released first: otherwise its own lock refuses it.
        if run.has_ended_here and not await self._end(current):
            return None
        try:
            loaded, result = await asyncio.to_thread(_load, run.summary.path, epochs)
        except (MlpwatchError, OSError, MemoryError) as error:
            self._say(f"{run.summary.name} can't continue: {error or 'out of memory'}", bad=True)
            if run.has_ended_here:
                with suppress(MlpwatchError):
                    current.run.acquire()
            return None
        if not run.has_ended_here and not await self._end(current):
            if result:  # the run keeps the end that this file describes
                with suppress(OSError):
                    await asyncio.to_thread(loaded.run.write_result, result)
            loaded.run.release()
            return None
        return loaded

    async def _end(self, session: "RunSource") -> bool:
        """Save and end a session, or detach from an attached run; if that takes too long, say so.

        Returns:
            Whether it has ended.
        """
        if await self._ends_in_time(session):
            session.run.release()
            return True
        self._say(f"{session.run.path.name} has not ended yet; try again in a moment", bad=True)
        return False

    async def _ends_in_time(self, session: "RunSource") -> bool:
        session.leave()
        deadline = monotonic() + END_SECONDS
        while not session.ended:
            if monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return await asyncio.to_thread(session.join, END_SECONDS)


def options_typed(text: str) -> argparse.Namespace:
    """Return what the options of a new run mean.

    Raises:
        MlpwatchError: an option is unknown, or its value is out of range.
    """
    parser = Parser(prog="mlpwatch", add_help=False, allow_abbrev=False)
    add_training_options(parser)
    add_run_options(parser, naming=True)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InputError(f"options {text!r:.40}: {str(error).lower()}") from None
    options = parser.parse_args(words)
    if options.network is not None or options.torch is not None:
        # Such a file is run to be read, which takes seconds.
        raise InputError("a network file can't be given here: start mlpwatch --network in a shell")
    config_from(options)
    if options.name is not None:
        check_run_name(options.name)
    return options


def new_run_text(config: RunConfig) -> str:
    """Return what a new run would train, in one line."""
    hidden = "-".join(map(str, config.hidden)) or "no hidden layer"
    parts = [hidden, config.activation, config.optimizer, f"rate {config.learning_rate:g}"]
    return " · ".join([*parts, f"batch {config.batch_size}", count(config.epochs, "epoch")])


def why_not_resumed(run: ListedRun) -> str:
    """Return why a run can't be resumed here; empty if it can."""
    summary = run.summary
    if summary.state == "damaged":
        return summary.reason
    if run.is_held_elsewhere and summary.state != "training":
        return f"{summary.name} is open in another process: leave it there first"
    if run.is_held_elsewhere:
        where = "here already" if run.trains_here else "in another process: stop it there first"
        return f"{summary.name} runs {where}"
    if summary.state == "finished" and (run.epochs_done or 0) >= MAX_EPOCHS:
        return f"{summary.name} has done {MAX_EPOCHS:,} epochs; no run can have more"
    return ""


def _more_text(epochs: int) -> str:
    return f"trains {count(epochs, 'more epoch')}"


def more_epochs(text: str, done: int) -> int:
    """Return the total number of epochs typed for a finished run.

    Args:
        text: as typed.
        done: completed epochs.

    Raises:
        ConfigError: not a whole number, or not more than `done`.
    """
    try:
        epochs = int(text)
    except ValueError:
        epochs = 0
    if not done < epochs <= MAX_EPOCHS:
        raise ConfigError(
            f"epochs {text!r:.40}: expected a whole number from {done + 1:,} to {MAX_EPOCHS:,}, "
            f"since {done:,} are done"
        )
    return epochs


def progress_facts(run: ListedRun) -> list[str]:
    """Return a line about the progress of each engine."""
    found = []
    for name in ENGINE_NAMES:
        if engine := run.engine(name):
            planned, who = run.summary.epochs_planned, engine.network or TITLES[name]
            found.append(f"{who} has done {engine.epochs_done} of {planned} epochs.")
    return found


def fate_of_current(session: "RunSource", *, attached: bool) -> str:
    """Return what will happen to the run on the dashboard."""
    name = session.run.path.name
    if attached:
        return f"{name}, now on the dashboard, trains elsewhere and is left alone."
    if session.ended:
        return f"{name}, now on the dashboard, has ended and is saved."
    return f"{name}, now training here, is saved and ended first; it can be resumed like this one."


def _config_of(path: Path) -> RunConfig:
    from mlpwatch.core.runs.run import Run  # noqa: PLC0415 - as in `_load`

    return Run.open(path.parent, path.name).config


def _make(options: argparse.Namespace, saved: Path) -> "Session":
    """Return a new session ready to start."""
    from mlpwatch.core.training.launch import new_session  # noqa: PLC0415 - as in `_load`

    session = new_session(config_from(options), saved, options.name, lambda _text: None)
    session.set_lockstep(options.lockstep)
    return session


def _load(path: Path, epochs: int | None) -> "tuple[Session, dict[str, Any] | None]":
    """Return a session ready to start, and the run's old result, which loading removes."""
    # Not at the top: the screen opens faster without the imports of a resume.
    from mlpwatch.core.runs.run import Run  # noqa: PLC0415
    from mlpwatch.core.training.launch import resumed_session  # noqa: PLC0415

    run = Run.open(path.parent, path.name)
    try:
        result = run.read_result()
        config = replace(run.config, epochs=epochs) if epochs else run.config
        return resumed_session(run, config, lambda _text: None), result
    except BaseException:
        run.release()
        raise
