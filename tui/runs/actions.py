"""The actions of the runs screen: each asks for confirmation if needed, then works in a thread."""

import asyncio
from typing import TYPE_CHECKING

from mlpwatch.core.errors import MlpwatchError
from mlpwatch.core.runs.changes import Contents, delete_run, measure_run, rename_run
from mlpwatch.core.runs.export import ExportKind
from mlpwatch.core.runs.layout import check_run_name
from mlpwatch.core.text import printable
from mlpwatch.tui import formatting
from mlpwatch.tui.kit.dialogs import Confirmation, LineEntry
from mlpwatch.tui.runs.branching.start import branch_here
from mlpwatch.tui.runs.columns import ListedRun
from mlpwatch.tui.runs.comparison import ComparedRun
from mlpwatch.tui.runs.comparison_screen import CompareScreen
from mlpwatch.tui.runs.exporting import export_as, write_metrics
from mlpwatch.tui.runs.host import RunsHost
from mlpwatch.tui.runs.others import why_not_here
from mlpwatch.tui.runs.run_list import RunList
from mlpwatch.tui.runs.switch import RunSwitch
from mlpwatch.tui.state.watch import Followed, watch_of

if TYPE_CHECKING:
    from mlpwatch.tui.runs.screen import RunsScreen


class RunActions:
    """Compares, resumes, renames, deletes and exports runs for the runs screen.

    Args:
        host: keeps the run that trains here.
        screen: shows the results.
        runs: the list with its cursor and marks.
    """

    def __init__(self, host: RunsHost, screen: "RunsScreen", runs: RunList) -> None:
        self._host, self._screen, self._runs = host, screen, runs

    def open(self) -> None:
        """Show the selected run: the dashboard's own one there, others from their folders."""
        run = self._runs.selected
        if run is None:
            return
        if self._screen.is_here(run):
            self._screen.dismiss()
        elif run.summary.state == "damaged":
            self._screen.say(run.summary.reason, bad=True)
        elif run.kind == "sweep":
            self._host.view_sweep(run.summary.path)
        else:
            names = tuple(engine.engine for engine in run.summary.engines)
            self._host.view(Followed(watch_of(run.summary.path), names))

    def compare(self) -> None:
        """Show the marked runs' curves in the same charts; without marks the selected run's."""
        chosen = self._chosen()
        runs = [
            ComparedRun(self._runs.mark_number(run) or 0, run.summary.path)
            for run in chosen
            if run.summary.state != "damaged"
        ]
        if runs:
            self._screen.app.push_screen(CompareScreen(runs))
        elif chosen:
            self._screen.say("a damaged run has no curves to show", bad=True)

    async def resume(self) -> None:
        """Ask, then replace the run on the dashboard with the selected one."""
        if run := self._own_selected():
            await RunSwitch(self._host, self._screen.app, self._screen.say).resume(run)

    async def start_new(self) -> None:
        """Ask for options, those of the selected run to begin with, and start a new run here."""
        run = self._own_selected()
        if run is None:
            return
        if run.summary.state == "damaged":
            self._screen.say("choose a run to begin with: its options are changed", bad=True)
            return
        await RunSwitch(self._host, self._screen.app, self._screen.say).start_new(run)

    async def branch(self) -> None:
        """Ask for an epoch of the selected run and changes, and train a branch of it here."""
        run = self._own_selected()
        if run is None:
            return
        if run.summary.state == "damaged":
            self._screen.say("choose a run to branch from: a damaged one can't be read", bad=True)
            return
        await branch_here(self._host, self._screen.app, self._screen.say, run.summary.path)

    async def rename(self) -> None:
        """Ask for a new name for the selected run, and rename it."""
        run = self._changeable("renamed")
        if run is None:
            return
        old = run.summary.path
        new = old

        async def give(name: str) -> None:
            nonlocal new
            if name != old.name:
                new = await asyncio.to_thread(rename_run, old.parent, old.name, name)

        entry = LineEntry(
            f"rename {run.summary.name}",
            run.summary.name,
            check_run_name,
            yes="renames it",
            no="keeps the old name",
            act=give,
        )
        name = await self._screen.app.push_screen_wait(entry)
        if name is None or name == old.name:
            return
        self._runs.follow(old, new)
        self._screen.say(f"{run.summary.name} is now {name}")
        self._screen.look(at_once=True)

    async def delete(self) -> None:
        """Show what would be deleted with the selected run, ask, and delete it."""
        run = self._changeable("deleted")
        if run is None:
            return
        saved, name = run.summary.path.parent, run.summary.path.name
        try:
            contents = await asyncio.to_thread(measure_run, saved, name)
            question = Confirmation(
                f"Delete {run.summary.name}?",
                deletion_facts(run, contents),
                yes="deletes it for good",
                no="keeps it",
            )
            if not await self._screen.app.push_screen_wait(question):
                return
            await asyncio.to_thread(delete_run, saved, name)
        except MlpwatchError as error:
            self._screen.say(str(error), bad=True)
            return
        self._screen.say(f"deleted {run.summary.name}")
        self._screen.look(at_once=True)

    async def export(self, kind: ExportKind) -> None:
        """Write the metrics of the marked runs, or of the selected one, to the current folder."""
        runs = self._chosen()
        if not runs:
            return
        try:
            self._screen.say(await write_metrics([run.summary.path for run in runs], kind))
        except MlpwatchError as error:
            self._screen.say(str(error), bad=True)

    async def export_as(self) -> None:
        """Ask for a format, and write the selected run in it to the current folder."""
        run = self._own_selected()
        if run is not None:
            await export_as(self._screen.app, run.summary.path, self._screen.say)

    def _chosen(self) -> list[ListedRun]:
        """Return the marked runs; without marks the selected one."""
        if self._runs.marked:
            return self._runs.marked
        selected = self._own_selected()
        return [selected] if selected else []

    def _own_selected(self) -> ListedRun | None:
        """Return the selected run; None and a message if it is a watched loop or a sweep."""
        run = self._runs.selected
        if run is not None and (why := why_not_here(run)):
            self._screen.say(why, bad=True)
            return None
        return run

    def _changeable(self, what: str) -> ListedRun | None:
        """Return the selected run; None and a message if it can't be changed."""
        run = self._own_selected()
        if run is None:
            return None
        if self._screen.is_here(run):
            self._screen.say(
                f"{run.summary.name} is on the dashboard and can't be {what}", bad=True
            )
            return None
        if run.summary.is_held:
            how = "running" if run.summary.state == "training" else "open in another process"
            self._screen.say(f"{run.summary.name} is {how} and can't be {what}", bad=True)
            return None
        return run


def deletion_facts(run: ListedRun, contents: Contents) -> list[str]:
    """Return what a deletion removes, a line each."""
    if contents.link_target:
        return [
            f"It is a link to {contents.link_target}.",
            "Only the link goes; what it points to stays.",
        ]
    facts = [
        f"{formatting.count(contents.files, 'file')}, {formatting.size(contents.size)}, in "
        f"{printable(run.summary.path)}"
    ]
    done = run.epochs_done
    if done is not None:
        facts.append(f"{formatting.count(done, 'epoch')} of training, with both models' weights")
    return facts
