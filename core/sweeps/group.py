"""A sweep's folder and its file: the settings, the seeds, and the trials that both make."""

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import ConfigError, InputError, RunError
from mlpwatch.core.files.durable import open_regular, replace_durably
from mlpwatch.core.files.scratch import make_folder
from mlpwatch.core.files.strict_json import (
    JsonError,
    read_object,
    take_object,
    take_text,
    take_whole,
    to_json,
)
from mlpwatch.core.runs.layout import (
    GROUP_LOCK_NAME,
    GROUP_NAME,
    MAX_NAME_LENGTH,
    check_run_name,
)
from mlpwatch.core.text import printable

GROUP_FORMAT = 1
"""Increase it when an older mlpwatch would misread a new sweep."""

MOST_TRIALS = 10_000
"""Of one sweep: each is a folder, and the table of settings is read by a person."""

NOT_COMPARED = ("seed", "threads", "history")
"""Settings that may differ when a sweep is continued: they do not change what a trial learns, or
each trial has its own."""


@dataclass(frozen=True, slots=True)
class SweepSetting:
    """One cell of the grid."""

    varied: Mapping[str, Any]
    """The settings that vary in the sweep, with their values here, as in `RunConfig`."""
    config: RunConfig
    """All settings; each trial has a seed of its own."""

    @property
    def label(self) -> str:
        """The varied settings in words, like `learning-rate 0.1 · hidden 64-32`; may be empty."""
        return " · ".join(f"{_words(name)} {value_text(v)}" for name, v in self.varied.items())


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of a sweep."""

    name: str
    """Of its folder in the sweep's folder."""
    setting: int
    """Index of its setting."""
    seed: int
    config: RunConfig
    """Of the run, with its seed."""


