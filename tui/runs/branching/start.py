"""Asks for a branch of a run, and trains it in place of the run on the dashboard."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from textual.app import App

from mlpwatch.core.errors import MlpwatchError
from mlpwatch.core.text import printable
from mlpwatch.tui.runs.branching.dialog import BranchDialog
from mlpwatch.tui.runs.branching.form import BranchForm, BranchPlan
from mlpwatch.tui.runs.host import RunsHost
from mlpwatch.tui.runs.switch import RunSwitch, Say, fate_of_current

if TYPE_CHECKING:
    from mlpwatch.core.runs.run import Run
    from mlpwatch.core.training.session import Session


class Proposal(NamedTuple):
    """What the dialog begins with."""

    epoch: int | None = None
    """The newest kept epoch up to this one; None for the newest that leaves some to train."""
    learning_rate: float | None = None
    """None for the parent's."""
    why: str = ""
    """Why it is proposed, in one line."""


async def branch_here(
    host: RunsHost, app: App[Any], say: Say, path: Path, proposal: Proposal | None = None
) -> bool:
    """Ask for an epoch and changes, and train a branch of a run here.

    Args:
        host: keeps the run that trains here; as chosen, it ends, trains on or stays paused.
        app: shows the dialog.
        say: shows progress and errors.
        path: of the run's folder.
        proposal: what the dialog begins with.

    Returns:
        Whether the branch now trains; if not, a message says why.
    """
    current = host.main.session
    if current is None:
        say("the run on the dashboard is still loading; try again in a moment", bad=True)
        return False
    try:
        parent, kept, taken = await asyncio.to_thread(_look_at, path)
    except (MlpwatchError, OSError) as error:
        say(str(error), bad=True)
        return False
    begun = proposal or Proposal()
    if kept and begun.why and begun.epoch is not None and kept[0] > begun.epoch:
        say(f"{parent.name} keeps no epoch before that; its first is {kept[0]}", bad=True)
        return False
    if not kept:
        say(f"{parent.name} keeps no past epoch to branch from (--history)", bad=True)
        return False
    trains_here = not host.main.attached and not current.ended
    rate = begun.learning_rate
    form = BranchForm(
        parent.config,
        kept,
        proposed_epoch(kept, begun.epoch, parent.config.epochs),
        taken=taken,
        here=printable(current.run.path.name) if trains_here else "",
        changes=None if rate is None else {"learning_rate": rate},
    )
    fate = () if trains_here else (fate_of_current(current, attached=host.main.attached),)
    about = (*((begun.why,) if begun.why else ()), *fate)
    plan = await app.push_screen_wait(BranchDialog(form, printable(parent.name), about))
    if plan is None:
        return False
    keeps = trains_here and plan.fate != "ends"
    switch = RunSwitch(host, app, say)
    has_begun = await switch.start(
        current, lambda: _make(plan, parent), path.parent, keeps_current=keeps
    )
    if has_begun and keeps:
        change = current.pause if plan.fate == "stays paused" else current.resume
        change()
    return has_begun


def proposed_epoch(kept: list[int], wanted: int | None, planned: int) -> int:
    """Return the kept epoch to propose: the newest up to the wanted one, with epochs after it."""
    last = planned - 1 if wanted is None else wanted
    return max((epoch for epoch in kept if epoch <= last), default=kept[0])


def _look_at(path: Path) -> "tuple[Run, list[int], frozenset[str]]":
    """Return a run, its kept epochs, and the names of all runs beside it."""
    from mlpwatch.core.runs.run import Run  # noqa: PLC0415 - it imports NumPy

    run = Run.open(path.parent, path.name)
    taken = frozenset(one.name for one in path.parent.iterdir())
    return run, run.history.epochs(run.config.engine_names), taken


def _make(plan: BranchPlan, parent: "Run") -> "Session":
    """Return a session of the branch, ready to start."""
    from mlpwatch.core.training.branching import branched_session  # noqa: PLC0415 - as above

    return branched_session(
        parent,
        plan.epoch,
        plan.config,
        saved=parent.path.parent,
        name=plan.name,
        report=lambda _text: None,
    )
