"""Which logs a command line means: of other programs, of watched loops, or of two of our runs."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.core.errors import RunError
from mlpwatch.core.runs.layout import GROUP_NAME, MANIFEST_NAME, METRICS_NAME, WATCH_NAME
from mlpwatch.core.runs.listing import find_folder

if TYPE_CHECKING:
    from mlpwatch.tui.metrics.following import FollowedMetrics, ScalarSource


def is_own(folder: Path) -> bool:
    """Return whether a folder is that of a run, a watched loop or a sweep, whole or damaged."""
    names = (MANIFEST_NAME, WATCH_NAME, GROUP_NAME)
    return any((folder / name).is_file() for name in names)


def logs_named(saved: Path, names: Iterable[str | None]) -> list[Path]:
    """Return the paths of the logs that are to be shown on the screen of metrics.

    One run or watched loop has a dashboard, so it is left out; of two the metrics are shown.

    Args:
        saved: the folder of all runs.
        names: of runs, or paths; None for one that was not given.

    Raises:
        RunError: of two names, one is neither a run nor a path.
    """
    given = [name for name in names if name is not None]
    if len(given) == 1:
        is_log = _own_folder(saved, given[0]) is None and Path(given[0]).exists()
        return [Path(given[0])] if is_log else []
    return [_own_folder(saved, name) or _existing(saved, name) for name in given]


def opened(paths: Iterable[Path]) -> "list[FollowedMetrics]":
    """Return the logs at these paths, not read yet.

    Raises:
        RunError: the folder of a watched loop is damaged.
        InputError: there is nothing that can be read, or the package that reads it is missing.
    """
    # Only for a log: NumPy is not imported before the first frame of a run.
    from mlpwatch.tui.metrics.following import FollowedMetrics  # noqa: PLC0415

    return [FollowedMetrics(_source(path)) for path in paths]


def _source(path: Path) -> "ScalarSource":
    from mlpwatch.core.foreign_logs.source import LogSource  # noqa: PLC0415
    from mlpwatch.core.monitor.follower import LoopSource  # noqa: PLC0415

    if (path / WATCH_NAME).is_file():
        return LoopSource(path)
    if (path / MANIFEST_NAME).is_file():
        metrics = path / METRICS_NAME
        return LogSource(metrics, path.name, parts=ENGINE_NAMES, without=("seconds", "confusion"))
    return LogSource(path)


def _own_folder(saved: Path, name: str) -> Path | None:
    try:
        folder = find_folder(saved, name)
    except RunError:
        return None
    return folder if is_own(folder) else None


def _existing(saved: Path, name: str) -> Path:
    """Return the path of a foreign log.

    Raises:
        RunError: there is none; the message names the runs that there are.
    """
    path = Path(name)
    return path if path.exists() else find_folder(saved, name)
