"""The dialog that starts a branch of a run, in place of the run on the dashboard."""

import argparse
import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import App

from mlpwatch.core.cli.branch import add_branch_options, config_for_branch
from mlpwatch.core.cli.options import options_for, shown_setting
from mlpwatch.core.cli.parser import Parser
from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import ConfigError, InputError, MlpwatchError
from mlpwatch.core.runs.layout import check_run_name
from mlpwatch.tui.formatting import count
from mlpwatch.tui.kit.dialogs import LineEntry
from mlpwatch.tui.runs.host import RunsHost
from mlpwatch.tui.runs.switch import RunSwitch, Say, fate_of_current

if TYPE_CHECKING:
    from mlpwatch.core.runs.run import Run
    from mlpwatch.core.training.session import Session


async def branch_here(
    host: RunsHost, app: App[Any], say: Say, path: Path, epoch: int | None = None
) -> bool:
    """Ask for an epoch and changes, and train a branch of a run here.

    Args:
        host: keeps the run that is replaced; it is saved and ended first.
        app: shows the dialog.
        say: shows progress and errors.
        path: of the run's folder.
        epoch: the first proposal; None for the newest kept epoch that leaves some to train.

    Returns:
        Whether the branch now trains; if not, a message says why.
    """
    current = host.main.session
    if current is None:
        say("the run on the dashboard is still loading; try again in a moment", bad=True)
        return False
    try:
        parent, kept = await asyncio.to_thread(_look_at, path)
    except MlpwatchError as error:
        say(str(error), bad=True)
        return False
    if not kept:
        say(f"{parent.name} keeps no past epoch to branch from (--history)", bad=True)
        return False
    entry = LineEntry(
        f"Branch of {parent.name}: a new run that begins after one of its epochs",
        f"--at {proposed_epoch(kept, epoch, parent.config.epochs)} ",
        lambda text: branch_typed(text, parent.config, kept),
        yes="starts it",
        no="changes nothing",
        facts=[
            f"Kept epochs: {kept_epochs_text(kept)}.",
            f"Its options: {shlex.join(options_for(parent.config)) or 'those of twin'}.",
            "Type those that change, like --dropout 0.5, and --name NAME if you like.",
            fate_of_current(current, attached=host.main.attached),
        ],
        effect=lambda text: branch_text(branch_typed(text, parent.config, kept), parent.config),
        is_selected=False,
    )
    text = await app.push_screen_wait(entry)
    if text is None:
        return False
    options = branch_typed(text, parent.config, kept)
    switch = RunSwitch(host, app, say)
    return await switch.start(current, lambda: _make(options, parent), path.parent)


def proposed_epoch(kept: list[int], wanted: int | None, planned: int) -> int:
    """Return the kept epoch to propose: the newest up to the wanted one, with epochs after it."""
    last = planned - 1 if wanted is None else wanted
    return max((epoch for epoch in kept if epoch <= last), default=kept[0])


def branch_typed(text: str, config: RunConfig, kept: list[int]) -> argparse.Namespace:
    """Return what the options of a branch mean.

    Args:
        text: as typed.
        config: of the parent.
        kept: its kept epochs.

    Raises:
        MlpwatchError: an option is unknown or does not fit, or the epoch is not kept.
    """
    parser = Parser(prog="mlpwatch branch", add_help=False, allow_abbrev=False)
    add_branch_options(parser)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InputError(f"options {text!r:.40}: {str(error).lower()}") from None
    options = parser.parse_args(words)
    if options.at not in kept:
        raise ConfigError(
            f"--at {options.at}: this epoch is not kept; kept are {kept_epochs_text(kept)}"
        )
    changed = config_for_branch(options, config)
    if changed.epochs <= options.at:
        raise ConfigError(f"--epochs {changed.epochs}: give more, since {options.at} are done")
    if options.name is not None:
        check_run_name(options.name)
    return options


def branch_text(options: argparse.Namespace, before: RunConfig) -> str:
    """Return what a branch would do, in one line."""
    after = config_for_branch(options, before)
    changes = [
        f"{name.replace('_', ' ')} {shown_setting(value)} (was {shown_setting(old)})"
        for name, value in after.to_dict().items()
        if value != (old := before.to_dict().get(name))
    ]
    left = count(after.epochs - options.at, "more epoch")
    return f"from epoch {options.at}, {left}: {', '.join(changes) or 'nothing changed'}"


def kept_epochs_text(kept: list[int]) -> str:
    """Return the kept epochs, in one short line."""
    from mlpwatch.core.runs.history import kept_text  # noqa: PLC0415 - it imports NumPy

    return kept_text(kept)


def _look_at(path: Path) -> "tuple[Run, list[int]]":
    from mlpwatch.core.runs.run import Run  # noqa: PLC0415 - it imports NumPy

    run = Run.open(path.parent, path.name)
    return run, run.history.epochs(run.config.engine_names)


def _make(options: argparse.Namespace, parent: "Run") -> "Session":
    """Return a session of the branch, ready to start."""
    from mlpwatch.core.training.branching import branched_session  # noqa: PLC0415 - as above

    session = branched_session(
        parent,
        options.at,
        config_for_branch(options, parent.config),
        saved=parent.path.parent,
        name=options.name,
        report=lambda _text: None,
    )
    session.set_lockstep(options.lockstep)
    return session
