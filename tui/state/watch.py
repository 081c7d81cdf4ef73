"""A run as the screen sees it: loading, running or leaving; its state, and commands to it."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.scheduling import stand_back
from mlpwatch.core.spectating import looks_only
from mlpwatch.core.text import printable
from mlpwatch.core.training.control import LEAVE_SECONDS
from mlpwatch.tui.formatting import TITLES, with_keys
from mlpwatch.tui.state.shown_epoch import ShownEpoch

if TYPE_CHECKING:
    from mlpwatch.core.data.dataset import Dataset
    from mlpwatch.core.run_source import RunSource
    from mlpwatch.core.runs.replay import ParentTail
    from mlpwatch.tui.state.run_state import RunState

Report = Callable[[str], None]
Start = Callable[[Report], "RunSource"]
"""Makes the source, which takes seconds, and reports its progress."""

SHORT_RUN_SECONDS = 30
"""Duration of a run on the bundled digits, or on points, by default; at full speed it would take
two seconds."""

SPEEDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Steps per second that `[` and `]` select; above the last there is no limit."""

MANY_EVENTS = 1_000
"""Most events per poll; training at full speed brings fewer."""


class Watch:
    """Loads a run in a thread, since importing torch takes seconds, and follows it.

    Everything but the loading happens in the caller's thread. Commands given while loading take
    effect before the first step.

    Args:
        start: makes the session, or the follower of a run that trains elsewhere.
        attached: the run trains elsewhere and continues after `leave`.
        is_view: the run is only viewed, while another run trains here.
        of_sweep: it is viewed as a trial, from the sweep's screen.
        titles: the models' names; the run's own once it is loaded.
        is_loop: `mlpwatch.watch()` opened it: there is no network to look into, and only its own
            program can continue it.
    """

    def __init__(
        self,
        start: Start,
        *,
        attached: bool = False,
        is_view: bool = False,
        of_sweep: bool = False,
        titles: Mapping[EngineName, str] = TITLES,
        is_loop: bool = False,
    ) -> None:
        self._start, self._titles = start, titles
        self.attached, self.is_view, self.of_sweep = attached, is_view, of_sweep
        self.is_loop = is_loop
        self._loader = Thread(target=self._load, name="loader", daemon=True)
        self._loaded: tuple[RunSource, RunState] | None = None
        self.session: RunSource | None = None
        """None while loading."""
        self.state: RunState | None = None
        """None while loading."""
        self.shown = ShownEpoch()
        """The epoch that all screens of the run show."""
        self.loading = "starting"
        """What the loader is doing."""
        self.error: BaseException | None = None
        """Why there is no session."""
        self.parent: ParentTail | None = None
        """Of a branch: what its parent does, which may still train."""
        self.limit: float | None = None
        """Steps per second at most, or None."""
        self.limit_is_automatic = False
        """Whether the limit was set for a short run, not by a key."""
        self.is_behind = False
        """Whether the last poll found so many events that more may be waiting."""
        self._leaving_since: float | None = None
        self._held: list[tuple[EngineName, ...]] = []
        """Pauses toggled while loading."""
        self._limit_is_held = False
        self._refusal = ""

    @property
    def held(self) -> str:
        """What the keys pressed while loading will do, or why they have no effect; may be empty."""
        paused = self._paused_while_loading()
        parts = []
        if paused == set(ENGINE_NAMES):
            parts.append(with_keys("starts paused, {space} lets it train"))
        elif paused:
            parts.append(f"{self.title(min(paused))} starts paused")
        if self._limit_is_held and self.limit is not None:
            parts.append(f"at most {self.limit:g} steps/s")
        return " · ".join([*parts, self._refusal] if self._refusal else parts)

    @property
    def waiting_text(self) -> str:
        """Return which model waits for the other to reach the same step; empty if none does."""
        session, state = self.session, self.state
        if session is None or state is None or len(state.engines) == 1:
            return ""
        behind, ahead = sorted(state.engines.values(), key=lambda engine: engine.step)
        if behind.ended or ahead.ended:
            return ""
        waits = ahead.phase == "paused" and behind.phase == "training"
        if waits and behind.step < ahead.step and session.paused(behind.name):
            key = list(ENGINE_NAMES).index(behind.name) + 1
            text = f"{ahead.title} waits for {behind.title} at step {ahead.step:,}"
            return f"{text}; {with_keys(f'{{{key}}}')} pauses {behind.title} where it is"
        if session.lockstep and {behind.phase, ahead.phase} == {"paused", "training"}:
            paused, other = (behind, ahead) if behind.phase == "paused" else (ahead, behind)
            does = "waits for" if other.step >= paused.step else "catches up with"
            return f"{other.title} {does} {paused.title}, which is paused"
        return ""

    def title(self, name: EngineName) -> str:
        """Return a model's name: the file's where the user's own network trains."""
        return self.titles[name]

    @property
    def titles(self) -> Mapping[EngineName, str]:
        """Both models' names, also while loading; see `RunConfig.title`."""
        return self.state.titles if self.state else self._titles

    @property
    def are_points(self) -> bool:
        """Whether the run's samples are points of a plane, not images."""
        return self.session is not None and self.session.dataset.are_points

    def words(self, text: str) -> str:
        """Return a text about digits or images in the words for this run's samples."""
        return self.session.dataset.words(text) if self.session else text

    @property
    def is_loading(self) -> bool:
        """Whether a session may still come."""
        return self._loader.is_alive()

    @property
    def left(self) -> bool:
        """Whether, after `leave`, there is nothing left to wait for."""
        if self._leaving_since is None:
            return False
        late = monotonic() - self._leaving_since > LEAVE_SECONDS
        return self.session is None or self.session.ended or late

    @property
    def farewell(self) -> str:
        """The text that is printed when the screen is left."""
        if not self.attached or self.session is None:
            return with_keys("saving, then leaving; {ctrl+c} leaves at once")
        name = self.session.run.name
        if self.state is not None and self.state.ended:
            from mlpwatch.core.runs.layout import continuation  # noqa: PLC0415 - first frame

            how = "" if self.is_loop else f"; {continuation(name, self.session.run.host)}"
            return f"{name} has ended{how}"
        return f"{name} trains on without this screen; mlpwatch attach {name} shows it again"

    def open(self) -> None:
        """Start loading."""
        self._loader.start()

    def poll(self) -> bool:
        """Apply new events; return whether there were any."""
        if self.session is None:
            if self._loaded is None:
                return False
            self._begin(*self._loaded)
        if self.session is None or self.state is None:
            return False
        events = self.session.mailbox.drain().events
        self.is_behind = len(events) >= MANY_EVENTS
        self.state.apply_all(events)
        return self._follow_limit(self.session) or bool(events)

    async def read_parent(self) -> bool:
        """Read what the parent of a branch has done meanwhile; return whether there is news."""
        if self.parent is None or self.state is None:
            return False
        records = await asyncio.to_thread(self.parent.read)
        self.state.parent_future.add(records)
        return bool(records)

    def leave(self) -> None:
        """Ask the session to save and end; a run that trains elsewhere is not affected."""
        if self._leaving_since is None:
            self._leaving_since = monotonic()
            if self.session:
                self.session.leave()

    def stop(self) -> None:
        """Stop the run, here or elsewhere: it is saved, and its results remain visible."""
        if self.session:
            self.session.stop()

    def toggle_pause(self, *engines: EngineName) -> None:
        """Pause the named engines, or all that train; resume them if all of them are paused.

        An engine that catches up with the other is paused where it is, if it is named alone.
        """
        session, state = self.session, self.state
        if session is None or state is None:
            self._held.append(engines)
            return
        training = [name for name, engine in state.engines.items() if not engine.ended]
        named = [name for name in training if name in engines or not engines]
        if not named:
            return
        catches_up = len(engines) == 1 and state.engines[named[0]].phase == "training"
        if all(session.paused(name) for name in named) and not (catches_up and self.waiting_text):
            session.resume(*named)
        else:
            session.pause(*named)

    def step(self) -> None:
        """Train one batch on each paused engine."""
        if self.session:
            self.session.step()
        else:
            self.refuse(with_keys("{.} trains a batch once it is loaded"))

    def toggle_lockstep(self) -> None:
        """Keep both models at the same step, with the faster waiting, or stop doing so."""
        session, state = self.session, self.state
        if session is None or state is None:
            self.refuse(with_keys("{=} keeps both in step once it is loaded"))
        elif len(state.engines) == 1:
            state.say("lockstep: only one model trains in this run")
        else:
            session.set_lockstep(not session.lockstep)
            state.say(
                with_keys("lockstep: both stay at the same step, the faster waits; {=} ends it")
                if session.lockstep
                else "lockstep is off: each runs at its own speed"
            )

    def refuse(self, why: str) -> None:
        """Say why a key has no effect while loading."""
        if self.session is None:
            self._refusal = why

    def save(self) -> None:
        """Save every engine that trains; say where the others are saved."""
        if self.session is None or self.state is None:
            self.refuse("there is nothing to save yet")
            return
        phases = {engine.phase for engine in self.state.engines.values()}
        if phases <= {"finished", "stopped"} and self.session.save_error is None:
            self.state.say(f"saved at the end in {self.session.run.path}")
        self.session.save()

    def faster(self) -> None:
        """Raise the speed limit by a notch; remove the automatic one at once."""
        above = [speed for speed in SPEEDS if self.limit is not None and speed > self.limit]
        self.set_limit(None if self.limit_is_automatic or not above else above[0])

    def slower(self) -> None:
        """Lower the speed limit by a notch; from no limit, set the highest."""
        below = [speed for speed in SPEEDS if self.limit is None or speed < self.limit]
        self.set_limit(below[-1] if below else self.limit)

    def mark_read(self) -> None:
        """Let a view's hint replace older messages, except faults."""
        if self.state is not None:
            self.state.message_is_new = self.state.message_is_bad

    def show_kept(self, where: str) -> None:
        """Go to a kept epoch for a screen that needs weights; say so if it is another one."""
        if (text := self.shown.snap()) and self.state is not None:
            self.state.say(text, where=where)

    def _follow_limit(self, session: "RunSource") -> bool:
        """Adopt a limit set from another terminal; return whether there is one."""
        if session.steps_per_second == self.limit:
            return False
        self.limit, self.limit_is_automatic = session.steps_per_second, False
        return True

    def set_limit(self, limit: float | None) -> None:
        """Set the speed limit in steps per second; None lifts it."""
        self.limit, self.limit_is_automatic = limit, False
        if self.session is None:
            self._limit_is_held = True
        else:
            self.session.set_steps_per_second(limit)

    def _paused_while_loading(self) -> set[EngineName]:
        paused: set[EngineName] = set()
        for engines in self._held:
            named = set(engines or ENGINE_NAMES)
            paused = paused - named if named <= paused else paused | named
        return paused

    def _load(self) -> None:
        # Not at the top: the event types take 10 ms to create, and the first frame needs none.
        from mlpwatch.tui.state.run_state import RunState  # noqa: PLC0415

        try:
            from mlpwatch.core.runs.replay import ParentTail  # noqa: PLC0415 - likewise

            session = self._start(self._report)
            config = session.config
            state = RunState(config.epochs, session.epoch_steps, config.engine_names, config.titles)
            # So that the curves of a resumed run have no gap. Here, in the loader's
            # thread: it takes 40 ms for the longest run.
            state.apply_all(session.past_events())
            parent = ParentTail(session.run.path)
            state.parent_future.add(parent.read())
            self.parent = parent if parent.is_there else None
            self._loaded = session, state
        except BaseException as error:  # the app ends, and the command line raises it
            self.error = error

    def _report(self, text: str) -> None:
        self.loading = text

    def _begin(self, session: "RunSource", state: "RunState") -> None:
        self.session, self.state = session, state
        self.shown.open(session)
        if session.notes:
            self.state.say(" · ".join(session.notes))
        if self._leaving_since is not None:
            return
        if self.attached or self.is_view:
            if self.is_view:
                hint = "{q} goes back to the " + ("sweep" if self.of_sweep else "runs")
            elif self.state.ended:
                fixed = self.is_loop or looks_only()
                hint = "it has ended" + ("" if fixed else "; {r}, then {c}, trains it further")
            else:
                hint = "{q} leaves it" + ("" if looks_only() else " alone, {X} ends it")
            hint += "; {n}, all its numbers" if self.is_loop else ""
            does = "showing" if self.state.ended else "following"
            self.state.say(f"{does} {session.run.name}: {with_keys(hint)}")
        elif _is_short(session.dataset) and not self._limit_is_held:
            self.limit = max(1.0, round(self.state.planned_steps / SHORT_RUN_SECONDS))
            self.limit_is_automatic = True
            session.set_steps_per_second(self.limit)
        if self._limit_is_held:
            session.set_steps_per_second(self.limit)
        held = self._paused_while_loading()
        if paused := [name for name in session.config.engine_names if name in held]:
            session.pause(*paused)
        if self.attached or self.is_view:
            session.start()
        else:
            _start_behind_the_screen(session)


