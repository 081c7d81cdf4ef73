"""Asks why two runs differ: the time first, then the networks between them, trained beside."""

from collections.abc import Sequence
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING

from mlpwatch.core.errors import ConfigError, error_text
from mlpwatch.tui.kit.dialogs import Confirmation

if TYPE_CHECKING:
    # They import SciPy's neighbours and joblib: only for those who ask.
    from mlpwatch.core.sweeps.why.experiment import GapFinding
    from mlpwatch.core.sweeps.why.rounds import RoundProgress

BOX_COLUMNS = 72
"""Inside of a dialog."""

MORE_SEEDS = 3
"""That a key adds to those of an answer."""


class WhyTraining:
    """Trains the networks between two runs in processes, from a thread of this one.

    Args:
        folders: of A and of B.
        seeds: of each network; None for the usual.

    Raises:
        MlpwatchError: they have no networks between them; nothing has been written.
    """

    def __init__(self, folders: Sequence[Path], seeds: int | None = None) -> None:
        from mlpwatch.core.sweeps.local import shared_cores  # noqa: PLC0415
        from mlpwatch.core.sweeps.why.experiment import Experiment  # noqa: PLC0415
        from mlpwatch.core.sweeps.why.rounds import Rounds  # noqa: PLC0415
        from mlpwatch.core.sweeps.why.sides import read_side  # noqa: PLC0415

        if len(folders) != 2:  # noqa: PLR2004 - A and B
            raise ConfigError("why: mark two runs, A first; it is asked of just two")
        one, other = folders
        saved = one.parent
        sides = read_side(saved, str(one)), read_side(saved, str(other))
        experiment = Experiment(*sides, seeds)
        self._folders = folders
        self._cores = shared_cores(None, None, len(experiment.engines))
        self._rounds: Rounds = Rounds(experiment, saved)
        self._plan = list(self._rounds.plan_lines(*self._cores))
        self._stop = Flag()
        self.text = ""
        """How far it is, or how it ended."""
        self.is_bad = self.is_done = False
        self.finding: GapFinding | None = None

    def question(self) -> Confirmation:
        """Return the dialog that says how long it takes."""
        facts = [
            *self._plan,
            "They train beside what trains here, as a sweep of their own. Leaving this screen "
            "saves and stops them; the same key continues.",
        ]
        return Confirmation(self._title, facts, yes="trains them", no="leaves it")

    def answer(self, *, blocks: bool) -> Confirmation:
        """Return the dialog that shows what was found.

        Args:
            blocks: whether to draw bars with block characters.
        """
        from mlpwatch.core.sweeps.why.report import finding_lines  # noqa: PLC0415

        lines: list[str] = []
        if self.finding is not None:
            lines = finding_lines(self._rounds.experiment, self.finding, BOX_COLUMNS, blocks=blocks)
        return Confirmation(
            self._title, lines, yes=f"trains {MORE_SEEDS} seeds more", no="closes this"
        )

    def with_more_seeds(self) -> "WhyTraining":
        """Return the same for more seeds, which makes the intervals shorter.

        Raises:
            MlpwatchError: as for the first.
        """
        return WhyTraining(self._folders, len(self._rounds.experiment.seeds) + MORE_SEEDS)

    def start(self) -> None:
        """Begin to train."""
        self.text = "why: starting the processes …"
        Thread(target=self._train, name="why", daemon=True).start()

    def stop(self) -> None:
        """Ask the networks that train to save and end."""
        self._stop.set()

    @property
    def _title(self) -> str:
        one, other = self._rounds.experiment.one.name, self._rounds.experiment.other.name
        return f"Why do {one} and {other} differ?"

    def _train(self) -> None:
        from mlpwatch.core.sweeps.local import LocalPool  # noqa: PLC0415

        try:
            pool = LocalPool(self._rounds.path, *self._cores)
            try:
                self.finding = self._rounds.train(pool, self._stop.is_set, self._report)
            finally:
                pool.close()
            self.text = f"why: saved in {self._rounds.path}"
        except Exception as error:  # files may contain anything; the screen says it
            self.text, self.is_bad = f"why: {error_text(error)}", True
        finally:
            self.is_done = True

    def _report(self, progress: "RoundProgress") -> None:
        self.text = (
            f"why: {progress.number} of {progress.count} networks of {progress.epochs} epochs "
            "trained"
        )
