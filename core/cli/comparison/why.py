"""`mlpwatch why A B`: which of the settings that differ makes the gap, by experiment."""

import argparse
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlpwatch.core.cli.comparison.compare import terminal_columns
from mlpwatch.core.cli.options import DEFAULT_SAVED
from mlpwatch.core.cli.signals import StopRequest, stop_on_signals
from mlpwatch.core.cli.sweep import parse_count

if TYPE_CHECKING:
    from mlpwatch.core.sweeps.why.experiment import Experiment, GapFinding
    from mlpwatch.core.sweeps.why.rounds import RoundProgress, Rounds


def add_why_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mlpwatch why`, but for the folder of the runs."""
    for name, which in (("one", "A"), ("other", "B")):
        parser.add_argument(
            name, metavar=which, help="name or path of a run, a trial or a sweep of one setting"
        )
    parser.add_argument(
        "--seeds", type=parse_count, metavar="N",
        help="train each network with N seeds, from A's on (default: 3)",
    )  # fmt: skip
    parser.add_argument(
        "--epochs", type=parse_count, metavar="N",
        help="of each network (default: a fifth of the runs', then all where that is not clear)",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=parse_count, metavar="N",
        help="networks at a time; the cores are shared out (default: one per two cores)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run_why(options: argparse.Namespace) -> int:
    """Run `mlpwatch why` and return its exit status.

    Raises:
        MlpwatchError: bad input; nothing has been written.
    """
    with stop_on_signals() as request:
        return _run(options, request)


def _run(options: argparse.Namespace, request: StopRequest) -> int:
    # Imported here: the command line must not wait for them.
    from mlpwatch.core.cli.headless import say  # noqa: PLC0415
    from mlpwatch.core.sweeps.local import LocalPool, shared_cores  # noqa: PLC0415
    from mlpwatch.core.sweeps.why.experiment import Experiment  # noqa: PLC0415
    from mlpwatch.core.sweeps.why.rounds import Rounds  # noqa: PLC0415
    from mlpwatch.core.sweeps.why.sides import read_side  # noqa: PLC0415

    saved = Path(options.saved)
    one, other = read_side(saved, options.one), read_side(saved, options.other)
    experiment = Experiment(one, other, options.seeds, options.epochs)
    jobs, threads = shared_cores(None, options.jobs, len(experiment.engines))
    rounds = Rounds(experiment, saved)
    for line in rounds.plan_lines(jobs, threads):
        say(line)
    pool = LocalPool(rounds.path, jobs, threads)
    request.is_loading = False
    try:
        finding = rounds.train(pool, request.flag.is_set, partial(_say_progress, rounds))
    finally:
        pool.close()
    _print_end(experiment, finding, rounds.path, options)
    if request.exit_status:
        return request.exit_status
    return 0 if finding and all(a.gap.n for a in finding.attributions.values()) else 1


def _say_progress(rounds: "Rounds", progress: "RoundProgress") -> None:
    from mlpwatch.core.cli.headless import say  # noqa: PLC0415
    from mlpwatch.core.runs.listing import summarize_run  # noqa: PLC0415
    from mlpwatch.core.sweeps.table import trial_line  # noqa: PLC0415

    if progress.end is not None:
        folder = rounds.path / progress.end.name
        run = summarize_run(folder) if folder.exists() else None
        say(trial_line(progress.end, progress.number, progress.count, run))
    elif progress.epochs != rounds.experiment.rounds[0]:
        first = rounds.experiment.rounds[0]
        say(f"not clear after {first} epochs: all {progress.epochs} are trained now")


def _print_end(
    experiment: "Experiment",
    finding: "GapFinding | None",
    path: Path,
    options: argparse.Namespace,
) -> None:
    """Print what was found on stdout, or one JSON object and nothing else."""
    from mlpwatch.core.cli.headless import say  # noqa: PLC0415
    from mlpwatch.core.files.strict_json import to_json  # noqa: PLC0415
    from mlpwatch.core.sweeps.why.report import finding_json, finding_lines  # noqa: PLC0415

    if options.json:
        print(to_json(finding_json(experiment, finding, path.name)), flush=True)  # noqa: T201
    elif finding is not None:
        has_blocks = (sys.stdout.encoding or "").lower().startswith("utf")
        lines = finding_lines(experiment, finding, terminal_columns(), blocks=has_blocks)
        print("\n".join(lines), flush=True)  # noqa: T201
    elsewhere = "" if options.saved == DEFAULT_SAVED else f" --saved {shlex.quote(options.saved)}"
    if finding is None:
        say(f"stopped; saved in {path}; the same command continues it")
    else:
        name = shlex.quote(path.name)
        say(
            f"{finding.epochs} epochs, saved in {path}; mlpwatch compare {name}{elsewhere} shows "
            "its networks"
        )
