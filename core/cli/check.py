"""`mlpwatch check` and `mlpwatch new`: check a user's own network, and write a template for one."""

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, get_args

from mlpwatch.core.cli.options import file_and_name, layer_widths
from mlpwatch.core.data.registry import SOURCES
from mlpwatch.core.errors import InputError
from mlpwatch.core.text import printable

if TYPE_CHECKING:
    from mlpwatch.core.checking.findings import Check, Report

CHECK_SECONDS = 10.0
"""Time limit of the user's code by default; a check of the bundled digits takes 0.3 s."""

MOST_SECONDS = 86_400.0
MOST_FILES = 2

WIDTH = 96
"""Columns of a wrapped line."""


def add_check_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mlpwatch check`."""
    from mlpwatch.core.specification import (  # noqa: PLC0415 - only for this command
        ActivationName,
        LossName,
        OptimizerName,
    )

    parser.add_argument(
        "files", nargs="+", metavar="FILE[:NAME]",
        help="a network file in NumPy or PyTorch, or one of each; NAME chooses one of its classes",
    )  # fmt: skip
    said = parser.add_argument_group("what the network is (the file's own words by default)")
    said.add_argument("--hidden", type=layer_widths, metavar="128,64", help="layer widths")
    for name, kind in (
        ("activation", ActivationName), ("loss", LossName), ("optimizer", OptimizerName),
    ):  # fmt: skip
        said.add_argument(f"--{name}", choices=get_args(kind), metavar="|".join(get_args(kind)))
    parser.add_argument(
        "--data", default="digits", metavar="|".join((*SOURCES, "PATH")),
        help="the images (default: the bundled digits)",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=_seconds, default=CHECK_SECONDS, metavar="S",
        help=f"seconds that the file's code may take (default: {CHECK_SECONDS:g})",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def add_new_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mlpwatch new`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the file to write")
    parser.add_argument(
        "--layout", choices=("rows", "columns"), default="rows",
        help="images as rows (batch, features), or as columns",
    )  # fmt: skip
    parser.add_argument("--torch", action="store_true", help="a PyTorch module")


def check(options: argparse.Namespace) -> int:
    """Run `mlpwatch check` and return its exit status: 0 if passed, else 1.

    Raises:
        InputError: a file or an option that can't be used.
    """
    if len(options.files) > MOST_FILES:
        raise InputError(f"{len(options.files)} files: expected one or two network files")
    # Imported here: NumPy takes 0.1 s, which other commands do not need.
    from mlpwatch.core.checking.pairs import check_files  # noqa: PLC0415

    overrides = {
        name: value
        for name in ("hidden", "activation", "loss", "optimizer")
        if (value := getattr(options, name)) is not None
    }
    files = [file_and_name(text) for text in options.files]
    reports, comparison = check_files(files, overrides, options.data, options.timeout)
    passed = all(report.passed for report in reports)
    if options.json:
        result = {"passed": passed, "networks": [report.to_dict() for report in reports]}
        if comparison:
            result["comparison"] = comparison
        print(json.dumps(_finite(result), ensure_ascii=False))  # noqa: T201
    else:
        print("\n".join(report_text(report) for report in reports), end="")  # noqa: T201
        if comparison:
            print("\n" + "\n".join(comparison))  # noqa: T201
    return 0 if passed else 1


def new(options: argparse.Namespace) -> int:
    """Run `mlpwatch new` and return its exit status.

    Raises:
        InputError: the file exists already, or can't be written.
    """
    from mlpwatch.core.checking.starter import write_starter  # noqa: PLC0415

    write_starter(options.file, options.layout, torch=options.torch)
    print(f"{options.file}: written; mlpwatch check {options.file} says what is missing")  # noqa: T201
    return 0


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected seconds above 0 and up to {MOST_SECONDS:g}, like 10"
        )
    return value


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return JSON values with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value


def report_text(report: "Report") -> str:
    """Return a report as lines of text."""
    name = f"{printable(report.file)}:{printable(report.name)}" if report.name else report.file
    head = "passed" if report.passed else "failed"
    lines = [f"{name}: {head}", ""]
    width = max((len(check.name) for check in report.checks), default=0)
    lines += [f"  {_check_line(check, width)}" for check in report.checks]
    if report.checks:
        lines.append("")
    for number, finding in enumerate(report.findings, 1):
        factor = "" if finding.factor is None else f", factor {finding.factor:.6g}"
        lines.append(f"  {number}. {finding.code}  ({', '.join(finding.tensors)}{factor})")
        lines += [f"     {line}" for line in wrap(printable(finding.text), WIDTH - 5)]
    for note in report.notes:
        lines += [f"  note: {line}" if i == 0 else f"        {line}"
                  for i, line in enumerate(wrap(printable(note), WIDTH - 8))]  # fmt: skip
    if report.passed:
        lines.append("  every number is the reference's, to rounding")
    return "\n".join(lines).rstrip() + "\n"


def _check_line(check: "Check", width: int) -> str:
    mark = "ok  " if check.passed else "FAIL"
    if check.largest_difference is None:
        return f"{mark} {check.name}"
    line = f"{mark} {check.name:<{width}}  differs by {check.largest_difference:8.2g}"
    return line if check.rounding is None else f"{line}  (rounding {check.rounding:7.1g})"
