"""How a sweep has ended, for `--on-end` and `--notify`."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from mlpwatch.core.cli.ending import shown_variable
from mlpwatch.core.errors import RunError
from mlpwatch.core.sweeps.reading import GroupReader, GroupReading, group_state
from mlpwatch.core.text import one_line


class FollowedSweep:
    """A sweep that this process trains, or follows.

    Args:
        path: its folder.
        has_ended: whether none of its trials trains any more.
    """

    def __init__(self, path: Path, has_ended: Callable[[], bool]) -> None:
        self.path, self._has_ended = path, has_ended

    @property
    def has_ended(self) -> bool:
        """Whether none of its trials trains any more."""
        return self._has_ended()

    @property
    def is_settled(self) -> bool:
        """Whether it is saved: each trial is, before it ends."""
        return True

    def variables(self) -> Mapping[str, str]:
        """Return the environment of `--on-end`; of each engine the setting with the best mean."""
        reading = self._reading()
        found: dict[str, object]
        if reading is None:
            found = {"RUN": self.path.name, "PATH": self.path.resolve(), "ENDED": "failed"}
            return {f"MLPWATCH_{name}": shown_variable(value) for name, value in found.items()}
        counts = Counter(row.state for row in reading.rows)
        found = {
            "RUN": reading.name,
            "PATH": self.path.resolve(),
            "ENDED": _ended(reading),
            "TRIALS": len(reading.rows),
            "TRIALS_FINISHED": counts["finished"],
            "TRIALS_FAILED": counts["failed"],
        }
        for engine in reading.group.settings[0].config.engine_names:
            rows = [row for row in reading.settings() if row.test_accuracy[engine].n]
            if not rows:
                continue
            best = max(rows, key=lambda row: row.test_accuracy[engine].mean)
            setting = " ".join(f"{name}={value}" for name, value in best.setting.varied.items())
            found |= {
                f"{engine.upper()}_TEST_ACCURACY": best.test_accuracy[engine].mean,
                f"{engine.upper()}_BEST_SETTING": setting,
                f"{engine.upper()}_BEST_TRIAL": best.best[engine].name,
            }
        return {f"MLPWATCH_{name}": shown_variable(value) for name, value in found.items()}

    def news(self) -> str:
        """Return how it has ended, in one line; empty if it has been stopped."""
        reading = self._reading()
        if reading is None or _ended(reading) == "stopped":
            return ""
        return one_line(f"{reading.name} has ended: {group_state(reading)}")

    def _reading(self) -> GroupReading | None:
        """Return how it stands; None if its folder can't be read any more."""
        with suppress(RunError):
            return GroupReader(self.path).read()
        return None


def _ended(reading: GroupReading) -> str:
    """Return the word of `MLPWATCH_ENDED`: the worst of all trials."""
    states = {row.state for row in reading.rows}
    return "failed" if "failed" in states else "finished" if reading.is_done else "stopped"
