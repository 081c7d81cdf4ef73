"""The list of saved runs, from the small files of each run folder."""

import math
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from mlpwatch.core.config import TITLES, EngineName, OptimizerName, RecipeName, RunConfig
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.errors import RunError
from mlpwatch.core.events import END_REASONS
from mlpwatch.core.files.strict_json import (
    read_object,
    take_choice,
    take_object,
    take_share,
    take_text,
)
from mlpwatch.core.runs.layout import (
    GROUP_NAME,
    MANIFEST_NAME,
    METRICS_NAME,
    PLAN_NAME,
    RESULT_NAME,
    is_watched,
)
from mlpwatch.core.runs.lock import is_locked
from mlpwatch.core.runs.manifest import ParentEpoch, RunManifest, read_manifest
from mlpwatch.core.runs.metrics import MetricsLog
from mlpwatch.core.text import excerpt, printable

RunStateName = Literal["training", "finished", "stopped", "failed", "damaged"]
"""The state according to the folder: `training` if a process holds the run and there is no result,
`failed` if an engine diverged or failed."""


@dataclass(frozen=True, slots=True)
class EngineSummary:
    """The progress of one engine of a run."""

    engine: EngineName
    epochs_done: int
    val_accuracy: float | None
    """In the last epoch, 0 to 1; None before the first epoch, and after a divergence."""
    test_accuracy: float | None
    """0 to 1; None before the end."""
    network: str | None = None
    """The name of the user's file that trains in its place, safe to print; else None."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of the list. Its strings are safe to print."""

    name: str
    path: Path
    state: RunStateName
    reason: str = ""
    """The damage, or why an engine failed, in one line; else empty."""
    created: datetime | None = None
    """Time of creation in UTC; this and the next fields are None if `config.json` can't be read."""
    dataset: str | None = None
    recipe: RecipeName | None = None
    hidden: tuple[int, ...] | None = None
    epochs_planned: int | None = None
    engines: tuple[EngineSummary, ...] = ()
    """The engines of the run."""
    is_held: bool = False
    """Whether a process holds the run's lock, perhaps after its end: no other process may change
    it."""
    parent: str | None = None
    """Name, then, of the run that a branch began from; None for other runs."""
    id: str = ""
    """Of the run; empty in runs of older versions."""
    parent_id: str = ""
    """Of the run that a branch began from, if it has one."""
    optimizer: OptimizerName | None = None
    learning_rate: float | None = None
    batch_size: int | None = None


_NAMES = (MANIFEST_NAME, PLAN_NAME, METRICS_NAME, RESULT_NAME)
"""The files that determine a line of the list."""

_MEND_RESULT = "delete it and resume the run to write it again"

_Stamp = tuple[object, ...]


class RunIndex:
    """Lists the runs of one folder. Not thread-safe.

    A thousand runs take 0.16 s the first time; later, checking for changes takes a fifth of that.

    Args:
        saved: the folder of all runs, which need not exist.
    """

    def __init__(self, saved: Path) -> None:
        self.saved = saved
        self._known: dict[Path, tuple[_Stamp, RunSummary]] = {}

    def read(self) -> list[RunSummary]:
        """Return the same as `list_runs`.

        Raises:
            RunError: `saved` itself can't be read.
        """
        known, self._known = self._known, {}
        for folder in run_folders(self.saved):
            # The stamp first: changes during the reading are then read next time.
            stamp = _stamp(folder)
            before = known.get(folder)
            summary = before[1] if before and before[0] == stamp else summarize_run(folder)
            self._known[folder] = stamp, summary
        return newest_first(summary for _, summary in self._known.values())


def _stamp(folder: Path) -> _Stamp:
    """Return a value that changes whenever a run's line in the list may change."""
    return (is_locked(folder), *(_file_stamp(f"{folder}/{name}") for name in _NAMES))


def _file_stamp(path: str) -> tuple[int, int, int] | str:
    try:
        found = os.stat(path)  # noqa: PTH116 - 3,000 Path objects take as long as the calls
    except OSError as error:
        return str(error.strerror)
    return found.st_mtime_ns, found.st_size, found.st_ino


def list_runs(saved: Path) -> list[RunSummary]:
    """List the runs under `saved`, newest first, damaged ones without a date last.

    Reads `config.json`, the end of `metrics.jsonl` and `result.json` of each run, no weights. An
    unreadable folder is listed as damaged. If `saved` does not exist, there are no runs.

    Raises:
        RunError: `saved` itself can't be read.
    """
    return newest_first(summarize_run(folder) for folder in run_folders(saved))


