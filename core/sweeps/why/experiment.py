"""The experiment between two runs: which networks it trains, for how long, and what they show."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count
from math import ceil, nan
from pathlib import Path
from statistics import fmean
from typing import Any

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.registry import check_source
from mlpwatch.core.errors import DataError, InputError
from mlpwatch.core.files.strict_json import take_object, take_text
from mlpwatch.core.runs.layout import RESULT_NAME, check_run_name
from mlpwatch.core.runs.listing import is_group, read_result
from mlpwatch.core.sweeps.group import (
    NOT_COMPARED,
    Group,
    SweepSetting,
    Trial,
    checked_group,
    read_group,
)
from mlpwatch.core.sweeps.reading import GroupReading, TrialRow
from mlpwatch.core.sweeps.sweep import busy_seconds
from mlpwatch.core.sweeps.trial import START_SECONDS
from mlpwatch.core.sweeps.why.attribution import MOST_COMBINED, Attribution, attribute, masks_of
from mlpwatch.core.sweeps.why.differences import SettingDifference, hybrid, plain_config
from mlpwatch.core.sweeps.why.sides import Side, checked_differences

USUAL_SEEDS = 3

SHORT_PART = 5
"""The first round has a fifth of the epochs."""

FEWEST_EPOCHS = 3
"""Of a short round: the first epochs are those in which all networks are alike."""

MOST_CHANGED = 2
"""A short round's gap that is not between half and twice that of the runs is another gap."""


@dataclass(frozen=True, slots=True)
class GapFinding:
    """What the networks of one length show."""

    epochs: int
    """Of the longer of both runs' settings."""
    attributions: Mapping[EngineName, Attribution]
    diverged: Sequence[str]
    """Names of trials with an engine that diverged: it counts as guessing."""

    @property
    def is_clear(self) -> bool:
        """Whether it is clear for every engine, and from two seeds on."""
        return all(found.is_clear for found in self.attributions.values())


