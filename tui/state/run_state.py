"""What the screen knows about a run: a pure reducer over the trainers' events, without Textual."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from time import monotonic

from mlpwatch.core.config import TITLES, EngineName
from mlpwatch.core.events import (
    CheckpointSaved,
    DifferenceFound,
    EngineEvent,
    Event,
    GapMeasured,
    LogRewritten,
    Notice,
    RanksMeasured,
    RateChanged,
    RunEnded,
    SaveFailed,
    StepCompared,
)
from mlpwatch.tui.formatting import with_keys
from mlpwatch.tui.state.engine_view import ENDED, EngineView, Phase
from mlpwatch.tui.state.epoch_curves import MOST_EPOCHS, GapCurves, StepCurves, is_kept
from mlpwatch.tui.state.parent_future import ParentFuture

MESSAGE_SECONDS = 8.0
"""A message is shown for this long before the screen's hint or explanation returns."""

FAULT_SECONDS = 60.0
"""A fault of the run is shown for this long: the user may be looking elsewhere."""

__all__ = ["ENDED", "EngineView", "Phase", "RunState"]


@dataclass(slots=True)
class RunState:
    """The state of the whole run, as shown by the panels.

    Args:
        epochs: planned.
        epoch_steps: steps per epoch.
        names: the engines that train.
        titles: their names on the screen.
    """

    epochs: int
    epoch_steps: int
    names: tuple[EngineName, ...]
    titles: Mapping[EngineName, str] = field(default_factory=lambda: TITLES)
    engines: dict[EngineName, EngineView] = field(init=False)
    gaps: list[GapMeasured] = field(default_factory=list)
    """One per epoch that both engines have completed, of those that are kept."""
    gaps_by_step: GapCurves = field(init=False)
    gaps_by_second: GapCurves = field(init=False)
    steps_by_step: StepCurves = field(init=False)
    steps_by_second: StepCurves = field(init=False)
    one_step: float = math.nan
    """Largest difference of one step from the same weights that rounding explains; NaN before the
    first comparison."""
    has_parted: bool = False
    """Whether the gap has become larger than the differences of all steps together."""
    outside: StepCompared | None = None
    """The first step that rounding does not explain."""
    difference: DifferenceFound | None = None
    """Why it differs."""
    ranks: dict[EngineName, RanksMeasured] = field(default_factory=dict)
    """Of the last second, if several processes train the run."""
    saved: dict[EngineName, int] = field(default_factory=dict)
    """Steps of each engine's newest checkpoint on disk."""
    parent_future: ParentFuture = field(default_factory=ParentFuture)
    """Of a branch: what its parent did from there on."""
    message: str = ""
    """The newest message: what was saved where, what failed."""
    message_is_bad: bool = False
    message_is_new: bool = False
    """Whether the user has looked up nothing since the message came."""
    message_where: str = ""
    """The screen that shows it; empty for messages of the run, which every screen shows."""
    message_until: float = math.inf
    """When it disappears, on the monotonic clock."""

    def __post_init__(self) -> None:
        """Make one state per engine, and the curves of the gap."""
        self.engines = {
            name: EngineView(name, self.planned_steps, self.titles[name]) for name in self.names
        }
        self.gaps_by_step = GapCurves(planned=self.planned_steps)
        self.gaps_by_second = GapCurves()
        self.steps_by_step = StepCurves(planned=self.planned_steps)
        self.steps_by_second = StepCurves()

    @property
    def planned_steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.epoch_steps

    @property
    def ended(self) -> bool:
        """Whether every engine has ended."""
        return all(engine.ended for engine in self.engines.values())

    @property
    def spiked(self) -> EngineView | None:
        """The engine whose loss jumped up first, of those where that is news."""
        found = [one for one in self.engines.values() if one.spikes.is_news]
        return min(found, key=lambda one: one.spikes.began or 0, default=None)

    @property
    def seconds(self) -> float:
        """Training time of the slower engine."""
        return max(engine.seconds for engine in self.engines.values())

    @property
    def seconds_left(self) -> float | None:
        """Until both have ended; None if unknown."""
        left = [engine.seconds_left for engine in self.engines.values() if not engine.ended]
        known = [seconds for seconds in left if seconds is not None]
        return max(known) if known and len(known) == len(left) else None

    def apply_all(self, events: Iterable[Event]) -> None:
        """Apply events in order."""
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Apply one event."""
        match event:
            case Notice():
                self.say(event.text, bad=event.is_bad)
            case LogRewritten():
                self.epochs, self.epoch_steps = event.epochs, event.epoch_steps
                self.gaps, self.saved, self.ranks = [], {}, {}
                self.one_step, self.has_parted = math.nan, False
                self.outside = self.difference = None
                self.__post_init__()
            case _:
                self._apply_to(self.engines[event.engine], event)

    def _apply_to(self, engine: EngineView, event: EngineEvent) -> None:
        engine.apply(event)
        match event:
            case GapMeasured():
                self._add_gap(engine, event)
            case StepCompared():
                self._add_comparison(event)
            case DifferenceFound():
                self.difference = self.difference or event
            case RanksMeasured():
                self.ranks[event.engine] = event
            case RateChanged() if engine.phase in ("training", "paused"):
                self.say(self._rates_text(event.learning_rate))
            case CheckpointSaved():
                self.saved[event.engine] = event.step
                # The first checkpoint, before any training, is not worth a message.
                if event.step:
                    self.say(self._where_saved(event.path))
            case SaveFailed():
                # Until another message comes: the disk may be full for hours.
                fault = f"not saved at {event.path}: {event.detail}"
                self.say(fault, bad=True, seconds=math.inf)
            case RunEnded() if event.detail:
                # The model's own half cuts the reason; this line is the widest.
                text = f"{self.titles[event.engine]} {event.reason}: {event.detail}"
                self.say(text, bad=event.reason != "finished", seconds=FAULT_SECONDS)

    def _add_gap(self, engine: EngineView, gap: GapMeasured) -> None:
        point = engine.last_epoch(gap.step)
        self.gaps.append(gap)
        # The differences of single steps may add up, and no more: what is beyond was amplified.
        if gap.weight_difference > gap.step * self.one_step:
            self.has_parted = True
        if len(self.gaps) > MOST_EPOCHS:
            self.gaps = [old for old in self.gaps if is_kept(old.epoch, gap.epoch)]
        self.gaps_by_step.add(gap.step, gap)
        self.gaps_by_second.add(point.seconds if point else engine.seconds, gap)

    def _add_comparison(self, compared: StepCompared) -> None:
        self.steps_by_step.add(compared.step, compared)
        self.steps_by_second.add(compared.seconds, compared)
        if compared.is_outside:
            self.outside = self.outside or compared
        else:
            self.one_step = max(compared.difference, self.one_step)

    def _rates_text(self, rate: float) -> str:
        """Return since when the models have a learning rate."""
        newest = {n: one.rate_changes[-1] for n, one in self.engines.items() if one.rate_changes}
        since = [
            f"{self.titles[name]} step {change.step + 1:,}"
            for name, change in newest.items()
            if change.learning_rate == rate
        ]
        keys = with_keys("{+} doubles it, {-} halves it")
        return f"learning rate {rate:g} from {' and '.join(since)} on; {keys}"

    def _where_saved(self, path: str) -> str:
        steps = [
            f"{self.titles[name]} at step {self.saved[name]:,}"
            for name in self.names
            if name in self.saved
        ]
        return f"saved in {PurePath(path).parent}: {', '.join(steps)}"

    def hint(self, text: str, *, where: str) -> None:
        """Answer a key on a screen; `{x}` in the text is the user's own key in place of x."""
        self.say(with_keys(text), where=where)

    def say(
        self, message: str, *, bad: bool = False, where: str = "", seconds: float | None = None
    ) -> None:
        """Show a line above the footer.

        Args:
            message: replaces the one before.
            bad: whether it is a fault.
            where: the screen whose key it answers; empty for messages of the run.
            seconds: how long it is shown; by default a minute for faults of the run.
        """
        if seconds is None:
            seconds = FAULT_SECONDS if bad and not where else MESSAGE_SECONDS
        self.message, self.message_is_bad, self.message_is_new = message, bad, True
        self.message_where, self.message_until = where, monotonic() + seconds

    def message_on(self, where: str) -> str:
        """Return the message if a screen shows it; otherwise an empty string."""
        return self.message if self.message_where in ("", where) else ""

    def expire(self, now: float) -> bool:
        """Remove a message whose time is over; return whether there was one."""
        is_over = bool(self.message) and now >= self.message_until
        if is_over:
            self.message, self.message_is_bad, self.message_is_new = "", False, False
        return is_over