def run_folders(saved: Path) -> list[Path]:
    """Return the folders of runs that mlpwatch trains: no hidden ones, sweeps or watched loops.

    Raises:
        RunError: `saved` itself can't be read.
    """
    return [one for one in all_folders(saved) if not (is_group(one) or is_watched(one))]


def group_folders(saved: Path) -> list[Path]:
    """Return the folders of sweeps under `saved`, in the order of their names.

    Raises:
        RunError: `saved` itself can't be read.
    """
    return sorted(folder for folder in all_folders(saved) if is_group(folder))


def is_group(folder: Path) -> bool:
    """Return whether this is the folder of a sweep, whose folders are its runs."""
    path = str(folder)
    # os.path: a list of 1,000 runs checks 1,000 folders.
    has_mark = os.path.isfile(f"{path}/{GROUP_NAME}")  # noqa: PTH113
    return has_mark and not os.path.lexists(f"{path}/{MANIFEST_NAME}")


def all_folders(saved: Path) -> list[Path]:
    """Return all folders under `saved` but the hidden ones; in no order.

    Raises:
        RunError: `saved` itself can't be read.
    """
    try:
        folders = [entry for entry in saved.iterdir() if not entry.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(
            f"{printable(saved)}: {error.strerror}; give another folder with --saved"
        ) from None
    return [folder for folder in folders if _is_folder(folder)]


def find_run(saved: Path, name_or_path: str) -> Path:
    """Return the folder of a run by its name under `saved`, `GROUP/TRIAL` or just its path.

    Raises:
        RunError: no such folder, or it is that of a sweep or of a watched loop.
    """
    path = find_folder(saved, name_or_path)
    if is_watched(path):
        text = "a loop watched by mlpwatch.watch(); attach, order, status and tail take it"
        raise RunError(f"{name_or_path!r}: {text}")
    if is_group(path):
        name = printable(path.name)
        raise RunError(
            f"{name_or_path!r}: a sweep of several runs; name one of them as {name}/TRIAL, or see "
            f"all with mlpwatch compare {name}"
        )
    return path


def find_folder(saved: Path, name_or_path: str) -> Path:
    """Return the folder of a run or of a sweep, as `find_run`.

    Raises:
        RunError: no such folder.
    """
    given = Path(name_or_path)
    is_name = name_or_path == given.name or _is_trial(saved, given)
    candidates = [saved / given, given] if is_name else [given]
    try:
        path = next((path for path in candidates if name_or_path and path.is_dir()), None)
    except OSError as error:
        raise RunError(f"run '{printable(given)}': {error.strerror}; see mlpwatch runs") from None
    if path is None:
        names = [folder.name for folder in all_folders(saved)]
        near = get_close_matches(name_or_path, map(printable, names), n=1)
        hint = f"did you mean {near[0]}?" if near else "see mlpwatch runs"
        raise RunError(
            f"run '{printable(name_or_path)}': not found under {printable(saved)}; {hint}"
        )
    # `mlpwatch resume .` inside a run folder needs a name to show.
    return path if path.name not in ("", "..") else path.resolve()


def parent_folder(folder: Path, parent: ParentEpoch) -> Path | None:
    """Return the folder of a branch's parent, which lies beside its own; None if it is gone.

    The parent's id decides, so that a renamed parent is found, and another run that has taken its
    name is not. A parent of an older version has no id and is found by its name.

    Args:
        folder: of the branch.
        parent: as the branch knows it.
    """
    named = folder.parent / Path(parent.run).name
    if not parent.id:
        return named if parent.run == named.name and named.is_dir() else None
    try:
        candidates = [named, *run_folders(folder.parent)]
    except RunError:
        candidates = [named]
    for candidate in candidates:
        with suppress(RunError):
            if read_manifest(candidate).id == parent.id:
                return candidate
    return None


def newest_first(runs: Iterable[RunSummary]) -> list[RunSummary]:
    """Sort runs by date, newest first, damaged ones without a date last."""
    return sorted(runs, key=_age)


def summarize_run(folder: Path) -> RunSummary:
    """Return one run's line of the list; it names any fault of the folder."""
    name = printable(folder.name)
    try:
        manifest = read_manifest(folder)
        result = read_result(folder / RESULT_NAME)
        newest = MetricsLog(folder / METRICS_NAME).newest(manifest.config.engine_names)
        return _summary(name, folder, manifest, newest, result)
    except RunError as error:
        return RunSummary(name, folder, "damaged", str(error))
    except (ValueError, ArithmeticError, MemoryError) as error:
        # Only the result is parsed here, but no faulty run may break the whole list.
        reason = f"{printable(folder / RESULT_NAME)}: {printable(error)}; {_MEND_RESULT}"
        return RunSummary(name, folder, "damaged", reason)


def read_result(path: Path) -> dict[str, Any] | None:
    """Read `result.json`; None if the run has not ended.

    Raises:
        RunError: the file can't be read or is damaged.
    """
    try:
        return read_object(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        fault = str(error.strerror)
    except ValueError as error:
        fault = printable(error)
    raise RunError(f"{printable(path)}: {fault}; {_MEND_RESULT}")


def _is_trial(saved: Path, given: Path) -> bool:
    """Return whether a path is `GROUP/TRIAL`, a folder in that of a sweep under `saved`."""
    group, *_ = given.parts or ("",)
    return len(given.parts) == 2 and ".." not in given.parts and is_group(saved / group)  # noqa: PLR2004


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        # We may not read it: it is listed as damaged.
        return True


def _summary(
    name: str,
    folder: Path,
    manifest: RunManifest,
    newest: Mapping[EngineName, EpochRecord],
    result: Mapping[str, Any] | None,
) -> RunSummary:
    config = manifest.config
    ends = _ends(result, config.engine_names)
    engines = tuple(
        _engine(name, newest.get(name), ends.get(name), config) for name in config.engine_names
    )
    done = [engine.epochs_done for engine in engines]
    failure = "; ".join(text for name, end in ends.items() if (text := _failure(name, end)))
    is_whole = result is not None and min(done) >= config.epochs
    is_held = is_locked(folder)
    # A result means that the run has ended, even if its process still shows it: a resume removes
    # the result before its first step.
    state: RunStateName = "failed" if failure else "finished" if is_whole else "stopped"
    if is_held and result is None:
        state = "training"
    return RunSummary(
        name,
        folder,
        state=state,
        reason=failure if state == "failed" else "",
        created=manifest.created,
        dataset=printable(manifest.dataset.name),
        recipe=config.recipe,
        hidden=config.hidden,
        parent=printable(manifest.parent.run) if manifest.parent else None,
        id=manifest.id,
        parent_id=manifest.parent.id if manifest.parent else "",
        optimizer=config.optimizer,
        learning_rate=config.learning_rate,
        batch_size=config.batch_size,
        # A run that was resumed with more epochs has done more than its first plan.
        epochs_planned=max(config.epochs, *done),
        engines=engines,
        is_held=is_held,
    )


def _ends(
    result: Mapping[str, Any] | None, engines: Iterable[EngineName]
) -> dict[EngineName, dict[str, Any]]:
    """Return each engine's part of a result.

    Raises:
        JsonError: it is not one of our results.
    """
    if result is None:
        return {}
    found = take_object(result, "engines")
    return {name: take_object(found, name) for name in engines if name in found}


def _failure(name: EngineName, end: Mapping[str, Any]) -> str:
    """Return how an engine diverged or failed, in one line; empty if it did not.

    Raises:
        JsonError: a field is invalid.
    """
    reason = take_choice({"ended": "finished", **end}, "ended", END_REASONS)
    detail = take_text({"detail": "", **end}, "detail")
    if reason not in ("diverged", "failed"):
        return ""
    return printable(f"{name} {reason}: {detail}" if detail else f"{name} {reason}")


def _engine(
    engine: EngineName, record: EpochRecord | None, end: Mapping[str, Any] | None, config: RunConfig
) -> EngineSummary:
    """Raise JsonError if the accuracy is invalid."""
    title = config.treatment.describe(engine) if config.treatment else config.title(engine)
    return EngineSummary(
        engine,
        epochs_done=record.epoch if record else 0,
        val_accuracy=_known(record.val_accuracy) if record else None,
        test_accuracy=_known(take_share({"test_accuracy": None, **(end or {})}, "test_accuracy")),
        network=excerpt(title) if title != TITLES[engine] else None,
    )


def _known(share: float) -> float | None:
    return None if math.isnan(share) else share


def _age(run: RunSummary) -> tuple[float, str]:
    return (-run.created.timestamp() if run.created else math.inf, run.name)
