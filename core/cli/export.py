"""`mlpwatch export`: a run or a sweep as a file for other programs, or for people."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, get_args

from mlpwatch.core.cli.options import options_for, shown_setting
from mlpwatch.core.config import EngineName
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
        "--engine", choices=get_args(EngineName), metavar="|".join(get_args(EngineName)),
        help="with onnx: whose model (default: numpy, if it trains)",
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
    source = replace(export_source(folder, is_group=is_group(folder)), engine=options.engine)
    if options.engine is not None and not FORMATS[options.to].has_engine:
        raise InputError(f"--engine {options.engine}: {options.to} has both models; leave it out")
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


def export_source(folder: Path, *, is_group: bool) -> ExportSource:
    """Return what is exported of the folder of a run or a sweep."""
    makes = _sweep_again if is_group else _run_again
    return ExportSource(folder, is_group, partial(makes, folder))


def _run_again(folder: Path) -> str:
    """Return the command that makes a run again, or the branch that it is."""
    from mlpwatch.core.runs.manifest import read_manifest  # noqa: PLC0415

    manifest = read_manifest(folder)
    words = options_for(manifest.config)
    if (parent := manifest.parent) is not None:
        return shlex.join(["mlpwatch", "branch", parent.run, "--at", str(parent.epoch), *words])
    ranks = ["--ranks", str(manifest.ranks)] if manifest.ranks > 1 else []
    return shlex.join(["mlpwatch", "train", *words, *ranks])


def _sweep_again(folder: Path) -> str:
    """Return the command that makes a sweep again; empty for one that several commands made."""
    from mlpwatch.core.sweeps.group import read_group  # noqa: PLC0415

    group = read_group(folder)
    first = group.settings[0]
    values = {name: list[Any]() for name in group.varied}
    for setting in group.settings:
        for name, value in setting.varied.items():
            values[name] += [value] if value not in values[name] else []
    rest = {replace(one.config, **dict(first.varied)) for one in group.settings}
    is_grid = len(group.settings) == prod(map(len, values.values()))
    start = group.seeds[0]
    if not is_grid or len(rest) > 1 or group.seeds != tuple(range(start, start + len(group.seeds))):
        return ""
    words = ["mlpwatch", "sweep"]
    # The first values are those of options_for, where they are not left out as usual ones.
    words += options_for(replace(first.config, seed=start))
    for name, several in values.items():
        mark = ";" if name == "hidden" else ","
        text = mark.join(map(shown_setting, several))
        given = [f"{_flag(name)}={text}"] if text.startswith("-") else [_flag(name), text]
        words = [*_without(words, name), *given]
    return shlex.join([*words, "--seeds", str(len(group.seeds))])


def _without(words: Sequence[str], name: str) -> list[str]:
    """Return a command line without an option and its value."""
    flag = _flag(name)
    kept = [word for word in words if not word.startswith(f"{flag}=")]
    if flag in kept:
        at = kept.index(flag)
        del kept[at : at + 2]
    return kept


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _given(text: str | None) -> Path | None:
    if text == "":
        raise InputError("-o '': expected a path")
    return None if text is None else Path(text)


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:
        raise RunError("the current folder is gone: start mlpwatch in another one") from None
