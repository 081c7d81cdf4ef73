"""Writes runs as files for the list, the comparison and the palette: tables, reports, models."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from textual.app import App

from mlpwatch.core.errors import InputError, RunError
from mlpwatch.core.report.formats import FORMATS
from mlpwatch.core.runs.export import ExportKind, export_runs
from mlpwatch.core.text import excerpt, printable
from mlpwatch.tui import formatting
from mlpwatch.tui.kit.dialogs import LineEntry

USUAL = "html"
"""The format that is offered first."""


class SaysLine(Protocol):
    """Shows a line on the screen."""

    def __call__(self, text: str, *, bad: bool = False) -> None:
        """Show a text; `bad`: it is a fault."""


async def write_metrics(folders: Sequence[Path], kind: ExportKind) -> str:
    """Write one file in a thread, and return its path.

    Raises:
        RunError: a run can't be read, or the file can't be written; then no file is left.
    """
    path = await asyncio.to_thread(export_runs, folders, _here(), kind)
    one = printable(folders[0].name)
    what = one if len(folders) == 1 else formatting.count(len(folders), "run")
    return f"wrote the metrics of {what} to {printable(path)}"


async def export_as(app: App[int], folder: Path, say: SaysLine) -> None:
    """Ask for a format, and write a run in it to the current folder.

    Args:
        app: shows the dialog.
        folder: of the run.
        say: shows progress, the path of the file, or why there is none.
    """
    name = printable(folder.resolve().name)
    width = max(map(len, FORMATS))
    kind = await app.push_screen_wait(
        LineEntry(
            f"Export {name} as",
            USUAL,
            checked_format,
            yes="writes it",
            no="writes nothing",
            facts=[f"{each:<{width}}  {one.summary}" for each, one in FORMATS.items()],
            effect=lambda text: f"a new file in {printable(Path.cwd())}" if text else "",
        )
    )
    if kind is None:
        return
    say(f"writing {kind} of {name} …")
    try:
        say(await exported(folder, checked_format(kind)))
    except (InputError, OSError) as error:
        say(str(error), bad=True)


def checked_format(text: str) -> str:
    """Return the name of a format.

    Raises:
        InputError: there is no such format.
    """
    if (kind := text.strip().lower()) not in FORMATS:
        raise InputError(f"{text!r}: expected one of {', '.join(FORMATS)}")
    return kind


async def exported(folder: Path, kind: str) -> str:
    """Write a run in a process of its own, and return what it says.

    A figure takes two seconds of processor: in this process training would wait for it.

    Raises:
        RunError: it can't be written; the message is that of `mlpwatch export`.
        OSError: no process can be started.
    """
    words = ["-m", "mlpwatch", "export", str(folder.resolve()), "--to", kind]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=_here(), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    out, error = await process.communicate()
    if process.returncode:
        said = error.decode(errors="replace").strip().removeprefix("mlpwatch: ")
        raise RunError(excerpt(said, 500) or f"mlpwatch export ended with {process.returncode}")
    return excerpt(out.decode(errors="replace"), 500)


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:
        raise RunError("the current folder is gone: start mlpwatch in another one") from None
