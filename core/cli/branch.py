"""`mlpwatch branch`: a new run that begins at the end of a kept epoch of another."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlpwatch.core.cli.options import (
    add_run_options,
    add_training_options,
    given_settings,
    shown_setting,
)
from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import ConfigError

if TYPE_CHECKING:
    from mlpwatch.core.runs.run import Run
    from mlpwatch.core.training.session import Session

FIXED = ("hidden", "bias", "dtype", "initialization", "only")
"""Settings that the weights of an epoch have already."""


def add_branch_options(parser: argparse.ArgumentParser) -> None:
    """Add the epoch, and all options of a new run."""
    parser.add_argument(
        "--at", type=_epoch, metavar="EPOCH", required=True,
        help="begin after so many epochs of RUN; one that its history keeps",
    )  # fmt: skip
    add_training_options(parser)
    add_run_options(parser, naming=True)


def config_for_branch(options: argparse.Namespace, config: RunConfig) -> RunConfig:
    """Return a saved run's settings with the options that a branch changes.

    Raises:
        ConfigError: an option does not fit the weights, or a value is out of range.
    """
    if options.network is not None or options.torch is not None:
        raise ConfigError(
            "--network and --torch: a branch trains the networks of its parent; start a new run"
        )
    if options.recipe not in (None, config.recipe):
        raise ConfigError(
            f"--recipe {options.recipe}: a branch keeps its parent's settings; "
            "change some of them, like --dropout 0.5"
        )
    given = given_settings(options)
    for name in FIXED:
        own = getattr(config, name)
        is_kept = name == "only" and own is None
        if name in given and given[name] != own and not is_kept:
            flag = "--" + name.replace("_", "-")
            raise ConfigError(
                f"{flag} {shown_setting(given[name])}: the weights that the branch begins with "
                f"have {shown_setting(own)}; leave it out, or start a new run"
            )
    return replace(config, **given)


def branch_maker(
    options: argparse.Namespace, parent: "Run"
) -> Callable[[Callable[[str], None]], "Session"]:
    """Return a function that makes the branch; it takes a second to import what trains.

    Raises:
        ConfigError: an option does not fit the weights; nothing has been written.
    """
    config = config_for_branch(options, parent.config)

    def make(report: Callable[[str], None]) -> "Session":
        # Imported here: NumPy, scikit-learn and torch take seconds.
        from mlpwatch.core.training.branching import branched_session  # noqa: PLC0415

        saved = Path(options.saved)
        session = branched_session(
            parent, options.at, config, saved=saved, name=options.name, report=report
        )
        session.set_lockstep(options.lockstep)
        return session

    return make


def _epoch(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of epochs, like 5")
    return int(text)