def _is_short(dataset: "Dataset") -> bool:
    return dataset.name == "digits" or dataset.are_points


def _start_behind_the_screen(session: "RunSource") -> None:
    """Start trainers with lower priority than the screen: threads inherit it."""
    # Not at the top: the first frame needs no executor.
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    with ThreadPoolExecutor(1, "start", stand_back) as behind:
        behind.submit(session.start).result()


class Followed(NamedTuple):
    """A run on the screen."""

    watch: Watch
    names: tuple[EngineName, ...]
    """The engines that train, left to right."""


def watch_of(path: Path, *, is_view: bool = True, of_sweep: bool = False) -> Watch:
    """Return a watch of the run or watched loop in a folder, not yet opened; see `Watch`."""
    from mlpwatch.core.runs.layout import is_watched  # noqa: PLC0415 - after the first frame

    is_loop = is_watched(path)

    def start(report: Report) -> "RunSource":
        report(f"reading {printable(path.name)}")
        if is_loop:
            from mlpwatch.core.monitor.loop_source import LoopRunSource  # noqa: PLC0415

            return LoopRunSource(path)
        from mlpwatch.core.remote.follower import RunFollower  # noqa: PLC0415
        from mlpwatch.core.runs.run import Run  # noqa: PLC0415

        return RunFollower(Run.open(path.parent, path.name))

    return Watch(start, attached=is_loop, is_view=is_view, of_sweep=of_sweep, is_loop=is_loop)
