"""`mlpwatch branch`: a new run that begins at the end of a kept epoch of another."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlpwatch.core.cli.ending import add_end_options
from mlpwatch.core.cli.options import (
    add_run_options,
    add_training_options,
    given_settings,
    shown_setting,
)
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.errors import ConfigError
from mlpwatch.core.treatment import TREATABLE, Treatment

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
    parser.add_argument(
        "--against-parent", action="store_true",
        help="train two columns with one engine, NumPy or what --only names: at left the control "
        "with the parent's settings, at right the treatment with the changed ones",
    )  # fmt: skip
    add_training_options(parser)
    add_run_options(parser, naming=True)
    add_end_options(parser)


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
        is_kept = name == "only" and (own is None or options.against_parent)
        if name in given and given[name] != own and not is_kept:
            flag = "--" + name.replace("_", "-")
            raise ConfigError(
                f"{flag} {shown_setting(given[name])}: the weights that the branch begins with "
                f"have {shown_setting(own)}; leave it out, or start a new run"
            )
    for name in dict(config.treatment.settings) if config.treatment else ():
        if name in given:
            flag = "--" + name.replace("_", "-")
            raise ConfigError(
                f"{flag} {shown_setting(given[name])}: it is what the treatment of this run "
                "changes; branch from its parent for another"
            )
    if not options.against_parent:
        return replace(config, **given)
    # Before the changes: of a run that one engine trained, that engine trains both columns.
    only = given.pop("only", None) or config.only
    return against_parent(config, replace(replace(config, only=None), **given), only or "numpy")


def against_parent(parent: RunConfig, changed: RunConfig, engine: EngineName) -> RunConfig:
    """Return the settings of a branch whose right column trains with what has changed.

    Settings that both columns have in common, like the number of epochs, change for both.

    Args:
        parent: the parent's settings.
        changed: the same with changes.
        engine: trains both columns.

    Raises:
        ConfigError: the parent trains a network file, is a control and a treatment itself, or has
            not trained this engine.
    """
    if parent.has_networks:
        raise ConfigError(
            "a branch against its parent trains mlpwatch's own network twice, and this run trains "
            "a network file; leave --against-parent out"
        )
    if parent.treatment is not None:
        raise ConfigError(
            "this run is a control and a treatment already; branch against its parent instead"
        )
    if engine not in parent.engine_names:
        raise ConfigError(f"--only {engine}: the run has trained {parent.only} alone; leave it out")
    settings = tuple(
        (name, getattr(changed, name))
        for name in TREATABLE
        if getattr(changed, name) != getattr(parent, name)
    )
    shared = {name: getattr(parent, name) for name in TREATABLE}
    treatment = Treatment(engine, settings)
    return replace(changed, **shared, only=None, treatment=treatment)


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
