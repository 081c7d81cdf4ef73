"""`mlpwatch sweep`: a grid of settings times seeds, each an ordinary run."""

import argparse
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Any

from mlpwatch.core.cli.comparison.compare import terminal_columns
from mlpwatch.core.cli.ending import add_end_options, endings_of
from mlpwatch.core.cli.options import (
    DEFAULT_SAVED,
    LISTED,
    add_run_options,
    add_training_options,
    config_from,
)
from mlpwatch.core.cli.parser import Parser
from mlpwatch.core.cli.signals import StopRequest, stop_on_signals
from mlpwatch.core.config import RunConfig
from mlpwatch.core.data.registry import check_source, lasting_source, resolve_source
from mlpwatch.core.errors import ConfigError

if TYPE_CHECKING:
    from mlpwatch.core.sweeps.group import Group, Trial
    from mlpwatch.core.sweeps.reading import GroupReading
    from mlpwatch.core.sweeps.sweep import Pool, Sweep

USUAL_SEEDS = 3
"""With two or more seeds a mean has a spread and a difference an interval."""

_NOT_IN_A_SWEEP = {
    "network": "a sweep trains mlpwatch's own networks",
    "torch": "a sweep trains mlpwatch's own networks",
    "lockstep": "nobody watches the steps of a sweep",
    "stop_at_difference": "a sweep trains to the end",
}


def add_sweep_options(parser: Parser) -> None:
    """Add all options of `mlpwatch sweep`: those of training, as lists, and its own."""
    group = parser.add_argument_group("sweep")
    group.add_argument(
        "--seeds", type=parse_count, metavar="N",
        help=f"train each setting with N seeds, from --seed (0) on (default: {USUAL_SEEDS})",
    )  # fmt: skip
    group.add_argument(
        "--jobs", type=parse_count, metavar="N",
        help="trials at a time; the cores are shared out (default: one per two cores)",
    )  # fmt: skip
    group.add_argument(
        "--cluster", metavar="ADDRESS",
        help="train on the workers of a Dask cluster, such as tcp://host:8786",
    )  # fmt: skip
    group.add_argument(
        "--headless", action="store_true", help="without a screen: a line per trial, then a table"
    )
    group.add_argument("--json", action="store_true", help="print the table as one JSON object")
    add_training_options(parser)
    add_end_options(parser)
    parser.take_lists(LISTED)
    add_run_options(parser, naming=True)


def run_sweep(options: argparse.Namespace) -> int:
    """Run `mlpwatch sweep` without a screen and return its exit status.

    Raises:
        MlpwatchError: bad input; nothing has been written.
    """
    with stop_on_signals() as request:
        return _run(options, request)


def planned_sweep(
    options: argparse.Namespace, is_stopped: Callable[[], bool]
) -> "tuple[Sweep, Pool]":
    """Return the sweep that the options describe and its workers; write nothing.

    Args:
        options: of the command line.
        is_stopped: whether this process has been asked to end.

    Raises:
        MlpwatchError: bad input, or another process trains the sweep.
    """
    # Imported here: the command line must not wait for them.
    from mlpwatch.core.sweeps.group import held_group, plan_group  # noqa: PLC0415
    from mlpwatch.core.sweeps.sweep import Sweep  # noqa: PLC0415

    for name, why in _NOT_IN_A_SWEEP.items():
        if vars(options)[name]:
            raise ConfigError(f"--{name.replace('_', '-')}: {why}; leave it out")
    name, asked = _asked(options)
    path, group = plan_group(Path(options.saved), name, asked)
    for data in sorted({one.config.data for one in group.settings}):
        check_source(data)
    if path.exists():
        # Refused before anything is added to a sweep that another process trains.
        with held_group(path):
            pass
    return Sweep(path, group, is_stopped), _pool(options, path, group)


def _run(options: argparse.Namespace, request: StopRequest) -> int:
    # Imported here: as in `planned_sweep`.
    from mlpwatch.core.cli.headless import say  # noqa: PLC0415
    from mlpwatch.core.cli.sweep_ending import FollowedSweep  # noqa: PLC0415
    from mlpwatch.core.sweeps.group import store_group  # noqa: PLC0415
    from mlpwatch.core.sweeps.table import begin_line  # noqa: PLC0415

    sweep, pool = planned_sweep(options, request.flag.is_set)
    path, group = sweep.path, sweep.group
    endings, over = endings_of(options), Flag()
    try:
        trials = sweep.missing()
        # Before anything is written: data that can't be read are bad input.
        seconds = sweep.estimate(pool, trials) if trials else 0.0
        store_group(path, group)
        say(begin_line(path.name, group, len(trials), pool.where, seconds))
        request.is_loading = False
        endings.add(FollowedSweep(path, over.is_set))
        _train(sweep, pool, trials)
    finally:
        pool.close()
        over.set()
    reading = sweep.read()
    endings.begin()
    print_end(reading, options)
    for line in endings.finish(request.flag):
        say(line)
    finished = any(row.state == "finished" for row in reading.rows)
    return request.exit_status or (0 if finished else 1)


def _train(sweep: "Sweep", pool: "Pool", trials: Sequence["Trial"]) -> None:
    """Train what is missing, and report each trial that ends."""
    from mlpwatch.core.cli.headless import say  # noqa: PLC0415
    from mlpwatch.core.runs.listing import summarize_run  # noqa: PLC0415
    from mlpwatch.core.sweeps.table import trial_line  # noqa: PLC0415

    count = len(sweep.group.trials)
    for number, end in enumerate(sweep.train(pool, trials), count - len(trials) + 1):
        folder = sweep.path / end.name
        say(trial_line(end, number, count, summarize_run(folder) if folder.exists() else None))


