"""The columns of the runs list: their cells, sort keys, and widths."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from mlpwatch.core.config import EngineName
from mlpwatch.core.runs.listing import EngineSummary, RunSummary
from mlpwatch.tui.formatting import TITLES
from mlpwatch.tui.kit.theme import Role

ABSENT = "–"

RowKind = Literal["run", "loop", "sweep"]

COLUMN_GAP = 2
"""Blank cells between two columns."""

_ALL_BUT_ONE = 0.99995
"""From this share on, two decimals would give 100.00 %, one cell too many."""

_EPOCHS_WIDTH = 9

MOST_DEPTH = 6
"""Deeper branches are indented no further: names need the cells."""

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
    """A saved run, and its relation to this process."""

    summary: RunSummary
    is_here: bool = False
    """Whether it is the run on the dashboard."""
    trains_here: bool = False
    """Whether this process trains it, or has trained it."""
    has_ended_here: bool = False
    """Whether this process trained it and has ended it."""
    kind: RowKind = "run"
    note: str = ""
    """What is known of it where it is no run of ours, in one line."""
    depth: int = 0
    """Number of its ancestors above it, where the list shows families."""

    @property
    def tree_name(self) -> str:
        """The name, a branch's indented below its parent's."""
        return "  " * (self.depth - 1) + "└ " * (self.depth > 0) + self.summary.name

    @property
    def state(self) -> str:
        """In words: `running here`, `finished` and so on."""
        if self.summary.state != "training":
            return self.summary.state
        if self.has_ended_here:
            return "stopped"
        return "running here" if self.trains_here else "running elsewhere"

    @property
    def is_held_elsewhere(self) -> bool:
        """Whether training holds it, in another process or in this one."""
        return self.summary.is_held and not self.has_ended_here

    def engine(self, name: EngineName) -> EngineSummary | None:
        """Return an engine's progress; None if the run does not train it."""
        return next((one for one in self.summary.engines if one.engine == name), None)

    @property
    def epochs_done(self) -> int | None:
        """Of the engine that is ahead; None if unknown."""
        return max((one.epochs_done for one in self.summary.engines), default=None)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list."""

    heading: str
    width: int
    """0 for the cells that the other columns leave."""
    cell: Callable[[ListedRun], tuple[str, Role]]
    key: Callable[[ListedRun], Any]
    """The sort key; a run whose key is None comes last in either direction."""
    importance: int
    """On narrow screens the least important are left out first, equal ones together."""
    descends: bool = False
    """Whether the greatest comes first by default."""
    is_number: bool = False
    """Right-aligned."""
    role: Role = Role.DIM
    """Of the heading."""


def share_and_split(engine: EngineSummary | None) -> tuple[float | None, str]:
    """Return the test accuracy of an ended run, else the last validation accuracy."""
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


def rate_text(run: RunSummary) -> str:
    """Return the learning rate: `0.1`, `0.0003`."""
    return ABSENT if run.learning_rate is None else f"{run.learning_rate:g}"


def batch_text(run: RunSummary) -> str:
    """Return the images per batch."""
    return ABSENT if run.batch_size is None else str(run.batch_size)


def when_text(run: RunSummary) -> str:
    """Return when a run began, in local time."""
    return f"{run.created.astimezone():%Y-%m-%d %H:%M}" if run.created else ABSENT


def _epochs(run: ListedRun) -> tuple[str, Role]:
    done, planned = run.epochs_done, run.summary.epochs_planned
    if done is None:
        return ABSENT, Role.TEXT
    if planned is None:
        return str(done), Role.TEXT
    forms = (f"{done}/{planned}", f"{done}/{_thousands(planned)}")
    fitting = [form for form in forms if len(form) <= _EPOCHS_WIDTH]
    return (fitting or [f"{_thousands(done)}/{_thousands(planned)}"])[0], Role.TEXT


def _recipe(run: ListedRun) -> tuple[str, Role]:
    """Return the recipe of a run; of what is no run, what it is."""
    what = run.summary.recipe if run.kind == "run" else run.kind
    return what or ABSENT, Role.TEXT


def _thousands(number: int | None) -> str:
    """Return a number of epochs in whole thousands, rounded down: `100k`."""
    thousands = (number or 0) // 1_000
    return f"{thousands}k" if thousands else str(number)


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
        "run", 0, lambda run: (run.tree_name, Role.TEXT), lambda run: run.summary.name.lower(), 9
    ),
    Column(
        "when", 16, _plain(when_text), lambda run: run.summary.created, 4, descends=True
    ),
    Column("data", 8, _plain(lambda run: run.dataset), lambda run: run.summary.dataset, 3),
    Column("recipe", 7, _recipe, lambda run: _recipe(run)[0], 5),
    Column("hidden", 11, _plain(hidden_text), lambda run: run.summary.hidden, 2),
    Column(
        "optimizer", 10, _plain(lambda run: run.optimizer), lambda run: run.summary.optimizer, 1
    ),
    Column(
        "rate", 8, _plain(rate_text), lambda run: run.summary.learning_rate, 1, is_number=True
    ),
    Column(
        "batch", 6, _plain(batch_text), lambda run: run.summary.batch_size, 1, is_number=True
    ),
    Column(
        "epochs", _EPOCHS_WIDTH, _epochs, lambda run: run.epochs_done, 6,
        descends=True, is_number=True,
    ),
    _accuracy_column("numpy", Role.NUMPY),
    _accuracy_column("torch", Role.TORCH),
    Column("state", 17, _state, lambda run: run.state, 7),
)  # fmt: skip

NEWEST_FIRST = 1
"""The initial sort column."""

SHORTEST_NAME = 20
"""Least cells for a name: those of a default name, `2026-11-23-twin-k3f9`."""


def fitting_columns(width: int, longest_name: int) -> list[tuple[Column, int]]:
    """Return the columns that fit, with their widths; all but the name's are fixed.

    The name's is as wide as the longest name: a wider one would separate names from numbers.
    """
    shown = list(COLUMNS)
    while len(shown) > 1 and _least_width(shown) > width:
        least = min(column.importance for column in shown)
        shown = [column for column in shown if column.importance > least]
    left = max(1, width - (_least_width(shown) - SHORTEST_NAME))
    left = min(left, max(SHORTEST_NAME, longest_name))
    return [(column, column.width or left) for column in shown]


def sorted_runs(runs: Sequence[ListedRun], column: Column, *, descends: bool) -> list[ListedRun]:
    """Return the runs sorted by a column; runs without a value in it come last."""
    known = [run for run in runs if column.key(run) is not None]
    unknown = [run for run in runs if column.key(run) is None]
    return sorted(known, key=column.key, reverse=descends) + unknown


def as_families(runs: Sequence[ListedRun]) -> list[ListedRun]:
    """Return the runs with each branch below its parent; a family is at the place of its first.

    A branch whose parent is not there stands for itself.

    Args:
        runs: sorted; branches of one parent keep their order.
    """
    by_name = {run.summary.name: run for run in runs}
    by_id = {run.summary.id: run for run in runs if run.summary.id}

    def parent_of(run: ListedRun) -> ListedRun | None:
        # By its id, which it keeps when it is renamed; runs of older versions have none.
        own = run.summary
        return by_id.get(own.parent_id) if own.parent_id else by_name.get(own.parent or "")

    branches: dict[str, list[ListedRun]] = {}
    for run in runs:
        if parent := parent_of(run):
            branches.setdefault(parent.summary.name, []).append(run)
    found: dict[str, ListedRun] = {}

    def add(first: ListedRun) -> None:
        waiting = [(first, 0)]
        while waiting:
            run, depth = waiting.pop()
            # A parent that was renamed may have left its name to one of its branches.
            if run.summary.name not in found:
                found[run.summary.name] = replace(run, depth=min(depth, MOST_DEPTH))
                below = branches.get(run.summary.name, ())
                waiting += [(branch, depth + 1) for branch in reversed(below)]

    for run in runs:
        first, seen = run, {run.summary.name}
        while (above := parent_of(first)) and above.summary.name not in seen:
            first = above
            seen.add(above.summary.name)
        add(first)
    return list(found.values())


def matches(run: ListedRun, text: str) -> bool:
    """Return whether each word of a filter occurs in a run's cells."""
    found = " ".join(column.cell(run)[0] for column in COLUMNS).lower()
    return all(word in found for word in text.lower().split())


def _least_width(columns: Sequence[Column]) -> int:
    return sum(column.width or SHORTEST_NAME for column in columns) + COLUMN_GAP * (
        len(columns) - 1
    )
