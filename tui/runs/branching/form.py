"""The settings of a branch as a form: rows to choose, type into and check. Without Textual."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_type_hints

from mlpwatch.core.cli.branch import against_parent
from mlpwatch.core.cli.options import shown_setting
from mlpwatch.core.config import ENGINE_NAMES, IN_PLACE, TITLES, RunConfig
from mlpwatch.core.errors import ConfigError, InputError, MlpwatchError
from mlpwatch.core.runs.layout import check_run_name
from mlpwatch.core.treatment import TREATMENT
from mlpwatch.tui.formatting import count

Fate = Literal["ends", "trains on", "stays paused"]
"""What becomes of the run that trains here when the branch takes its place on the dashboard."""

FATES: tuple[Fate, ...] = get_args(Fate)

EPOCH, NAME, FATE, MODELS = "from epoch", "name", "run here", "models"
"""The rows that are no settings."""

BOTH, AGAINST = "both", TREATMENT
"""Values of the row of models: both engines, or control and treatment by one of them."""

GROUPS: dict[str, tuple[str, ...]] = {
    "training": (
        "learning_rate", "schedule", "warmup", "optimizer", "momentum", "batch_size", "epochs",
        "patience",
    ),
    "regularization": ("dropout", "input_dropout", "weight_decay"),
    "data": ("train_size", "validation", "pixel_range", "seed"),
    "network": (
        "activation", "negative_slope", "loss", "output_activation", "torch_loss_mean",
    ),
    "machine": ("threads", "device", "history"),
}  # fmt: skip
"""The settings that may change: those that fit the weights of the parent."""

MOST_CHARACTERS = 120
"""Of a typed value; a run's name has 100 at most."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the form."""

    key: str
    """A setting's name, or one of those above."""
    group: str
    choices: tuple[str, ...] = ()
    """All values, where there are few."""
    before: str = ""
    """The value in the parent, as shown; empty where nothing is set."""

    @property
    def label(self) -> str:
        """The row's name in words."""
        return self.key.replace("_", " ")


@dataclass(frozen=True, slots=True)
class BranchPlan:
    """What the form asks for."""

    epoch: int
    config: RunConfig
    name: str | None
    """None for the parent's with `-at-EPOCH`."""
    fate: Fate


class BranchForm:
    """A form with a cursor.

    Args:
        config: of the parent.
        kept: the parent's kept epochs, ascending; at least one.
        epoch: the first proposal.
        taken: names of the runs that there are.
        here: name of the run that trains here; empty if none does, so nothing is to be decided.
        changes: settings to begin with, by name, in place of the parent's.
    """

    def __init__(
        self,
        config: RunConfig,
        kept: Sequence[int],
        epoch: int,
        *,
        taken: Collection[str] = (),
        here: str = "",
        changes: dict[str, Any] | None = None,
    ) -> None:
        self.config, self.kept, self.here = config, tuple(kept), here
        self._taken = taken
        self.rows = _rows_for(config, has_run_here=bool(here))
        self.cursor = 0
        self._typed = False
        """Whether the row at the cursor was typed into; the first character replaces its value."""
        self.texts = {row.key: row.before for row in self.rows}
        self.texts |= {EPOCH: str(epoch), NAME: ""}
        self.texts |= {name: shown_setting(value) for name, value in (changes or {}).items()}

    @property
    def row(self) -> Row:
        """The row at the cursor."""
        return self.rows[self.cursor]

    def move(self, rows: int) -> None:
        """Move the cursor, not beyond the ends."""
        self.cursor = max(0, min(self.cursor + rows, len(self.rows) - 1))
        self._typed = False

    def next_group(self) -> None:
        """Move the cursor to the first row of the next group; after the last comes the first."""
        groups = list(dict.fromkeys(row.group for row in self.rows))
        there = groups[(groups.index(self.row.group) + 1) % len(groups)]
        self.cursor = next(n for n, row in enumerate(self.rows) if row.group == there)
        self._typed = False

    def turn(self, by: int) -> None:
        """Take the next or previous value: a choice, a kept epoch, or double or half a rate."""
        row, text = self.row, self.texts[self.row.key]
        values = [str(epoch) for epoch in self.kept] if row.key == EPOCH else list(row.choices)
        if values:
            at = values.index(text) if text in values else -(by < 0)
            at = at + by if text in values else at
            # Choices go round, epochs have ends.
            at = max(0, min(at, len(values) - 1)) if row.key == EPOCH else at % len(values)
            self.texts[row.key] = values[at]
        elif row.key == "learning_rate":
            try:
                self.texts[row.key] = f"{float(text) * 2.0**by:g}"
            except (ValueError, OverflowError):
                return

    def type(self, character: str) -> None:
        """Type a character: it replaces the value that was there, or chooses the one it begins."""
        row = self.row
        if row.choices:
            names = [choice for choice in row.choices if choice.startswith(character)]
            if names:
                at = names.index(self.texts[row.key]) + 1 if self.texts[row.key] in names else 0
                self.texts[row.key] = names[at % len(names)]
            return
        text = (self.texts[row.key] if self._typed else "") + character
        self.texts[row.key], self._typed = text[:MOST_CHARACTERS], True

    def erase(self) -> None:
        """Take the last character away."""
        if not self.row.choices:
            self.texts[self.row.key], self._typed = self.texts[self.row.key][:-1], True

    def clear(self) -> None:
        """Take the parent's value again; of other rows the whole text away."""
        self.texts[self.row.key] = self.row.before
        self._typed = bool(not self.row.choices and not self.row.before)

    def plan(self) -> BranchPlan:
        """Return what is asked for.

        Raises:
            MlpwatchError: a value can't be; the message names it.
        """
        epoch = _whole(EPOCH, self.texts[EPOCH])
        if epoch not in self.kept:
            from mlpwatch.core.runs.history import kept_text  # noqa: PLC0415 - it imports NumPy

            raise ConfigError(f"epoch {epoch} is not kept; kept are {kept_text(self.kept)}")
        config = self._changed()
        if config.epochs <= epoch:
            raise ConfigError(f"epochs {config.epochs}: give more, since {epoch} are done")
        name = self.texts[NAME].strip() or None
        if name is not None:
            check_run_name(name)
            if name in self._taken:
                raise InputError(f"name '{name}': taken; choose another")
        fate = next(one for one in FATES if one == self.texts.get(FATE, "ends"))
        return BranchPlan(epoch, config, name, fate)

    def fault(self) -> str:
        """Return what is wrong, in one line; empty if nothing is."""
        try:
            self.plan()
        except MlpwatchError as error:
            return str(error)
        return ""

    def effect(self) -> str:
        """Return what the branch would do, in one line; call it where there is no fault."""
        plan = self.plan()
        left = count(plan.config.epochs - plan.epoch, "more epoch")
        return f"from epoch {plan.epoch}, {left}: {changes_text(plan.config, self.config)}"

    def _changed(self) -> RunConfig:
        values: dict[str, Any] = {}
        for row in self.rows:
            text = self.texts[row.key]
            if row.key == MODELS:
                values["only"] = next((name for name in ENGINE_NAMES if TITLES[name] == text), None)
            elif row.key in _TYPES and text != row.before:
                values[row.key] = _parsed(row.key, text)
        changed = replace(self.config, **values)
        if self.texts.get(MODELS) == AGAINST:
            return against_parent(self.config, changed, self.config.only or "numpy")
        return changed


