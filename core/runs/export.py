"""The metrics of saved runs as CSV or JSON, for a spreadsheet or a notebook."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from itertools import count
from math import isfinite, nan
from pathlib import Path
from typing import Any, Literal

from mlpwatch.core.config import ENGINE_NAMES, EngineName, RunConfig
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.errors import RunError
from mlpwatch.core.events import EpochDone
from mlpwatch.core.files.new_files import create
from mlpwatch.core.files.strict_json import to_json
from mlpwatch.core.runs.manifest import read_manifest
from mlpwatch.core.runs.metrics import LAYER_NUMBERS, NUMBERS, layers_text
from mlpwatch.core.runs.replay import RunTail, recorded_end
from mlpwatch.core.runs.run import Run
from mlpwatch.core.text import printable

ExportKind = Literal["csv", "json"]

_MAX_STEM = 100
"""Most characters of a file's name before its number and ending."""


def export_runs(runs: Sequence[Path], folder: Path, kind: ExportKind) -> Path:
    """Write one file with an entry per run, engine and epoch; no file is ever overwritten.

    Args:
        runs: the run folders.
        folder: for the file, which is named after the run or, for several, after their number.
        kind: `csv`: one row per engine and epoch, with the test accuracy of the engine, the
            settings of the run, and the numbers of each layer; an unknown or non-finite number is
            empty. `json`: one object per run with its settings, result, test accuracies and
            metrics; such a number is null.

    Returns:
        The path of the file.

    Raises:
        RunError: a run can't be read, or the file can't be written; no file is left.
    """
    if kind == "csv":
        text = runs_as_csv(runs)
    else:
        text = to_json([run_as_json(run) for run in runs], indent=2) + "\n"
    stem = safe_stem(runs[0].name) if len(runs) == 1 else f"{len(runs)}-runs"
    return write_numbered(folder, stem, kind, text.encode())


def write_numbered(folder: Path, stem: str, ending: str, data: bytes | Mapping[str, bytes]) -> Path:
    """Write a new file under the first free name, `one.csv`, `one-2.csv`, ...; return its path.

    Args:
        folder: for it.
        stem: of its name.
        ending: of its name.
        data: its content; of a folder, that of its files by their paths in it.

    Raises:
        RunError: it can't be written; no file is left.
    """
    for number in count(1):
        path = folder / f"{stem}{f'-{number}' if number > 1 else ''}.{ending}"
        try:
            create(path, data)
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(
                f"{printable(path)}: not written, {error.strerror}; start mlpwatch in another "
                "folder or free some space"
            ) from None
        return path
    raise AssertionError


def runs_as_csv(runs: Sequence[Path]) -> str:
    """Return a table with a row per run, engine and epoch; see `export_runs`.

    Raises:
        RunError: a run can't be read.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    settings = [one.name for one in fields(RunConfig)]
    opened = [Run(folder, read_manifest(folder)) for folder in runs]
    metrics = [run.read_metrics() for run in opened]
    depth = max((len(one.layers) for records in metrics for one in records), default=0)
    layers = [f"layer_{k}_{name}" for k in range(depth) for name in LAYER_NUMBERS]
    configs = [f"config_{name}" for name in settings]
    writer.writerow(("run", *NUMBERS, "test_accuracy", *configs, *layers))
    for run, records in zip(opened, metrics, strict=True):
        scores = _test_accuracies(run)
        for record in records:
            configured = [getattr(run.config.of(record.engine), name) for name in settings]
            numbers = [getattr(record, name) for name in NUMBERS]
            own = [getattr(layer, name) for layer in record.layers for name in LAYER_NUMBERS]
            own += [None] * (len(layers) - len(own))
            row = [run.name, *numbers, scores[record.engine], *configured, *own]
            writer.writerow(map(_cell, row))
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return ""
    return printable(value) if isinstance(value, str) else value


def run_as_json(folder: Path, *, matrices: bool = False) -> dict[str, Any]:
    """Return settings, result, test accuracies and epochs of a run as JSON values.

    Args:
        folder: of the run.
        matrices: whether each epoch has its confusion matrix: a list of rows, true class down,
            predicted class across.

    Raises:
        RunError: the run can't be read.
    """
    run = Run(folder, read_manifest(folder))
    records = _records_with_matrices(run) if matrices else run.read_metrics()
    return {
        "run": printable(run.name),
        "created": run.created.isoformat(),
        "dataset": asdict(run.dataset),
        "config": run.config.to_dict(),
        "versions": run.manifest.versions,
        "result": run.read_result(),
        "test_accuracy": _test_accuracies(run),
        "metrics": [_numbers(one) for one in records],
    }


def _numbers(record: EpochRecord) -> dict[str, Any]:
    numbers: dict[str, Any] = {name: getattr(record, name) for name in NUMBERS}
    if record.confusion is not None:
        numbers["confusion"] = record.confusion.tolist()
    return numbers | ({"layers": layers_text(record.layers)} if record.layers else {})


def _records_with_matrices(run: Run) -> list[EpochRecord]:
    events = RunTail(run).read() or []
    return [event.record for event in events if isinstance(event, EpochDone)]


def _test_accuracies(run: Run) -> dict[EngineName, float]:
    ends = {name: recorded_end(run, name) for name in ENGINE_NAMES}
    return {name: end.test_accuracy if end else nan for name, end in ends.items()}


def safe_stem(name: str) -> str:
    """Return a file name that is safe in shells, spreadsheets and file systems."""
    return re.sub(r"[^\w.-]", "_", printable(name)).lstrip(".-")[:_MAX_STEM] or "run"
