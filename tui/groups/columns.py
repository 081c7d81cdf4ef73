"""The columns of the sweep's table: their cells for settings and trials, sort keys, and widths."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mlpwatch.core.config import TITLES, EngineName
from mlpwatch.core.sweeps.group import Group, value_text
from mlpwatch.core.sweeps.reading import GroupReading, SettingRow, TrialRow, TrialState
from mlpwatch.core.sweeps.statistics import PairedDifference, Spread
from mlpwatch.tui import formatting
from mlpwatch.tui.kit.cells import columns_of
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.theme import Role

UNKNOWN = "–"

ACCURACY_COLUMNS = 12
"""Of mean and standard deviation in percent."""

GAP = 2
"""Blank cells between two columns."""

MOST_OF_A_VALUE = 24
"""Cells of a setting's value; a path may be longer."""

_HEADINGS = {"learning_rate": "rate", "batch_size": "batch", "weight_decay": "decay"}
"""Shorter than the settings' names, where they are clear."""

_STATE_ROLES: dict[TrialState, Role] = {
    "finished": Role.GOOD,
    "training": Role.STRONG,
    "failed": Role.BAD,
    "stopped": Role.TEXT,
    "waiting": Role.DIM,
}

_BY_URGENCY: tuple[TrialState, ...] = ("failed", "training", "stopped", "waiting")

Cell = tuple[str, Role]


@dataclass(frozen=True, slots=True)
class SettingLine:
    """A row of the table: one setting over its seeds."""

    number: int
    """Of the setting, in the order of the grid."""
    row: SettingRow
    is_open: bool = False
    """Whether its trials are listed below it."""


@dataclass(frozen=True, slots=True)
class TrialLine:
    """A row of the table: one trial, below its setting."""

    row: TrialRow
    eta: float | None
    """Seconds until it is done; None if unknown, or if it has ended."""


Line = SettingLine | TrialLine


@dataclass(frozen=True, slots=True)
class SweepColumn:
    """A column of the table."""

    heading: str
    width: int
    of_setting: Callable[[SettingLine], Cell]
    of_trial: Callable[[TrialLine], Cell]
    key: Callable[[SettingLine], Any]
    """Sort key; a setting whose key is None comes last in either direction."""
    importance: int
    """On narrow screens the least important are left out first."""
    descends: bool = False
    """Whether the greatest comes first by default."""
    is_number: bool = False
    """Right-aligned."""
    role: Role = Role.DIM
    """Of the heading."""

    def cell(self, line: Line) -> Cell:
        """Return text and role of a row's cell."""
        return self.of_setting(line) if isinstance(line, SettingLine) else self.of_trial(line)


def columns_for(reading: GroupReading) -> list[SweepColumn]:
    """Return the columns of a sweep, left to right: what varies, then the results."""
    group = reading.group
    varied = [_setting_column(group, name, n) for n, name in enumerate(group.varied)]
    engines = list(dict.fromkeys(e for one in group.settings for e in one.config.engine_names))
    columns = varied or [_only_column()]
    columns.append(_done_column(group))
    columns += [_accuracy_column(name) for name in engines]
    if len(engines) > 1:
        columns.append(_difference_column())
    return [*columns, _best_column(), _state_column(reading), _left_column()]


def fitting(columns: Sequence[SweepColumn], width: int) -> list[SweepColumn]:
    """Return the columns that fit; the least important are left out first."""
    kept = list(columns)
    while len(kept) > 1 and sum(one.width + GAP for one in kept) - GAP > width:
        kept.remove(min(kept, key=lambda one: one.importance))
    return kept


def points_text(found: PairedDifference | None) -> str:
    """Return a paired difference with its interval in points: `-4.31 ± 0.09`."""
    if found is None or not found.n:
        return UNKNOWN
    mean = f"{found.mean * 100:+.2f}"
    return mean if found.margin is None else f"{mean} ± {found.margin * 100:.2f}"


def _only_column() -> SweepColumn:
    """Return the first column of a sweep in which only the seed varies."""
    return SweepColumn(
        "setting", 10, lambda _line: ("all seeds", Role.TEXT), _seed, lambda _line: 0, 10
    )


def _setting_column(group: Group, name: str, number: int) -> SweepColumn:
    heading = _HEADINGS.get(name, name.replace("_", " "))
    values = [value_text(one.varied[name]) for one in group.settings]
    seeds = [seed_text(seed) for seed in group.seeds] if number == 0 else []
    # Room for the arrow that marks the column which sorts.
    width = max(len(heading) + 1, *(columns_of(text) for text in (*values, *seeds)))

    def key(line: SettingLine) -> object:
        return line.row.setting.varied[name]

    return SweepColumn(
        heading,
        min(width, MOST_OF_A_VALUE),
        lambda line: (value_text(line.row.setting.varied[name]), Role.TEXT),
        _seed if number == 0 else _blank,
        key,
        importance=9,
    )


