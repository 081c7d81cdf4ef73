"""What leaves the screen: a picture of it, the run as a file, what the terminal copies."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mlpwatch.core.errors import MlpwatchError
from mlpwatch.core.spectating import LOOKS_ONLY, looks_only
from mlpwatch.tui.dashboard.crosshair import place, table_at
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.formatting import with_keys
from mlpwatch.tui.terminal.textual_internals import DisplayApp
from mlpwatch.tui.terminal.window.abilities import abilities
from mlpwatch.tui.terminal.window.signs import clipboard

if TYPE_CHECKING:
    from mlpwatch.tui.run_stack import RunStack


class Answer(Protocol):
    """Shows an answer to a key on the screen where it was pressed."""

    def __call__(self, text: str, *, bad: bool = False) -> None:
        """Show a text.

        Args:
            text: one line.
            bad: it is a fault.
        """
        ...


class Copies:
    """Takes from the screen what a person wants elsewhere.

    Args:
        app: whose screen it is.
        runs: of which the top one is shown.
        answer: says what was taken.
        saved: the folder of all runs.
    """

    def __init__(self, app: DisplayApp[int], runs: "RunStack", answer: Answer, saved: Path) -> None:
        self._app, self._runs, self._answer, self._saved = app, runs, answer, saved

    def export(self) -> None:
        """Ask for a format, and write the shown run in it; a line says how far it is."""
        session = self._runs.top.session
        if looks_only():
            self._answer(LOOKS_ONLY)
            return
        if session is None:
            self._answer("the run can be exported once it is loaded", bad=True)
            return
        if host := session.run.host:
            from mlpwatch.core.runs.layout import name_there  # noqa: PLC0415 - as below

            name = name_there(session.run.name, host)
            self._answer(f"on {host}, from a shell: mlpwatch export {name} --to KIND", bad=True)
            return
        # Not at the top: the first frame needs none of it.
        from mlpwatch.tui.runs.exporting import export_as  # noqa: PLC0415

        self._app.run_worker(export_as(self._app, session.run.path, self._answer))

    def copy(self) -> None:
        """Copy the numbers under the dashboard's crosshair, else the command of the shown run."""
        screen, state, session = self._app.screen, self._runs.top.state, self._runs.top.session
        if session is None or state is None:
            self._answer(with_keys("{Y} copies the command of this run once it is loaded"))
            return
        if isinstance(screen, Dashboard) and (step := screen.charts.step) is not None:
            text = table_at(state, screen.charts.options, step)
            said = f"the numbers at {place(step, state)}, a table of {len(text)} characters"
        else:
            try:
                from mlpwatch.core.cli.export import export_source  # noqa: PLC0415

                text = said = export_source(session.run.path, is_group=False).again()
            except MlpwatchError as error:
                self._answer(f"nothing copied: {error}", bad=True)
                return
        sequence = clipboard(text, abilities())
        if sequence and (driver := self._app.driver):
            driver.write(sequence)
            self._answer(f"copied: {said}")
        else:
            self._answer(f"not copied, this terminal has no clipboard: {said}", bad=True)

    def picture(
        self, filename: str | None = None, path: str | None = None, time_format: str | None = None
    ) -> str | None:
        """Save a picture of the screen beside the run's folder; return its path, None if it failed.

        Args:
            filename: of the picture; by default the run's name and the time.
            path: its folder; by default that of the run's folder.
            time_format: of Textual's own file names.

        A folder that can't be written is an answer on the screen, not an error.
        """
        if looks_only():
            self._answer(LOOKS_ONLY)
            return None
        session = self._runs.top.session
        run = session.run.path if session else None
        beside = run.parent if run else self._saved
        if session is not None and session.run.host:
            beside = Path()  # the mirror of another machine's run is deleted at the end
        folder = path or str(beside)
        if filename is None and run is not None:
            filename = f"{run.name}-{datetime.now():%Y%m%d-%H%M%S}.svg"
        try:
            written = self._app.save_screenshot(filename, folder, time_format)
        except OSError as error:
            self._answer(f"no picture in {folder}: {error.strerror or error}", bad=True)
            return None
        self._answer(f"picture of the screen saved as {written}")
        return written
