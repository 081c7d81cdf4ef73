"""What the list of runs shows of each run: its columns, how they sort, which of them fit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mlpwatch.core.config import EngineName
from mlpwatch.core.runs.listing import EngineSummary, RunSummary
from mlpwatch.tui.formatting import TITLES
from mlpwatch.tui.kit.theme import Role

ABSENT = "–"

GAP = 2
"""Blank columns between two columns."""

_ALL_BUT_ONE = 0.99995
"""From here on two digits would read 100.00 %, a column too many."""

_STATE_ROLES = {
    "finished": Role.GOOD,
    "stopped": Role.TEXT,
    "failed": Role.BAD,
    "damaged": Role.BAD,
    "running here": Role.STRONG,
    "running elsewhere": Role.STRONG,
}


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A saved run, and what this process has to do with it."""

    summary: RunSummary
    is_here: bool = False
    """Whether it is the one on the dashboard."""
    has_ended_here: bool = False
    """Whether this process trained it and is done with it."""

    @property
    def state(self) -> str:
        """In words: `running here`, `finished`, and so on."""
        if self.summary.state != "training":
            return self.summary.state
        if self.has_ended_here:
            return "stopped"
        return "running here" if self.is_here else "running elsewhere"

    @property
    def is_held_elsewhere(self) -> bool:
        """Whether another process, or a training in this one, keeps it from being changed."""
        return self.summary.is_held and not self.has_ended_here

    def engine(self, name: EngineName) -> EngineSummary | None:
        """How far one engine came; None where the run does not train it."""
        return next((one for one in self.summary.engines if one.engine == name), None)

    @property
    def epochs_done(self) -> int | None:
        """By the engine that came further; None where nothing is known."""
        return max((one.epochs_done for one in self.summary.engines), default=None)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the list."""

    heading: str
    width: int
    """0 takes what the others leave."""
    cell: Callable[[ListedRun], tuple[str, Role]]
    key: Callable[[ListedRun], Any]
    """What it sorts by; a run whose key is None comes last, whichever way the others go."""
    importance: int
    """Where there is little room, the least important go first; equals go together."""
    descends: bool = False
    """Sorted with the greatest first unless asked otherwise."""
    is_number: bool = False
    """At the right of its column."""
    role: Role = Role.DIM
    """Of the heading."""


def share_and_split(engine: EngineSummary | None) -> tuple[float | None, str]:
    """Return test accuracy where the run has ended, else the last validation accuracy."""
    if engine is None:
        return None, ""
    if engine.test_accuracy is not None:
        return engine.test_accuracy, "test"
    return engine.val_accuracy, "val"


def hidden_text(run: RunSummary) -> str:
    """Return the widths of the hidden layers: `512-256`."""
    if run.hidden is None:
        return ABSENT
    return "-".join(str(width) for width in run.hidden) or "none"


def when_text(run: RunSummary) -> str:
    """Return when a run began, in local time."""
    return f"{run.created.astimezone():%Y-%m-%d %H:%M}" if run.created else ABSENT


def _epochs(run: ListedRun) -> tuple[str, Role]:
    done, planned = run.epochs_done, run.summary.epochs_planned
    return (ABSENT if done is None else f"{done}/{planned}"), Role.TEXT


def _state(run: ListedRun) -> tuple[str, Role]:
    return run.state, _STATE_ROLES[run.state]


def _plain(text: Callable[[RunSummary], str | None]) -> Callable[[ListedRun], tuple[str, Role]]:
    return lambda run: (text(run.summary) or ABSENT, Role.TEXT)


def _accuracy_column(name: EngineName, role: Role) -> Column:
    def cell(run: ListedRun) -> tuple[str, Role]:
        share, split = share_and_split(run.engine(name))
        if share is None:
            return ABSENT, Role.TEXT
        digits = 2 if share < _ALL_BUT_ONE else 1
        return f"{share:.{digits}%} {split:<4}", Role.TEXT

    return Column(
        TITLES[name],
        11,
        cell,
        lambda run: share_and_split(run.engine(name))[0],
        importance=8,
        descends=True,
        is_number=True,
        role=role,
    )


COLUMNS: tuple[Column, ...] = (
    Column(
        "run", 0, lambda run: (run.summary.name, Role.TEXT), lambda run: run.summary.name.lower(), 9
    ),
    Column(
        "when", 16, _plain(when_text), lambda run: run.summary.created, 4, descends=True
    ),
    Column("data", 8, _plain(lambda run: run.dataset), lambda run: run.summary.dataset, 3),
    Column("recipe", 6, _plain(lambda run: run.recipe), lambda run: run.summary.recipe, 5),
    Column("hidden", 11, _plain(hidden_text), lambda run: run.summary.hidden, 2),
    Column(
        "epochs", 9, _epochs, lambda run: run.epochs_done, 6, descends=True, is_number=True
    ),
    _accuracy_column("numpy", Role.NUMPY),
    _accuracy_column("torch", Role.TORCH),
    Column("state", 17, _state, lambda run: run.state, 7),
)  # fmt: skip

NEWEST_FIRST = 1
"""The column that the list begins with."""

SHORTEST_NAME = 20
"""Columns that a name has at least: one that mlpwatch makes, `2026-11-23-twin-k3f9`."""


def fitting_columns(width: int, longest_name: int) -> list[tuple[Column, int]]:
    """Return the columns that fit, with their widths; all but the name's are fixed.

    The name's is as wide as the longest one: beyond that, a gap would part names from numbers.
    """
    shown = list(COLUMNS)
    while len(shown) > 1 and _least_width(shown) > width:
        least = min(column.importance for column in shown)
        shown = [column for column in shown if column.importance > least]
    left = max(1, width - (_least_width(shown) - SHORTEST_NAME))
    left = min(left, max(SHORTEST_NAME, longest_name))
    return [(column, column.width or left) for column in shown]


def sorted_runs(runs: Sequence[ListedRun], column: Column, *, descends: bool) -> list[ListedRun]:
    """Return the runs by a column; where it says nothing of a run, the run comes last."""
    known = [run for run in runs if column.key(run) is not None]
    unknown = [run for run in runs if column.key(run) is None]
    return sorted(known, key=column.key, reverse=descends) + unknown


def matches(run: ListedRun, text: str) -> bool:
    """Return whether each word of a filter is somewhere in what the list says of a run."""
    found = " ".join(column.cell(run)[0] for column in COLUMNS).lower()
    return all(word in found for word in text.lower().split())


def _least_width(columns: Sequence[Column]) -> int:
    return sum(column.width or SHORTEST_NAME for column in columns) + GAP * (len(columns) - 1)