@dataclass(frozen=True, slots=True)
class Group:
    """A sweep: each setting is trained once with each seed."""

    settings: tuple[SweepSetting, ...]
    seeds: tuple[int, ...]
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    """Time of creation in UTC."""

    @property
    def varied(self) -> tuple[str, ...]:
        """Names of the settings that vary; empty if only the seed does."""
        return tuple(self.settings[0].varied)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All trials: every setting with the first seed, then with the second, and so on.

        In this order each setting has a first result early, and pairs are complete.
        """
        return tuple(
            Trial(_trial_name(setting, seed), number, seed, replace(setting.config, seed=seed))
            for seed in self.seeds
            for number, setting in enumerate(self.settings)
        )

    def write(self, folder: Path) -> None:
        """Write `group.json` into the sweep's folder, whole or not at all.

        Raises:
            OSError: for example a full disk; an older file stays.
        """
        values = {
            "format": GROUP_FORMAT,
            "created": self.created.isoformat(),
            "settings": [
                {"varied": list(one.varied), "config": _without_seed(one.config)}
                for one in self.settings
            ],
            "seeds": list(self.seeds),
        }
        replace_durably(folder / GROUP_NAME, (to_json(values, indent=2) + "\n").encode())

    def extended(self, other: "Group", name: str) -> "Group":
        """Return the sweep with the settings and seeds of another added.

        Args:
            other: what the command line asks for now.
            name: of the sweep, for messages.

        Raises:
            ConfigError: the other varies other settings, or a fixed one differs.
        """
        if other.varied != self.varied:
            raise ConfigError(
                f"--name {printable(name)}: that sweep varies {_listed(self.varied)}, this one "
                f"{_listed(other.varied)}; choose another --name, or leave the settings out to "
                "go on with it"
            )
        # What these choose, as a recipe the epochs, may differ between the settings.
        chooses = {"recipe", "optimizer", "data"} & set(self.varied)
        added: list[SweepSetting] = []
        for one in other.settings:
            known = next((s for s in self.settings if s.varied == one.varied), None)
            if known is not None or not chooses:
                _check_same(one, known or self.settings[0], name)
            if known is None:
                added.append(one)
        seeds = tuple(dict.fromkeys([*self.seeds, *other.seeds]))
        return checked_group(replace(self, settings=(*self.settings, *added), seeds=seeds))

    def grown(self, given: Mapping[str, Sequence[Any]], seeds: Sequence[int], name: str) -> "Group":
        """Return the sweep with further values of what varies, and further seeds.

        What is not given is as in the sweep: each new value is combined with all others' values.

        Args:
            given: values by the names of settings.
            seeds: which it may have already.
            name: of the sweep, for messages.

        Raises:
            ConfigError: a setting that does not vary differs, or a value is out of range.
        """
        fixed = given.keys() - set(self.varied) - set(NOT_COMPARED)
        for one, key in product(self.settings, sorted(fixed)):
            known = getattr(one.config, key)
            if other := [value for value in given[key] if value != known]:
                raise _other_value(key, other[0], known, name)
        varied = [key for key in self.varied if key in given]
        found = {tuple(map(to_json, one.varied.values())): one for one in self.settings}
        for one in self.settings:
            for values in product(*(given[key] for key in varied)):
                chosen = dict(zip(varied, values, strict=True))
                new = SweepSetting({**one.varied, **chosen}, replace(one.config, **chosen))
                found.setdefault(tuple(map(to_json, new.varied.values())), new)
        every = tuple(dict.fromkeys([*self.seeds, *seeds]))
        return checked_group(replace(self, settings=tuple(found.values()), seeds=every))


def checked_group(group: Group) -> Group:
    """Return a sweep unchanged.

    Raises:
        ConfigError: it has no trial, too many, or two of the same name.
    """
    count = len(group.settings) * len(group.seeds)
    if not 1 <= count <= MOST_TRIALS:
        raise ConfigError(
            f"{len(group.settings):,} settings x {len(group.seeds):,} seeds: expected 1 to "
            f"{MOST_TRIALS:,} trials"
        )
    if len({trial.name for trial in group.trials}) < count:
        raise ConfigError("a value is given twice: give each value and each seed once")
    return group


def read_group(folder: Path) -> Group:
    """Read `group.json` of a sweep's folder.

    Raises:
        RunError: missing, damaged or written by a newer mlpwatch.
    """
    path = folder / GROUP_NAME
    try:
        return _parse(read_object(path))
    except FileNotFoundError:
        fault = "missing, so this is not the folder of a sweep; see mlpwatch runs"
    except OSError as error:
        fault = f"{error.strerror}; make it readable"
    except (ValueError, TypeError, OverflowError, ConfigError) as error:
        fault = f"{printable(error):.300}; restore it, or start another sweep"
    raise RunError(f"{printable(path)}: {fault}")


def plan_group(saved: Path, name: str, asked: Group | None) -> tuple[Path, Group]:
    """Return a sweep's folder and what it holds with what is asked for; write nothing.

    Args:
        saved: the folder of all runs.
        name: of the sweep.
        asked: what the command line asks for; None for a sweep as it is.

    Raises:
        InputError: the name can't be used.
        ConfigError: the sweep of this name has other settings.
        RunError: the name is that of a run, or the folder can't be read.
    """
    check_run_name(name)
    path = saved / name
    if os.path.lexists(path):
        if not (path / GROUP_NAME).is_file():
            raise RunError(
                f"--name {printable(name)}: there is a run or a folder of this name in "
                f"{printable(saved)}; choose another"
            )
        found = read_group(path)
        return path, found if asked is None else found.extended(asked, name)
    if asked is None:
        raise InputError(f"--name {printable(name)}: no such sweep in {printable(saved)}")
    return path, asked


def store_group(path: Path, group: Group) -> None:
    """Make a sweep's folder, or write what is new into it.

    Raises:
        RunError: it can't be written.
    """
    try:
        if not os.path.lexists(path):
            make_folder(path, group.write)
        elif group != read_group(path):
            group.write(path)
    except OSError as error:
        raise RunError(
            f"{printable(path)}: can't be written, {error.strerror}; free some space or give "
            "another folder with --saved"
        ) from None


@contextmanager
def held_group(folder: Path) -> Iterator[None]:
    """Keep other processes from training a sweep's trials while the body runs.

    Raises:
        RunError: another process trains them, or the folder can't be written.
    """
    try:
        handle = open_regular(folder / GROUP_LOCK_NAME, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise RunError(f"{printable(folder)}: {error.strerror}; make it writable") from None
    try:
        with suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.pread(handle, 20, 0).decode(errors="replace").strip()
                raise RunError(
                    f"sweep {printable(folder.name)}: process {printable(pid)} trains it; wait "
                    "for it, or stop it first"
                ) from None
            os.truncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def is_held(folder: Path) -> bool:
    """Return whether a process trains the sweep's trials now."""
    try:
        handle = open_regular(folder / GROUP_LOCK_NAME)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def value_text(value: object) -> str:
    """Return a setting's value in words: `0.1`, `128-64`, `none`."""
    if isinstance(value, (list, tuple)):
        return "-".join(map(str, value)) or "none"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return "none" if value is None else printable(value)