def _done_column(group: Group) -> SweepColumn:
    epochs = max(one.config.epochs for one in group.settings)
    width = max(5, 1 + 2 * len(str(epochs)), 1 + 2 * len(str(len(group.seeds))))

    def of_setting(line: SettingLine) -> Cell:
        states = line.row.states
        return f"{states.get('finished', 0)}/{sum(states.values())}", Role.TEXT

    def of_trial(line: TrialLine) -> Cell:
        return f"{line.row.epochs_done}/{line.row.trial.config.epochs}", Role.DIM

    def key(line: SettingLine) -> int:
        return line.row.states.get("finished", 0)

    return SweepColumn("done", width, of_setting, of_trial, key, 7, descends=True, is_number=True)


def _accuracy_column(name: EngineName) -> SweepColumn:
    def of_setting(line: SettingLine) -> Cell:
        return _percent_text(line.row.test_accuracy.get(name)), Role.TEXT

    def of_trial(line: TrialLine) -> Cell:
        if name in line.row.test_accuracy:
            return f"{line.row.test_accuracy[name] * 100:.2f}", Role.TEXT
        if name in line.row.val_accuracy:
            return f"val {line.row.val_accuracy[name] * 100:.2f}", Role.DIM
        return UNKNOWN, Role.DIM

    def key(line: SettingLine) -> float | None:
        found = line.row.test_accuracy.get(name)
        return found.mean if found and found.n else None

    return SweepColumn(
        f"{TITLES[name]} %", ACCURACY_COLUMNS, of_setting, of_trial, key, 8,
        descends=True, is_number=True, role=ACCENTS[name],
    )  # fmt: skip


def _percent_text(found: Spread | None) -> str:
    """Return mean and standard deviation in percent: `94.88 ± 0.12`, `100.0 ± 0.00`."""
    if found is None or not found.n:
        return UNKNOWN
    mean = f"{found.mean * 100:.{_digits(found.mean, 100)}f}"
    if found.std is None:
        return mean
    return f"{mean} ± {found.std * 100:.{_digits(found.std, 10)}f}"


def _digits(share: float, long: float) -> int:
    """Return the decimals of a share in percent: one from `long` on, so that columns keep."""
    return 2 if round(share * 100, 2) < long else 1


def _difference_column() -> SweepColumn:
    def of_setting(line: SettingLine) -> Cell:
        found = line.row.difference
        is_real = found is not None and found.is_real
        # Of equal length, so that the numbers lie under each other.
        return f"{points_text(found)} {'real' if is_real else '    '}", Role.TEXT

    def of_trial(line: TrialLine) -> Cell:
        test = line.row.test_accuracy
        if len(test) < len(TITLES):
            return "", Role.DIM
        return f"{(test['torch'] - test['numpy']) * 100:+.2f}     ", Role.DIM

    def key(line: SettingLine) -> float | None:
        found = line.row.difference
        return found.mean if found and found.n else None

    return SweepColumn(
        "PyTorch - NumPy", 20, of_setting, of_trial, key, 3, is_number=True, role=Role.DIM
    )


def _best_column() -> SweepColumn:
    def best(line: SettingLine) -> float | None:
        return max((one.best for one in line.row.test_accuracy.values() if one.n), default=None)

    def of_setting(line: SettingLine) -> Cell:
        found = best(line)
        return UNKNOWN if found is None else f"{found * 100:.2f}", Role.TEXT

    return SweepColumn("best", 6, of_setting, _blank, best, 4, descends=True, is_number=True)


def _state_column(reading: GroupReading) -> SweepColumn:
    most = len(str(len(reading.group.seeds)))

    def key(line: SettingLine) -> int:
        states = line.row.states
        return next((n for n, state in enumerate(_BY_URGENCY) if states.get(state)), 9)

    return SweepColumn(
        "state",
        most + 9,
        lambda line: setting_state(line.row),
        lambda line: (line.row.state, _STATE_ROLES[line.row.state]),
        key,
        6,
    )


def setting_state(row: SettingRow) -> Cell:
    """Return how a setting's trials stand: `2 training`, `1 failed`, `finished`."""
    counts = row.states
    if counts.get("finished", 0) == sum(counts.values()):
        return "finished", _STATE_ROLES["finished"]
    # What trains comes before what has failed: it changes, and the reason stays listed below.
    for state in ("training", "failed", "stopped", "waiting"):
        if counts.get(state):
            only = state == "waiting"
            return state if only else f"{counts[state]} {state}", _STATE_ROLES[state]
    return UNKNOWN, Role.DIM


def _left_column() -> SweepColumn:
    def text(seconds: float | None) -> Cell:
        return ("" if not seconds else formatting.duration(seconds)), Role.DIM

    return SweepColumn(
        "left",
        7,
        lambda line: text(line.row.eta),
        lambda line: text(line.eta),
        lambda line: line.row.eta,
        5,
        descends=True,
        is_number=True,
    )


def _seed(line: TrialLine) -> Cell:
    return seed_text(line.row.trial.seed), Role.TEXT


def seed_text(seed: int) -> str:
    """Return the first cell of a trial, indented below its setting."""
    return f" seed {seed}"


def _blank(_line: object) -> Cell:
    return "", Role.DIM
