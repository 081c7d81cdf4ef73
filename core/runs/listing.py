"""The list of saved runs, from the small files of each run folder."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from mlpwatch.core.config import ENGINE_NAMES, EngineName, RecipeName
from mlpwatch.core.errors import RunError
from mlpwatch.core.files.strict_json import read_object
from mlpwatch.core.runs.lock import is_locked
from mlpwatch.core.runs.manifest import RunCard, read_card
from mlpwatch.core.runs.metrics import MetricsLine, MetricsLog
from mlpwatch.core.text import printable

METRICS_NAME = "metrics.jsonl"
RESULT_NAME = "result.json"

RunStateName = Literal["training", "finished", "stopped", "failed", "damaged"]
"""By what the folder says: `training` where some process holds the run and nothing tells of an
end, `failed` where an engine diverged or broke."""


@dataclass(frozen=True, slots=True)
class EngineSummary:
    """How far one engine of a run came."""

    engine: EngineName
    epochs_done: int
    val_accuracy: float | None
    """Of the last epoch, 0 to 1; None before the first, and after a divergence."""
    test_accuracy: float | None
    """0 to 1; None before the end."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of the list. Its strings are safe to print."""

    name: str
    path: Path
    state: RunStateName
    reason: str = ""
    """What is damaged, or why an engine failed, in one line; else empty."""
    created: datetime | None = None
    """In UTC; None, like all that follows, where `config.json` can't be read."""
    dataset: str | None = None
    recipe: RecipeName | None = None
    hidden: tuple[int, ...] | None = None
    epochs_planned: int | None = None
    engines: tuple[EngineSummary, ...] = ()
    """Those that the run trains."""
    is_held: bool = False
    """Whether some process has the run open to train it, perhaps after its end: nobody else may
    change it."""


def list_runs(saved: Path) -> list[RunSummary]:
    """List the runs under `saved`, newest first, damaged ones without a date last.

    Reads `config.json`, the end of `metrics.jsonl` and `result.json` of each, no weights. A
    folder that can't be read is listed as damaged. A `saved` that does not exist has no runs.

    Raises:
        RunError: `saved` itself can't be read.
    """
    return newest_first(summarize_run(folder) for folder in run_folders(saved))


def run_folders(saved: Path) -> list[Path]:
    """Return the folders under `saved` that are no hidden ones, in no order.

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


def newest_first(runs: Iterable[RunSummary]) -> list[RunSummary]:
    """Sort runs by their date, damaged ones without a date last."""
    return sorted(runs, key=_age)


def summarize_run(folder: Path) -> RunSummary:
    """Return one run's line of the list; whatever is wrong with the folder is in the line."""
    name = printable(folder.name)
    try:
        card = read_card(folder)
        result = read_result(folder / RESULT_NAME)
        newest = MetricsLog(folder / METRICS_NAME).newest(card.config.engine_names)
    except RunError as error:
        return RunSummary(name, folder, "damaged", str(error))
    return _summary(name, folder, card, newest, result)


def read_result(path: Path) -> dict[str, Any] | None:
    """Read `result.json`; None where the run has not ended.

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
    raise RunError(f"{printable(path)}: {fault}; delete it and resume the run to make it anew")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        # Not ours to look into: listed, and as damaged.
        return True


def _summary(
    name: str,
    folder: Path,
    card: RunCard,
    newest: Mapping[EngineName, MetricsLine],
    result: Mapping[str, Any] | None,
) -> RunSummary:
    config = card.config
    engines = tuple(_engine(engine, newest, result) for engine in config.engine_names)
    done = [engine.epochs_done for engine in engines]
    failure = _failure(result)
    is_whole = result is not None and min(done) >= config.epochs
    is_held = is_locked(folder)
    # A result tells of an end, also while the process that trained still shows it: a run that
    # goes on has its result removed before the first step.
    state: RunStateName = "failed" if failure else "finished" if is_whole else "stopped"
    if is_held and result is None:
        state = "training"
    return RunSummary(
        name,
        folder,
        state=state,
        reason=failure if state == "failed" else "",
        created=card.created,
        dataset=printable(card.dataset.name),
        recipe=config.recipe,
        hidden=config.hidden,
        # A run that was resumed for longer has done more than its first plan.
        epochs_planned=max(config.epochs, *done),
        engines=engines,
        is_held=is_held,
    )


def _failure(result: Mapping[str, Any] | None) -> str:
    """Return which engines diverged or failed and why, in one line; empty where none did."""
    engines = _dig(result, "engines")
    found = []
    for name in ENGINE_NAMES if isinstance(engines, Mapping) else ():
        if (reason := _dig(engines, name, "ended")) in ("diverged", "failed"):
            detail = _dig(engines, name, "detail")
            found.append(f"{name} {reason}: {detail}" if detail else f"{name} {reason}")
    return printable("; ".join(found))


def _engine(
    engine: EngineName,
    newest: Mapping[EngineName, MetricsLine],
    result: Mapping[str, Any] | None,
) -> EngineSummary:
    line = newest.get(engine)
    return EngineSummary(
        engine,
        epochs_done=line.epoch if line else 0,
        val_accuracy=_share(line.val_accuracy) if line else None,
        test_accuracy=_share(_dig(result, "engines", engine, "test_accuracy")),
    )


def _dig(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _share(value: object) -> float | None:
    """Return a number from 0 to 1 as it is, anything else as None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and 0 <= value <= 1 else None


def _age(run: RunSummary) -> tuple[float, str]:
    return (-run.created.timestamp() if run.created else math.inf, run.name)
