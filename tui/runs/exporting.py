"""Writes the metrics of runs to the current folder, for the list and for the comparison."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from mlpwatch.core.errors import RunError
from mlpwatch.core.runs.export import ExportKind, export_runs
from mlpwatch.core.text import printable
from mlpwatch.tui import formatting


async def write_metrics(folders: Sequence[Path], kind: ExportKind) -> str:
    """Write one file in a thread, and return its path.

    Raises:
        RunError: a run can't be read, or the file can't be written; then no file is left.
    """
    try:
        here = Path.cwd()
    except OSError:
        raise RunError("the current folder is gone: start mlpwatch in another one") from None
    path = await asyncio.to_thread(export_runs, folders, here, kind)
    one = printable(folders[0].name)
    what = one if len(folders) == 1 else formatting.count(len(folders), "run")
    return f"wrote the metrics of {what} to {printable(path)}"
