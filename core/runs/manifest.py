"""What `config.json` of a run folder holds: the settings, the data set, the versions."""

import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import ConfigError, RunError
from mlpwatch.core.files.durable import replace_durably
from mlpwatch.core.files.strict_json import (
    JsonError,
    read_object,
    take_object,
    take_text,
    take_whole,
    to_json,
)
from mlpwatch.core.runs.layout import MANIFEST_NAME
from mlpwatch.core.text import printable

MANIFEST_FORMAT = 1
"""Raise it when an older mlpwatch would misread a new run folder."""

_PACKAGES = ("mlpwatch", "numpy", "torch", "scikit-learn")

_FIELDS = {"format", "config", "dataset", "versions", "created"}


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """Which data a run was trained on, so that resuming can check that they are the same."""

    name: str
    sha256: str
    """Of the raw content, as `Dataset.sha256`."""
    image_shape: tuple[int, ...]
    classes: int

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build one from its `asdict` as JSON gives it back.

        Raises:
            JsonError: a field is missing or of the wrong kind.
        """
        shape = values.get("image_shape")
        if not isinstance(shape, list):
            raise JsonError(f"image_shape {shape!r:.40}: expected a list of whole numbers")
        sides = tuple(take_whole({"image_shape": side}, "image_shape") for side in shape)
        name, sha256 = take_text(values, "name"), take_text(values, "sha256")
        return cls(name, sha256, sides, take_whole(values, "classes"))


@dataclass(frozen=True, slots=True)
class RunManifest:
    """What is known of a run before it begins."""

    config: RunConfig
    dataset: DatasetInfo
    created: datetime
    """In UTC."""
    versions: dict[str, str]
    """Of mlpwatch, Python and the libraries that compute."""

    def write(self, folder: Path) -> None:
        """Write `config.json` into a run folder.

        Raises:
            OSError: for example a full disk; nothing was written.
        """
        values = {
            "format": MANIFEST_FORMAT,
            "config": self.config.to_dict(),
            "dataset": asdict(self.dataset),
            "versions": self.versions,
            "created": self.created.isoformat(),
        }
        replace_durably(folder / MANIFEST_NAME, (to_json(values, indent=2) + "\n").encode())


def read_manifest(folder: Path) -> RunManifest:
    """Read `config.json` of a run folder.

    Raises:
        RunError: missing, damaged or written by a newer mlpwatch.
    """
    path = folder / MANIFEST_NAME
    try:
        return _parse(read_object(path))
    except FileNotFoundError:
        fault = "missing, so this is not a run folder; see mlpwatch runs"
    except OSError as error:
        fault = f"{error.strerror}; make it readable or start a new run"
    except (ValueError, TypeError, OverflowError, ConfigError) as error:
        fault = f"{printable(error):.300}; restore it or start a new run"
    raise RunError(f"{printable(path)}: {fault}")


def installed_versions() -> dict[str, str]:
    """Return the versions of mlpwatch, Python and the libraries that compute, importing none."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            # mlpwatch itself, run from a checkout.
            versions[package] = "not installed"
    return versions


def _parse(values: dict[str, Any]) -> RunManifest:
    if (version := take_whole(values, "format")) > MANIFEST_FORMAT:
        raise JsonError(f"format {version}, newer than {MANIFEST_FORMAT}: update mlpwatch")
    if unknown := sorted(set(values) - _FIELDS):
        raise JsonError(f"unknown field {unknown[0]!r:.40}: perhaps of a newer mlpwatch")
    config = take_object(values, "config")
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
    )
