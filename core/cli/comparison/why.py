"""`mlpwatch why A B`: which of the settings that differ makes the gap, by experiment."""

import argparse
import math
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlpwatch.core.cli.comparison.compare import terminal_columns
from mlpwatch.core.cli.options import DEFAULT_SAVED
from mlpwatch.core.cli.signals import StopRequest, stop_on_signals
from mlpwatch.core.cli.sweep import parse_count

if TYPE_CHECKING:
    from mlpwatch.core.sweeps.group import Group, Trial
    from mlpwatch.core.sweeps.local import LocalPool
    from mlpwatch.core.sweeps.sweep import Sweep
    from mlpwatch.core.sweeps.why.experiment import Experiment, GapFinding


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
    from mlpwatch.core.sweeps.group import held_group, store_group  # noqa: PLC0415
    from mlpwatch.core.sweeps.local import LocalPool, shared_cores  # noqa: PLC0415
    from mlpwatch.core.sweeps.sweep import Sweep  # noqa: PLC0415
    from mlpwatch.core.sweeps.why.experiment import Experiment  # noqa: PLC0415
    from mlpwatch.core.sweeps.why.sides import read_side  # noqa: PLC0415

    saved = Path(options.saved)
    one, other = read_side(saved, options.one), read_side(saved, options.other)
    experiment = Experiment(one, other, options.seeds, options.epochs)
    jobs, threads = shared_cores(None, options.jobs, len(experiment.engines))
    path, group = experiment.place(saved)
    if group is not None:
        with held_group(path):
            pass
    pool = LocalPool(path, jobs, threads)
    finding = None
    try:
        for line in _begin_lines(experiment, path, group, jobs, threads):
            say(line)
        for epochs in experiment.rounds:
            group = experiment.joined(group, epochs)
            store_group(path, group)
            request.is_loading = False
            finding = _train_round(
                experiment, epochs, Sweep(path, group, request.flag.is_set), pool
            )
            if finding is None or experiment.is_enough(finding):
                break
            if epochs != experiment.rounds[-1]:
                say(f"not clear after {epochs} epochs: all {experiment.rounds[-1]} are trained now")
    finally:
        pool.close()
    _print_end(experiment, finding, path, options)
    if request.exit_status:
        return request.exit_status
    return 0 if finding and all(a.gap.n for a in finding.attributions.values()) else 1


def _train_round(
    experiment: "Experiment", epochs: int, sweep: "Sweep", pool: "LocalPool"
) -> "GapFinding | None":
    """Train what a round lacks; return what it shows, None if it was stopped before its end."""
    from mlpwatch.core.cli.headless import say  # noqa: PLC0415
    from mlpwatch.core.runs.listing import summarize_run  # noqa: PLC0415
    from mlpwatch.core.sweeps.table import trial_line  # noqa: PLC0415

    every = experiment.trials(sweep.group, epochs)
    names = {trial.name for trial in every}
    trials = [trial for trial in sweep.missing() if trial.name in names]
    done = len(every) - len(trials)
    ends: list[str] = []
    for number, end in enumerate(sweep.train(pool, trials), done + 1):
        folder = sweep.path / end.name
        run = summarize_run(folder) if folder.exists() else None
        say(trial_line(end, number, len(every), run))
        ends.append(end.state)
    if len(ends) < len(trials) or "stopped" in ends:
        return None
    return experiment.finding(sweep.read(), epochs)


def _begin_lines(
    experiment: "Experiment", path: Path, group: "Group | None", jobs: int, threads: int
) -> Iterator[str]:
    """Yield what differs, and what is trained: how many networks, for how long."""
    from mlpwatch.core.sweeps.sweep import Sweep  # noqa: PLC0415
    from mlpwatch.core.sweeps.table import time_text  # noqa: PLC0415

    def missing(epochs: int) -> "list[Trial]":
        planned = experiment.joined(group, epochs)
        names = {trial.name for trial in experiment.trials(planned, epochs)}
        return [t for t in Sweep(path, planned, lambda: False).missing() if t.name in names]

    found = [difference.words for difference in experiment.differences]
    several = "settings differ" if len(found) > 1 else "setting differs"
    yield f"{len(found)} {several}: {', '.join(found)}"
    times = [experiment.seconds(missing(epochs), jobs, threads) for epochs in experiment.rounds]
    networks, seeds = len(experiment.masks), len(experiment.seeds)
    first, *longer = experiment.rounds
    cores = f"{threads} core{'s' * (threads > 1)} each"
    line = f"{networks} networks x {seeds} seed{'s' * (seeds > 1)}, {jobs} at a time, {cores}"
    line += f"; {first} epoch{'s' * (first > 1)}"
    if not math.isnan(times[0]):
        line += f": about {time_text(times[0])}" if times[0] else ": done"
    if longer and not math.isnan(times[-1]):
        line += f"; {longer[-1]} epochs where that is not clear: {time_text(times[-1])} more"
    yield line


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
