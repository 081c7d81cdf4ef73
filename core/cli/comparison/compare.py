"""`mlpwatch compare`: runs and sweeps beside each other, as a table or as JSON."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpwatch.core.config import TITLES, EngineName

if TYPE_CHECKING:
    from mlpwatch.core.runs.listing import RunSummary
    from mlpwatch.core.sweeps.group import SweepSetting
    from mlpwatch.core.sweeps.reading import GroupReading
    from mlpwatch.core.sweeps.statistics import PairedDifference

_NOT_SHOWN = ("threads", "history", "data")
"""Settings that do not change the numbers, and the place of the data, which is not its name."""


def add_compare_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mlpwatch compare`, but for the folder of the runs."""
    parser.add_argument(
        "names", nargs="+", metavar="RUN|GROUP",
        help="name of a run, a sweep, or GROUP/TRIAL; or the path of its folder",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run_compare(options: argparse.Namespace) -> int:
    """Run `mlpwatch compare` and return its exit status.

    Raises:
        RunError: no such run or sweep, or it can't be read.
    """
    from mlpwatch.core.files.strict_json import to_json  # noqa: PLC0415 - only for this command
    from mlpwatch.core.runs.listing import find_folder, is_group, summarize_run  # noqa: PLC0415
    from mlpwatch.core.runs.manifest import read_manifest  # noqa: PLC0415
    from mlpwatch.core.sweeps.reading import GroupReader  # noqa: PLC0415

    folders = [find_folder(Path(options.saved), name) for name in options.names]
    groups = [GroupReader(path).read() for path in folders if is_group(path)]
    runs = [
        (summarize_run(path), read_manifest(path).config.to_dict())
        for path in folders
        if not is_group(path)
    ]
    if options.json:
        found = {
            "groups": [group.to_dict() for group in groups],
            "runs": [_run_json(run, config) for run, config in runs],
            "differences": [_difference_json(*one) for one in _differences(groups)],
        }
        print(to_json(found), flush=True)  # noqa: T201
        return 0
    print("\n\n".join("\n".join(part) for part in _parts(groups, runs)), flush=True)  # noqa: T201
    return 0


def terminal_columns() -> int | None:
    """Return the width of the terminal that stdout is; None for a file or a pipe."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (AttributeError, OSError, ValueError):
        return None


Run = tuple["RunSummary", dict[str, Any]]
"""What its folder says, and its settings."""

Difference = tuple[str, str, "SweepSetting", EngineName, "PairedDifference"]
"""Names of two sweeps, a setting that both have, an engine, and the second minus the first."""


def _parts(groups: Sequence["GroupReading"], runs: Sequence[Run]) -> Iterator[list[str]]:
    from mlpwatch.core.sweeps.reading import group_state  # noqa: PLC0415
    from mlpwatch.core.sweeps.statistics import verdict  # noqa: PLC0415
    from mlpwatch.core.sweeps.table import table_lines  # noqa: PLC0415

    for group in groups:
        yield [f"{group.name}: {group_state(group)}", *table_lines(group, terminal_columns())]
    if found := list(_differences(groups)):
        yield [
            f"{' · '.join(filter(None, (f'{other} against {one}', setting.label)))}: "
            f"{verdict(difference, TITLES[engine])}"
            for one, other, setting, engine, difference in found
        ]
    if runs:
        yield _run_lines(runs)


def _differences(groups: Sequence["GroupReading"]) -> Iterator[Difference]:
    """Yield how each further sweep differs from the first, per setting that both have."""
    from mlpwatch.core.sweeps.statistics import paired_difference  # noqa: PLC0415

    for other in groups[1:]:
        first = groups[0]
        for number, setting in enumerate(first.group.settings):
            same = [n for n, s in enumerate(other.group.settings) if s.varied == setting.varied]
            for engine in setting.config.engine_names:
                one, two = first.accuracies(number, engine), {}
                if same:
                    two = other.accuracies(same[0], engine)
                if one.keys() & two.keys():
                    found = paired_difference(one, two)
                    yield first.name, other.name, setting, engine, found


def _run_lines(runs: Sequence[Run]) -> list[str]:
    """Return the runs as a table, with the settings in which they differ."""
    from mlpwatch.core.sweeps.group import value_text  # noqa: PLC0415
    from mlpwatch.core.sweeps.table import aligned  # noqa: PLC0415

    names = [name for name in runs[0][1] if name not in _NOT_SHOWN and _varies(name, runs)]
    rows = [("run", *(name.replace("_", "-") for name in names), *TITLES.values(), "state")]
    for run, config in runs:
        shares = {engine.engine: engine.test_accuracy for engine in run.engines}
        accuracies = ("–" if (s := shares.get(n)) is None else f"{s:.2%}" for n in TITLES)
        settings = (value_text(config.get(name)) for name in names)
        rows.append((run.name, *settings, *accuracies, run.state))
    return aligned(rows)


def _varies(name: str, runs: Sequence[Run]) -> bool:
    return any(config.get(name) != runs[0][1].get(name) for _, config in runs)


def _run_json(run: "RunSummary", config: dict[str, Any]) -> dict[str, Any]:
    return {
        "run": run.name,
        "path": str(run.path),
        "state": run.state,
        "config": config,
        **{engine.engine: {"test_accuracy": engine.test_accuracy} for engine in run.engines},
    }


def _difference_json(
    one: str, other: str, setting: "SweepSetting", engine: EngineName, found: "PairedDifference"
) -> dict[str, Any]:
    return {
        "from": one, "to": other, "config": dict(setting.varied), "engine": engine,
        "mean": found.mean, "low": found.low, "high": found.high, "n": found.n,
    }  # fmt: skip
