"""Two checked networks held against each other: what differs in settings, what in mathematics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlpwatch.core.checking.findings import Finding, Report, factor_text
from mlpwatch.core.checking.inspection import Images, Inspected, inspect
from mlpwatch.core.data.dataset import load_dataset

SETTINGS = ("hidden", "activation", "loss", "optimizer", "pixels", "bias")

_NOT_SHOWN = ("name", "is_usual", "unlike")
"""Of an optimizer's description."""

NEAR_UNIFORM = 0.12
"""Relative distance of a measured spread from `nn.Linear`'s that counts as the same."""


def compare_pair(first: Inspected, second: Inspected) -> list[str]:
    """Return lines: the settings that differ, then whose mathematics differs from the reference's.

    Args:
        first: one network.
        second: the other.
    """
    if first.spec is None or second.spec is None:
        return ["one of the two could not be imported: nothing to compare"]
    lines = [
        f"setting {name}: {_shown(a)} in {_file(first.report)}, {_shown(b)} in "
        f"{_file(second.report)}"
        for name in SETTINGS
        if (a := getattr(first.spec, name)) != (b := getattr(second.spec, name))
    ]
    lines += _output_line(first, second) + _initialization(first) + _initialization(second)
    lines += _optimizer(first) + _optimizer(second)
    if not lines:
        lines = ["settings: no difference found"]
    for each in (first, second):
        lines.append(_mathematics(each.report))
    return lines


def _file(report: Report) -> str:
    return report.file.rsplit("/", 1)[-1]


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _output_line(first: Inspected, second: Inspected) -> list[str]:
    if first.spec is None or second.spec is None:
        return []
    a, b = first.spec.output_function, second.spec.output_function
    if a == b:
        return []
    return [f"setting output_activation: {a} in {_file(first.report)}, {b} in "
            f"{_file(second.report)}"]  # fmt: skip


def _initialization(each: Inspected) -> list[str]:
    """Describe how a PyTorch module's layers start, by their measured mean and spread."""
    start = each.facts.get("start")
    widths = each.facts.get("linear")
    if not start or not widths:
        return []
    lines = []
    for k, (row, (fan_in, _out)) in enumerate(zip(start, widths, strict=False)):
        default = 1 / (3 * fan_in) ** 0.5
        std = float(row["std"])
        near = abs(std - default) <= NEAR_UNIFORM * default
        kind = f"nn.Linear's default, ±1/√{fan_in}" if near else "set by the file"
        lines.append(
            f"initialization of {_file(each.report)}, layer {k}: mean {row['mean']:.2g}, standard "
            f"deviation {std:.3g} ({kind})"
        )
    return lines


def _optimizer(each: Inspected) -> list[str]:
    described: Mapping[str, Any] | None = each.facts.get("optimizer")
    if not described:
        return []
    kept = ", ".join(f"{k}={v}" for k, v in described.items() if k not in _NOT_SHOWN and v)
    return [f"optimizer of {_file(each.report)}: {described['name']}({kept})"]


def _mathematics(report: Report) -> str:
    if report.passed:
        return f"mathematics of {_file(report)}: the reference's"
    first: Finding | None = report.findings[0] if report.findings else None
    if first is None:
        return f"mathematics of {_file(report)}: differs"
    factor = "" if first.factor is None else f", factor {factor_text(first.factor)}"
    return f"mathematics of {_file(report)}: {first.code}{factor}; {first.text}"


def check_files(
    files: Sequence[tuple[Path, str | None]],
    overrides: Mapping[str, Any],
    data: str,
    seconds: float,
) -> tuple[list[Report], list[str]]:
    """Check one network file, or two and what differs between them.

    Args:
        files: paths, each with the name of a class or None.
        overrides: fields of the specification that the command line gives.
        data: as `--data` has it.
        seconds: that each file's code may take.

    Raises:
        InputError: a file or the data can't be used.
    """
    images = load_images(data)
    found = [inspect(path, name, overrides, images, seconds) for path, name in files]
    if len(found) == 1:
        return [found[0].report], []
    first, second = _on_the_same_terms(files, found, overrides, images, seconds)
    return [first.report, second.report], compare_pair(first, second)


def _on_the_same_terms(
    files: Sequence[tuple[Path, str | None]],
    found: list[Inspected],
    overrides: Mapping[str, Any],
    images: Images,
    seconds: float,
) -> list[Inspected]:
    """Check a PyTorch file against the loss that the NumPy file beside it declares."""
    said = [i for i, each in enumerate(found) if each.spec is not None and not each.facts]
    if len(said) != 1 or "loss" in overrides:
        return found
    other = 1 - said[0]
    spec, theirs = found[said[0]].spec, found[other].spec
    same = spec is not None and theirs is not None and spec.loss in {"half-mse", "mse"}
    if not (same and spec is not None and theirs is not None and theirs.loss != spec.loss):
        return found
    if theirs.loss not in {"half-mse", "mse"}:
        return found
    path, name = files[other]
    found[other] = inspect(path, name, {**overrides, "loss": spec.loss}, images, seconds)
    return found


def load_images(data: str) -> Images:
    """Load the training images that `--data` names, in 0..1.

    Raises:
        DataError: the data is missing or damaged.
    """
    dataset = load_dataset(data, 0, "0..1")
    return Images(dataset.train_images.astype(np.float64), dataset.train_labels, dataset.classes)