def changes_text(after: RunConfig, before: RunConfig) -> str:
    """Return the settings that differ, with their values before, in one line."""
    if after.treatment == before.treatment:
        return _changes(after, before) or "nothing changed"
    shared = _changes(replace(after, treatment=None, only=before.only), before)
    treated = _changes(after.of("torch"), after) or "nothing changed"
    return f"{f'both: {shared}; ' if shared else ''}left control, right treatment: {treated}"


def _changes(after: RunConfig, before: RunConfig) -> str:
    old, new = before.to_dict(), after.to_dict()
    return ", ".join(
        f"{name.replace('_', ' ')} {shown_setting(value)} (was {shown_setting(old.get(name))})"
        for name, value in new.items()
        if value != old.get(name) and name not in IN_PLACE
    )


_HINTS: dict[str, Any] = get_type_hints(RunConfig)

_TYPES: dict[str, Any] = {one.name: _HINTS[one.name] for one in fields(RunConfig)}


def _rows_for(config: RunConfig, *, has_run_here: bool) -> list[Row]:
    first = [Row(EPOCH, "branch"), Row(NAME, "branch")]
    if has_run_here:
        first.append(Row(FATE, "branch", FATES, FATES[0]))
    if config.treatment is None:
        names = ENGINE_NAMES if config.only is None else (config.only,)
        titles = (*([BOTH] if config.only is None else []), *(TITLES[name] for name in names))
        titles += () if config.has_networks else (AGAINST,)
        first.append(Row(MODELS, "branch", titles, titles[0]))
    # What a treatment changes is its own; the other settings change in both columns.
    treated = dict(config.treatment.settings) if config.treatment else {}
    return first + [
        Row(name, group, _choices(name), _shown(getattr(config, name)))
        for group, names in GROUPS.items()
        for name in names
        if name not in treated
    ]


def _choices(name: str) -> tuple[str, ...]:
    kinds = get_args(_TYPES[name])
    # Of `Literal[…] | None` the choices are one level down.
    inner = (choice for kind in kinds for choice in get_args(kind))
    return tuple(one for one in (*kinds, *inner) if isinstance(one, str))


def _shown(value: object) -> str:
    return "" if value is None else shown_setting(value)


def _parsed(name: str, text: str) -> object:
    """Return the value that was typed for a setting; its range is checked by `RunConfig`."""
    kinds = (_TYPES[name], *get_args(_TYPES[name]))
    if not text.strip() and type(None) in kinds:
        return None
    if _choices(name):
        return text
    return _whole(name, text) if int in kinds else _number(name, text)


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        what = name.replace("_", " ")
        raise ConfigError(f"{what} {text!r:.40}: expected a whole number") from None


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        what = name.replace("_", " ")
        raise ConfigError(f"{what} {text!r:.40}: expected a number, like 0.1") from None
