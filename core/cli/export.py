"""`mlpwatch export`: a run or a sweep as a file for other programs, or for people."""

import argparse
import sys
from pathlib import Path

from mlpwatch.core.errors import InputError, RunError
from mlpwatch.core.report.formats import FORMATS, ExportSource, export_bytes, export_file
from mlpwatch.core.text import printable

STDOUT = "-"


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mlpwatch export`, but for the folder of the runs."""
    parser.add_argument(
        "run", metavar="RUN|GROUP",
        help="name of a run, a sweep, or GROUP/TRIAL; or the path of its folder",
    )  # fmt: skip
    parser.add_argument(
        "--to", required=True, choices=tuple(FORMATS), metavar="|".join(FORMATS),
        help="; ".join(f"{name}: {one.summary}" for name, one in FORMATS.items()),
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", metavar="PATH",
        help="the new file, or a folder for it (default: here, named after the run); - for the "
        "standard output. No file is ever overwritten",
    )  # fmt: skip


def run_export(options: argparse.Namespace) -> int:
    """Run `mlpwatch export` and return its exit status.

    Raises:
        InputError: the file is there already, or an optional package is missing.
        RunError: no such run or sweep, it can't be read, or the file can't be written.
    """
    from mlpwatch.core.runs.listing import find_folder, is_group  # noqa: PLC0415

    folder = find_folder(Path(options.saved), options.run)
    source = ExportSource(folder, is_group(folder))
    if options.output == STDOUT:
        if sys.stdout.isatty() and not FORMATS[options.to].is_text:
            raise InputError(f"-o -: {options.to} is no text; give a file, or a pipe to a program")
        data = export_bytes(source, options.to)
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return 0
    path = export_file(source, options.to, _given(options.output), _here())
    print(f"wrote {printable(path)}", flush=True)  # noqa: T201
    return 0


def _given(text: str | None) -> Path | None:
    if text == "":
        raise InputError("-o '': expected a path")
    return None if text is None else Path(text)


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:
        raise RunError("the current folder is gone: start mlpwatch in another one") from None
