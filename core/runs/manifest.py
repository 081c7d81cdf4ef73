"""The content of a run's `config.json`: the settings, the data set, the versions."""

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from mlpwatch.core.config import IN_PLACE, RunConfig
from mlpwatch.core.data.source import MAX_CLASSES
from mlpwatch.core.errors import ConfigError, RunError
from mlpwatch.core.files.durable import OpenFolder, replace_durably
from mlpwatch.core.files.strict_json import (
    JsonError,
    read_object,
    take_object,
    take_text,
    take_whole,
    to_json,
)
from mlpwatch.core.limits import MAX_EPOCHS
from mlpwatch.core.runs.layout import MANIFEST_NAME, MAX_STEPS, PLAN_NAME
from mlpwatch.core.text import printable

MANIFEST_FORMAT = 1
"""Increase it when an older mlpwatch would misread a new run folder."""

MAX_SIDE = 16_384
"""Most pixels of an image's height or width; a file with more is damaged."""

MAX_LAYERS = 1_000
"""Most hidden layers; a file with more is damaged."""

MOST_RANKS = 65_536
"""Most processes that train one run."""

_PACKAGES = ("mlpwatch", "numpy", "torch", "scikit-learn")

_FIELDS = {
    "format", "config", "dataset", "versions", "created", "parent", "group", "id", "ranks",
    *IN_PLACE,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """The data that a run was trained on; a resume checks that they are the same."""

    name: str
    sha256: str
    """Hash of the raw content, see `Dataset.sha256`."""
    image_shape: tuple[int, int]
    """Height and width."""
    classes: int
    names: str = ""
    """One character per class, if they are not 0-9, A-Z."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build a `DatasetInfo` from its `asdict`, read from JSON.

        Raises:
            JsonError: a field is missing or of the wrong kind.
        """
        shape = values.get("image_shape")
        if not isinstance(shape, list) or len(shape) != 2:  # noqa: PLR2004 - height and width
            raise JsonError(f"image_shape {shape!r:.40}: expected a list of height and width")
        height, width = (_from_one({"image_shape": s}, "image_shape", MAX_SIDE) for s in shape)
        name, sha256 = take_text(values, "name"), take_text(values, "sha256")
        classes, names = _from_one(values, "classes", MAX_CLASSES), values.get("names", "")
        if not isinstance(names, str) or len(names) not in (0, classes) or not names.isprintable():
            raise JsonError(f"names {names!r:.40}: expected one character for each class")
        return cls(name, sha256, (height, width), classes, names)


@dataclass(frozen=True, slots=True)
class ParentEpoch:
    """Where a branch begins: at the end of an epoch of another run."""

    run: str
    """Name of the parent."""
    epoch: int
    step: int
    """Of the parent."""
    id: str = ""
    """Of the parent, see `RunManifest.id`; empty if it has none."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build it from its `asdict`, read from JSON.

        Raises:
            JsonError: a field is missing or of the wrong kind.
        """
        return cls(
            take_text(values, "run"),
            take_whole(values, "epoch", most=MAX_EPOCHS),
            take_whole(values, "step", most=MAX_STEPS),
            take_text({"id": "", **values}, "id"),
        )


@dataclass(frozen=True, slots=True)
class RunManifest:
    """The facts about a run that are known before it begins."""

    config: RunConfig
    dataset: DatasetInfo
    created: datetime
    """Time of creation in UTC."""
    versions: dict[str, str]
    """Versions of mlpwatch, Python and the libraries that compute."""
    parent: ParentEpoch | None = None
    """Where a branch begins; None for other runs."""
    group: str | None = None
    """Name of the sweep that the run is a trial of; None for other runs."""
    id: str = ""
    """Random, so that a branch finds a parent that was renamed; empty in runs of older versions."""
    ranks: int = 1
    """Number of processes that began to train it; a resume may have another."""

    def write(self, folder: Path) -> None:
        """Write `config.json` into a run folder.

        Raises:
            OSError: for example a full disk; nothing was written.
        """
        config = self.config.to_dict()
        networks = {name: config.pop(name) for name in IN_PLACE if name in config}
        values = {
            "format": MANIFEST_FORMAT,
            "config": config,
            **networks,
            "dataset": asdict(self.dataset),
            "versions": self.versions,
            "created": self.created.isoformat(),
        }
        if self.id:
            values["id"] = self.id
        if self.parent is not None:
            known = asdict(self.parent).items()
            values["parent"] = {name: value for name, value in known if value != ""}
        if self.group is not None:
            values["group"] = self.group
        if self.ranks > 1:
            values["ranks"] = self.ranks
        replace_durably(folder / MANIFEST_NAME, (to_json(values, indent=2) + "\n").encode())

    def planned(self, epochs: int, data: str) -> Self:
        """Return a copy with another number of epochs and another place of the data.

        Raises:
            ConfigError: the number of epochs is out of range.
        """
        return replace(self, config=replace(self.config, epochs=epochs, data=data))

    def write_plan(self, path: Path, folder: OpenFolder | None) -> None:
        """Write `plan.json`, which `read_manifest` reads together with `config.json`.

        Args:
            path: of the run's folder.
            folder: the open folder, if the run is locked.

        Raises:
            OSError: for example a full disk; the old plan stays.
        """
        values = {"epochs": self.config.epochs, "data": self.config.data}
        replace_durably(path / PLAN_NAME, (to_json(values) + "\n").encode(), folder=folder)


def read_manifest(folder: Path) -> RunManifest:
    """Read `config.json` of a run folder, with the changes in `plan.json`.

    Raises:
        RunError: missing, damaged or written by a newer mlpwatch.
    """
    path = folder / MANIFEST_NAME
    try:
        manifest = _parse(read_object(path))
        path = folder / PLAN_NAME
        return _with_plan(manifest, path)
    except FileNotFoundError:
        fault = "missing, so this is not a run folder; see mlpwatch runs"
    except OSError as error:
        fault = f"{error.strerror}; make it readable or start a new run"
    except (ValueError, TypeError, OverflowError, ConfigError) as error:
        fault = f"{printable(error):.300}; restore it or start a new run"
    raise RunError(f"{printable(path)}: {fault}")


def installed_versions() -> dict[str, str]:
    """Return the versions of mlpwatch, Python and the libraries that compute; imports none."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            # For example mlpwatch itself, run from a checkout.
            versions[package] = "not installed"
    return versions


def _with_plan(manifest: RunManifest, path: Path) -> RunManifest:
    try:
        plan = read_object(path)
    except FileNotFoundError:
        return manifest
    return manifest.planned(take_whole(plan, "epochs", most=MAX_EPOCHS), take_text(plan, "data"))


def _from_one(values: Mapping[str, Any], key: str, most: int) -> int:
    number = take_whole(values, key, most=most)
    if number < 1:
        raise JsonError(f"{key} 0: expected a whole number from 1 to {most:,}")
    return number


def _parse(values: dict[str, Any]) -> RunManifest:
    if (version := take_whole(values, "format")) > MANIFEST_FORMAT:
        raise JsonError(f"format {version}, newer than {MANIFEST_FORMAT}: update mlpwatch")
    if unknown := sorted(set(values) - _FIELDS):
        raise JsonError(f"unknown field {unknown[0]!r:.40}: perhaps of a newer mlpwatch")
    networks = {name: take_object(values, name) for name in IN_PLACE if name in values}
    config = take_object(values, "config") | networks
    hidden = config.get("hidden")
    if isinstance(hidden, list) and len(hidden) > MAX_LAYERS:
        raise JsonError(f"hidden: {len(hidden):,} layers, expected at most {MAX_LAYERS:,}")
    take_text({"data": "auto", **config}, "data")
    versions = take_object(values, "versions")
    created = datetime.fromisoformat(take_text(values, "created"))
    if created.tzinfo is None:
        raise JsonError(f"created {values['created']!r:.40}: expected a time zone")
    return RunManifest(
        RunConfig.from_dict(config),
        DatasetInfo.from_dict(take_object(values, "dataset")),
        created.astimezone(UTC),
        {name: take_text(versions, name) for name in versions},
        ParentEpoch.from_dict(take_object(values, "parent")) if "parent" in values else None,
        take_text(values, "group") if "group" in values else None,
        take_text({"id": "", **values}, "id"),
        _from_one({"ranks": 1, **values}, "ranks", MOST_RANKS),
    )
