"""Trains an experiment's networks, a short round first, and says beforehand how long it takes."""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlpwatch.core.files.durable import replace_durably
from mlpwatch.core.files.strict_json import to_json
from mlpwatch.core.runs.layout import WHY_NAME
from mlpwatch.core.sweeps.group import Group, Trial, held_group, store_group, value_text
from mlpwatch.core.sweeps.sweep import Pool, Sweep
from mlpwatch.core.sweeps.table import time_text
from mlpwatch.core.sweeps.trial import TrialEnd
from mlpwatch.core.sweeps.why.experiment import Experiment, GapFinding
from mlpwatch.core.sweeps.why.report import finding_json


@dataclass(frozen=True, slots=True)
class RoundProgress:
    """A round that begins, or one of its networks that has just ended."""

    epochs: int
    """Of the round."""
    number: int
    """How many of its networks have ended."""
    count: int
    """Of all."""
    end: TrialEnd | None = None
    """Of the network; None where the round begins."""


class Rounds:
    """An experiment and its folder.

    Args:
        experiment: between A and B.
        saved: the folder of all runs.

    Raises:
        RunError: another process trains its networks.
    """

    def __init__(self, experiment: Experiment, saved: Path) -> None:
        self.experiment = experiment
        self.path, self._group = experiment.place(saved)
        if self._group is not None:
            with held_group(self.path):
                pass

    def plan_lines(self, jobs: int, threads: int) -> Iterator[str]:
        """Yield what differs, and what is trained: how many networks, for how long.

        Args:
            jobs: networks at a time.
            threads: cores per network.
        """
        experiment = self.experiment
        found = [difference.words for difference in experiment.differences]
        several = "settings differ" if len(found) > 1 else "setting differs"
        yield f"{len(found)} {several}: {', '.join(found)}"
        for side in (experiment.one, experiment.other):
            if side.has_changed_rate:
                yield (
                    f"the learning rate of {side.name} was set while it trained; the networks keep "
                    f"{value_text(side.config.learning_rate)}"
                )
        times = [
            experiment.seconds(self._missing(self._planned(epochs), epochs), jobs, threads)
            for epochs in experiment.rounds
        ]
        networks, seeds = len(experiment.masks), len(experiment.seeds)
        first, *longer = experiment.rounds
        cores = f"{threads} core{'s' * (threads > 1)} each"
        line = f"{networks} networks x {seeds} seed{'s' * (seeds > 1)}, {jobs} at a time, {cores}"
        line += f"; {first} epoch{'s' * (first > 1)}"
        if not math.isnan(times[0]):
            line += f": about {time_text(times[0])}" if times[0] else ": done"
        if longer and not math.isnan(times[-1]):
            more = f"{time_text(times[-1])} more" if times[-1] else "done"
            line += f"; {longer[-1]} epochs where that is not clear: {more}"
        yield line

    def train(
        self,
        pool: Pool,
        is_stopped: Callable[[], bool],
        report: Callable[[RoundProgress], None],
    ) -> GapFinding | None:
        """Train what is missing, round after round, until the answer is clear.

        Args:
            pool: workers of `path`.
            is_stopped: whether to save and end.
            report: receives each round that begins, and each network that ends.

        Returns:
            What the last round shows; None if it was stopped before its end.

        Raises:
            RunError: the folder can't be written, or another process trains in it.
        """
        finding = None
        for epochs in self.experiment.rounds:
            group = self._group = self._planned(epochs)
            store_group(self.path, group)
            trials = self._missing(group, epochs)
            count = len(self.experiment.trials(group, epochs))
            done = count - len(trials)
            report(RoundProgress(epochs, done, count))
            ends: list[str] = []
            sweep = Sweep(self.path, group, is_stopped)
            for number, end in enumerate(sweep.train(pool, trials), done + 1):
                report(RoundProgress(epochs, number, count, end))
                ends.append(end.state)
            if len(ends) < len(trials) or "stopped" in ends:
                return None
            finding = self.experiment.finding(sweep.read(), epochs)
            if self.experiment.is_enough(finding):
                break
        if finding is not None:
            values = finding_json(self.experiment, finding, self.path.name)
            # For the sweep's report; the finding is shown all the same on a full disk.
            with suppress(OSError):
                replace_durably(self.path / WHY_NAME, to_json(values, 1).encode())
        return finding

    def _planned(self, epochs: int) -> Group:
        return self.experiment.joined(self._group, epochs)

    def _missing(self, group: Group, epochs: int) -> list[Trial]:
        names = {trial.name for trial in self.experiment.trials(group, epochs)}
        sweep = Sweep(self.path, group, lambda: False)
        return [trial for trial in sweep.missing() if trial.name in names]