def _words(name: str) -> str:
    return name.replace("_", "-")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(_words, names)) or "only the seed"


def _without_seed(config: RunConfig) -> dict[str, Any]:
    return {name: value for name, value in config.to_dict().items() if name != "seed"}


def _check_same(asked: SweepSetting, known: SweepSetting, name: str) -> None:
    """Raise ConfigError if a setting that does not vary differs."""
    own, expected = asked.config.to_dict(), known.config.to_dict()
    for key in own.keys() - set(NOT_COMPARED) - asked.varied.keys():
        if own[key] != expected.get(key):
            raise _other_value(key, own[key], expected.get(key), name)


def _other_value(key: str, value: object, known: object, name: str) -> ConfigError:
    return ConfigError(
        f"--{_words(key)} {value_text(value)}: sweep {printable(name)} has {value_text(known)}; "
        "choose another --name"
    )


def _trial_name(setting: SweepSetting, seed: int) -> str:
    """Return a folder's name that says what varies; a hash where that is long or has a path."""
    parts = [f"{_words(name)}={value_text(value)}" for name, value in setting.varied.items()]
    name = ",".join([*parts, f"seed={seed}"])
    if len(name) <= MAX_NAME_LENGTH and not {"/", "\\"} & set(name):
        return name
    digest = sha256(to_json(dict(setting.varied)).encode()).hexdigest()[:8]
    return f"setting={digest},seed={seed}"


def _parse(values: dict[str, Any]) -> Group:
    if (version := take_whole(values, "format")) > GROUP_FORMAT:
        raise JsonError(f"format {version}, newer than {GROUP_FORMAT}: update mlpwatch")
    created = datetime.fromisoformat(take_text(values, "created"))
    if created.tzinfo is None:
        raise JsonError(f"created {values['created']!r:.40}: expected a time zone")
    seeds = [take_whole({"seed": seed}, "seed") for seed in _take_list(values, "seeds")]
    settings = [_setting(one) for one in _take_list(values, "settings")]
    if any(one.varied.keys() != settings[0].varied.keys() for one in settings):
        raise JsonError("settings that vary in different things: expected the same in all")
    return checked_group(Group(tuple(settings), tuple(seeds), created.astimezone(UTC)))


def _setting(values: object) -> SweepSetting:
    if not isinstance(values, dict):
        raise JsonError(f"setting {values!r:.40}: expected an object")
    config = RunConfig.from_dict(take_object(values, "config"))
    names = [str(name) for name in _take_list(values, "varied")]
    if unknown := [name for name in names if name not in config.to_dict()]:
        raise JsonError(f"varied {unknown[0]!r:.40}: expected the name of a setting")
    return SweepSetting({name: getattr(config, name) for name in names}, config)


def _take_list(values: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = values.get(key)
    if not isinstance(value, list) or len(value) > MOST_TRIALS:
        raise JsonError(f"{key} {value!r:.40}: expected a list of at most {MOST_TRIALS:,}")
    return value