class Experiment:
    """All networks between A and B.

    Args:
        one: A.
        other: B.
        seeds: how many each network is trained with; None for the usual.
        epochs: of the longer run, whose share the other gets too; None for a short round first,
            and one of the runs' own length where that is not clear.

    Raises:
        ConfigError: A and B have nothing that differs, or no hybrids.
        DataError: neither side's data can be found.
    """

    def __init__(
        self, one: Side, other: Side, seeds: int | None = None, epochs: int | None = None
    ) -> None:
        self.one, self.other = one, other
        self.differences: tuple[SettingDifference, ...] = checked_differences(one, other)
        self.masks = masks_of(len(self.differences))
        first = one.config.seed
        self.seeds = tuple(range(first, first + (seeds or USUAL_SEEDS)))
        self.whole_epochs = max(one.config.epochs, other.config.epochs)
        self.rounds = (epochs,) if epochs else _rounds(self.whole_epochs)
        """Epochs of the longer run, per round."""
        common = [e for e in one.config.engine_names if e in other.config.engine_names]
        self.engines: tuple[EngineName, ...] = tuple(common)
        self._data = _readable_data(one, other)

    @property
    def is_combined(self) -> bool:
        """Whether all combinations are trained, not only one change at a time."""
        return len(self.differences) <= MOST_COMBINED

    def configs(self, epochs: int) -> dict[int, RunConfig]:
        """Return the settings of each mask.

        Args:
            epochs: of the longer run.
        """
        only = self.engines[0] if len(self.engines) == 1 else None
        ends = [
            replace(
                side.config,
                epochs=max(1, round(side.config.epochs * epochs / self.whole_epochs)),
                data=self._data, only=only, seed=0, threads=None, history=0,
            )
            for side in (self.one, self.other)
        ]  # fmt: skip
        found = [_scaled(each, *ends) for each in self.differences]
        return {mask: hybrid(ends[0], ends[1], found, mask) for mask in self.masks}

    def group(self, rounds: Sequence[int]) -> Group:
        """Return the sweep of some rounds."""
        configs = [c for epochs in rounds for c in self.configs(epochs).values()]
        # What varies at all lengths, so that a longer round fits into the same sweep.
        every = [c.to_dict() for epochs in self._lengths() for c in self.configs(epochs).values()]
        varied = [
            name
            for name, value in every[0].items()
            if name == "epochs" or any(values[name] != value for values in every)
        ]
        settings = [
            SweepSetting({name: getattr(config, name) for name in varied}, config)
            for config in dict.fromkeys(configs)
        ]
        return checked_group(Group(tuple(settings), self.seeds))

    def place(self, saved: Path) -> tuple[Path, Group | None]:
        """Return the folder of the experiment's sweep, and what it holds; None if it is new.

        The same two runs get the same folder, so that the same command continues it.
        """
        stem = f"why-{self.one.name}-{self.other.name}".replace("/", "-")
        try:
            check_run_name(f"{stem}-99")
        except InputError:
            stem = f"why-{sha256(stem.encode()).hexdigest()[:12]}"
        asked = self.group(self.rounds)
        for number in count(1):
            path = saved / (stem if number == 1 else f"{stem}-{number}")
            if not path.exists():
                break
            with suppress(InputError):
                if is_group(path) and _fits(found := read_group(path), asked):
                    return path, found
        return path, None

    def joined(self, group: Group | None, epochs: int) -> Group:
        """Return the sweep with the networks of a round, and with all seeds.

        Args:
            group: as it is; None for a new one.
            epochs: of the round.
        """
        asked = self.group([epochs])
        if group is None:
            return asked
        known = {one.config for one in group.settings}
        added = [one for one in asked.settings if one.config not in known]
        seeds = tuple(dict.fromkeys([*group.seeds, *asked.seeds]))
        return checked_group(replace(group, settings=(*group.settings, *added), seeds=seeds))

    def trials(self, group: Group, epochs: int) -> list[Trial]:
        """Return the trials of one round, in a sweep that may have more."""
        wanted = set(self.configs(epochs).values())
        numbers = {n for n, one in enumerate(group.settings) if plain_config(one.config) in wanted}
        return [t for t in group.trials if t.setting in numbers and t.seed in self.seeds]

    def seconds(self, trials: Sequence[Trial], jobs: int, threads: int) -> float:
        """Return the time that trials take, from A's and B's own times.

        Args:
            trials: to train.
            jobs: at a time.
            threads: cores per trial. Two engines take turns on one.

        Returns:
            Seconds; NaN if neither run has an epoch.
        """
        together = sum if threads < len(self.engines) else max
        known = [
            [side.pace[engine] for engine in self.engines if engine in side.pace]
            for side in (self.one, self.other)
        ]
        paces = [together(values) for values in known if values]
        pace = fmean(paces) if paces else nan
        each = [START_SECONDS + trial.config.epochs * pace for trial in trials]
        return busy_seconds(each, jobs, 0)

    def finding(self, reading: GroupReading, epochs: int) -> GapFinding:
        """Return what the networks of one length show, of all seeds that have them all."""
        numbers = {
            plain_config(setting.config): n for n, setting in enumerate(reading.group.settings)
        }
        diverged: list[str] = []
        games: dict[EngineName, dict[int, dict[int, float]]] = {e: {} for e in self.engines}
        for mask, config in self.configs(epochs).items():
            for row in reading.rows_of(numbers[config]) if config in numbers else []:
                for engine in self.engines:
                    value = row.test_accuracy.get(engine)
                    if value is None and _has_diverged(row, engine):
                        value = 1 / self.one.manifest.dataset.classes
                        diverged.append(row.trial.name)
                    if value is not None:
                        games[engine].setdefault(row.trial.seed, {})[mask] = value
        found = {name: attribute(game, len(self.differences)) for name, game in games.items()}
        return GapFinding(epochs, found, tuple(dict.fromkeys(diverged)))

    def known_gap(self, engine: EngineName) -> float | None:
        """Return B's test accuracy minus A's as the runs themselves have it; None if unknown."""
        one, other = self.one.accuracy.get(engine), self.other.accuracy.get(engine)
        return None if one is None or other is None else other - one

    def is_enough(self, finding: GapFinding) -> bool:
        """Whether a short round answers for the runs: it is clear, and its gap is like theirs."""
        return finding.is_clear and all(
            gap is None or _is_like(found.gap.mean, gap)
            for engine, found in finding.attributions.items()
            for gap in [self.known_gap(engine)]
        )

    def _lengths(self) -> tuple[int, ...]:
        return tuple({*self.rounds, *_rounds(self.whole_epochs)})


def _rounds(epochs: int) -> tuple[int, ...]:
    short = max(FEWEST_EPOCHS, ceil(epochs / SHORT_PART))
    return (short, epochs) if 2 * short <= epochs else (epochs,)


def _is_like(measured: float, known: float) -> bool:
    same_side = measured * known > 0
    return same_side and 1 / MOST_CHANGED <= abs(measured / known) <= MOST_CHANGED


def _scaled(found: SettingDifference, one: RunConfig, other: RunConfig) -> SettingDifference:
    """Return a difference in epochs at another length."""
    if found.setting != "epochs":
        return found
    return SettingDifference({"epochs": one.epochs}, {"epochs": other.epochs})


def _readable_data(one: Side, other: Side) -> str:
    """Return the place of the data, as A knows it, or else B.

    Raises:
        DataError: they are at neither.
    """
    with suppress(DataError):
        check_source(one.config.data)
        return one.config.data
    check_source(other.config.data)
    return other.config.data


def _fits(found: Group, asked: Group) -> bool:
    """Whether a sweep is of the same experiment, perhaps of other lengths and seeds."""
    free = {*asked.varied, *NOT_COMPARED}

    def fixed(config: RunConfig) -> dict[str, Any]:
        return {name: value for name, value in config.to_dict().items() if name not in free}

    expected = fixed(asked.settings[0].config)
    return found.varied == asked.varied and all(fixed(s.config) == expected for s in found.settings)


def _has_diverged(row: TrialRow, engine: EngineName) -> bool:
    """Whether an engine has no accuracy because its numbers were no longer finite."""
    if row.state != "failed":
        return False
    try:
        result = read_result(row.path / RESULT_NAME) or {}
        end = take_object(take_object(result, "engines"), engine)
        return take_text(end, "ended") == "diverged"
    except (InputError, ValueError):
        return False
