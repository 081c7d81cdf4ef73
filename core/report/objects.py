"""A run, or a sweep, as one JSON object."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlpwatch.core.files.strict_json import to_json
from mlpwatch.core.runs.export import run_as_json
from mlpwatch.core.runs.listing import run_folders
from mlpwatch.core.sweeps.reading import GroupReader


def run_json(folder: Path) -> str:
    """Return a run as JSON text: one object, an epoch a line; unknown numbers are null.

    Raises:
        RunError: the run can't be read.
    """
    return _text(run_as_json(folder, matrices=True))


def group_json(folder: Path) -> str:
    """Return a sweep as JSON text: what `sweep --json` prints, and each run as in `run_json`.

    Raises:
        RunError: the sweep or one of its runs can't be read.
    """
    found = GroupReader(folder).read().to_dict()
    runs = [run_as_json(path, matrices=True) for path in sorted(run_folders(folder))]
    return _text(found | {"runs": runs})


def _text(values: Mapping[str, Any]) -> str:
    return "{\n" + ",\n".join(_members(values)) + "\n}\n"


def _members(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield `"name": value`; a list of objects gets a line for each."""
    for name, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines = ",\n  ".join(map(to_json, value))
            yield f"{to_json(name)}: [\n  {lines}\n]"
        else:
            yield f"{to_json(name)}: {to_json(value)}"