def print_end(reading: "GroupReading", options: argparse.Namespace) -> None:
    """Print the table on stdout, or one JSON object and nothing else."""
    from mlpwatch.core.cli.headless import say  # noqa: PLC0415
    from mlpwatch.core.files.strict_json import to_json  # noqa: PLC0415
    from mlpwatch.core.sweeps.reading import group_state  # noqa: PLC0415
    from mlpwatch.core.sweeps.table import table_lines  # noqa: PLC0415

    if options.json:
        print(to_json(reading.to_dict()), flush=True)  # noqa: T201
    else:
        print("\n".join(table_lines(reading, terminal_columns())), flush=True)  # noqa: T201
    saved = shlex.quote(str(options.saved))
    elsewhere = "" if options.saved == DEFAULT_SAVED else f" --saved {saved}"
    verb = "compare" if reading.is_done else "sweep --name"
    does = "shows this again" if reading.is_done else "continues it"
    say(
        f"{group_state(reading)}; saved in {reading.path}; "
        f"mlpwatch {verb} {shlex.quote(reading.path.name)}{elsewhere} {does}"
    )


def _pool(options: argparse.Namespace, path: Path, group: "Group") -> "Pool":
    """Return the workers that the options ask for.

    Raises:
        InputError: more trials at a time than cores, or no such cluster.
    """
    from mlpwatch.core.sweeps.local import LocalPool, shared_cores  # noqa: PLC0415

    if options.cluster is not None:
        if options.jobs is not None:
            raise ConfigError(
                f"--jobs {options.jobs}: on a cluster its workers say how many; leave it out"
            )
        from mlpwatch.core.sweeps.cluster import ClusterPool  # noqa: PLC0415

        return ClusterPool(path, options.cluster)
    engines = max(len(one.config.engine_names) for one in group.settings)
    jobs, threads = shared_cores(options.threads, options.jobs, engines)
    return LocalPool(path, min(jobs, len(group.trials)), threads)


def _asked(options: argparse.Namespace) -> tuple[str, "Group | None"]:
    """Return name and content of the sweep that the options describe.

    Its content is None where they only name one that is there, to continue it.

    Raises:
        ConfigError: a value is out of range, or given twice.
    """
    from mlpwatch.core.runs.layout import free_run_name  # noqa: PLC0415
    from mlpwatch.core.runs.listing import is_group  # noqa: PLC0415
    from mlpwatch.core.sweeps.group import read_group  # noqa: PLC0415

    saved = Path(options.saved)
    given = {name: vars(options)[name] for name in LISTED if vars(options)[name] is not None}
    if options.name and is_group(saved / options.name):
        found = read_group(saved / options.name)
        if not given and options.seeds is None:
            return options.name, None
        if not {"recipe", "optimizer", "data"} & given.keys() & set(found.varied):
            return options.name, _grown(found, given, options)
        # These choose other settings too.
        return options.name, group_from(options, found.varied)
    group = group_from(options)
    first = group.settings[0].config
    return options.name or free_run_name(saved, first, group.created), group


def _grown(found: "Group", given: dict[str, Any], options: argparse.Namespace) -> "Group":
    """Return a sweep that is there with the values and seeds that the options give.

    Raises:
        ConfigError: a setting that does not vary differs, or a value is out of range.
    """
    has_seeds = options.seed or options.seeds is not None
    values = {name: listed for name, listed in given.items() if name != "seed"}
    if "data" in values:
        values["data"] = [lasting_source(resolve_source(data)) for data in values["data"]]
    return found.grown(values, _seeds(options) if has_seeds else (), options.name)


def group_from(options: argparse.Namespace, varied: Sequence[str] = ()) -> "Group":
    """Return the grid and the seeds that the options describe.

    Args:
        options: of the command line.
        varied: what varies already in the sweep that this is added to.

    Raises:
        ConfigError: a value is out of range, or there are too many trials.
    """
    from mlpwatch.core.sweeps.group import Group, SweepSetting, checked_group  # noqa: PLC0415

    settings = [
        SweepSetting({name: getattr(config, name) for name in names}, config)
        for names, config in _cells(options, varied)
    ]
    return checked_group(Group(tuple(settings), _seeds(options)))


def _cells(
    options: argparse.Namespace, known: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], RunConfig]]:
    """Yield each cell of the grid: the names of what varies, and the settings.

    Raises:
        ConfigError: a value is out of range.
    """
    values = {name: vars(options)[name] for name in LISTED if name != "seed"}
    lists = {name: listed for name, listed in values.items() if listed is not None}
    varied = tuple(name for name, listed in lists.items() if len(listed) > 1 or name in known)
    for cell in product(*lists.values()):
        chosen: dict[str, Any] = dict(zip(lists, cell, strict=True))
        plain = argparse.Namespace(**{**vars(options), "seed": None, **chosen})
        config = config_from(plain)
        data = lasting_source(resolve_source(config.data))
        yield varied, replace(config, data=data, history=chosen.get("history", 0), threads=None)


def _seeds(options: argparse.Namespace) -> tuple[int, ...]:
    given = options.seed or (0,)
    if options.seeds is None:
        return tuple(given) if options.seed else tuple(range(USUAL_SEEDS))
    if len(given) > 1:
        raise ConfigError(
            f"--seeds {options.seeds}: --seed names {len(given)} of them; leave one out"
        )
    return tuple(range(given[0], given[0] + options.seeds))


def parse_count(text: str) -> int:
    """Parse a number from 1 on.

    Raises:
        argparse.ArgumentTypeError: the text is something else.
    """
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1 on")
    return int(text)
