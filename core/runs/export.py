"""Writes the metrics of saved runs as CSV or JSON, for a spreadsheet or a notebook."""

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal

from mlpwatch.core.config import RunConfig
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.errors import RunError
from mlpwatch.core.files.strict_json import to_json
from mlpwatch.core.runs.layout import METRICS_NAME, RESULT_NAME
from mlpwatch.core.runs.listing import read_result, summarize_run
from mlpwatch.core.runs.manifest import read_manifest
from mlpwatch.core.runs.metrics import NUMBERS, MetricsLog
from mlpwatch.core.text import printable

ExportKind = Literal["csv", "json"]

_SETTINGS = tuple(field.name for field in fields(RunConfig))

_MAX_STEM = 100
"""Characters of a file's name before its number and ending."""


def export_runs(runs: Sequence[Path], folder: Path, kind: ExportKind) -> Path:
    """Write one file with an entry per run, engine and epoch; no file is ever overwritten.

    Args:
        runs: the run folders.
        folder: receives the file, named after the run, or after their number.
        kind: `csv`: one row per engine and epoch, with the engine's test accuracy and the run's
            settings; a number that is not finite is left empty.
            `json`: one object per run with its settings, result and metrics; there it is null.

    Returns:
        The path of the file.

    Raises:
        RunError: a run can't be read, or the file can't be written; then there is none.
    """
    text = _csv(runs) if kind == "csv" else to_json([_object(run) for run in runs], indent=2) + "\n"
    stem = _safe_stem(runs[0].name) if len(runs) == 1 else f"{len(runs)}-runs"
    number = 1
    while True:
        path = folder / f"{stem}{f'-{number}' if number > 1 else ''}.{kind}"
        try:
            _write_new(path, text)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise RunError(
                f"{printable(path)}: not written, {error.strerror}; start mlpwatch in another "
                "folder or free some space"
            ) from None
        else:
            return path


def _csv(runs: Sequence[Path]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("run", *NUMBERS, "test_accuracy", *(f"config_{one}" for one in _SETTINGS)))
    for run in runs:
        config = read_manifest(run).config
        tested = {one.engine: one.test_accuracy for one in summarize_run(run).engines}
        settings = [getattr(config, name) for name in _SETTINGS]
        for line in _epochs(run):
            values = [getattr(line, name) for name in NUMBERS]
            row = [*values, tested.get(line.engine), *settings]
            writer.writerow((printable(run.name), *map(_cell, row)))
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return printable(value) if isinstance(value, str) else value


def _object(run: Path) -> dict[str, Any]:
    manifest = read_manifest(run)
    return {
        "run": printable(run.name),
        "created": manifest.created.isoformat(),
        "dataset": asdict(manifest.dataset),
        "config": manifest.config.to_dict(),
        "versions": manifest.versions,
        "result": read_result(run / RESULT_NAME),
        "metrics": [{name: getattr(line, name) for name in NUMBERS} for line in _epochs(run)],
    }


def _epochs(run: Path) -> tuple[EpochRecord, ...]:
    return MetricsLog(run / METRICS_NAME).read().lines


def _safe_stem(name: str) -> str:
    """Return a file name that no shell, spreadsheet or file system minds."""
    return re.sub(r"[^\w.-]", "_", printable(name)).lstrip(".-")[:_MAX_STEM] or "run"


def _write_new(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8", newline="") as file:
        try:
            file.write(text)
            file.flush()
        except OSError:
            path.unlink(missing_ok=True)
            raise
