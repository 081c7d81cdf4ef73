"""How any run stands, ours or a watched loop, and the lines of its log, for scripts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from mlpwatch.core.errors import RunError
from mlpwatch.core.files.line_file import LineTail
from mlpwatch.core.files.strict_json import parse_object, to_json
from mlpwatch.core.monitor.follower import LoopState, summarize_loop, summarize_loops
from mlpwatch.core.runs.layout import (
    EVENTS_NAME,
    LOOP_LOG_NAME,
    METRICS_NAME,
    RESULT_NAME,
    is_watched,
)
from mlpwatch.core.runs.listing import (
    RunSummary,
    find_folder,
    is_group,
    list_runs,
    summarize_run,
)
from mlpwatch.core.text import printable

LOOK_SECONDS = 0.25
"""Time between two looks at a run that is waited for; its logs are written every half second."""

_MOST_SHOWN = 8
"""Numbers of a line of text."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run stands."""

    found: RunSummary | LoopState

    @property
    def has_ended(self) -> bool:
        """Whether nobody trains it."""
        return self.found.state not in ("training", "paused")

    @property
    def exit_status(self) -> int:
        """0 for a run that has ended well, also if it was stopped; 1 if it failed or was killed."""
        found = self.found
        if isinstance(found, RunSummary) and found.state == "stopped":
            return 0 if (found.path / RESULT_NAME).exists() else 1
        return 0 if found.state in ("finished", "stopped") else 1

    def json_text(self) -> str:
        """Return it as one JSON object."""
        found = self.found
        return to_json(loop_json(found) if isinstance(found, LoopState) else _run_json(found))

    def line(self) -> str:
        """Return it in one line."""
        found = self.found
        state = f"{found.state}: {found.reason}" if found.reason else found.state
        if isinstance(found, LoopState):
            planned = found.manifest.epochs if found.manifest else None
            epochs = f"epoch {found.epoch}/{planned}" if planned else f"epoch {found.epoch}"
            numbers = [f"{name} {one:.4g}" for name, one in list(found.values.items())]
            parts = [f"{epochs}, step {found.step:,}", *numbers[:_MOST_SHOWN]]
            return "  ".join([found.name, state, *parts])
        done = [f"{one.engine} {one.epochs_done}" for one in found.engines]
        return f"{found.name}  {state}  epochs: {', '.join(done)} of {found.epochs_planned}"


@dataclass(frozen=True, slots=True)
class LogText:
    """One line of a run's log."""

    fields: Mapping[str, Any]

    def json_text(self) -> str:
        """Return it as one JSON object with a `kind`; an epoch of ours has none in its file."""
        return to_json(self.fields)

    def line(self) -> str:
        """Return its kind, then its numbers and texts by name."""
        values = self.fields.get("values")
        fields = {**self.fields, **(values if isinstance(values, dict) else {})}
        parts = [
            f"{printable(name)} {f'{one:.5g}' if isinstance(one, float) else printable(one)}"
            for name, one in fields.items()
            if not isinstance(one, dict | list) and name not in ("kind", "time")
        ]
        return "  ".join([f"{printable(fields['kind']):<8}", *parts])


def any_folder(saved: Path, name_or_path: str) -> Path:
    """Return the folder of a run or of a watched loop; see `find_folder`.

    Raises:
        RunError: no such folder, or it is that of a sweep.
    """
    path = find_folder(saved, name_or_path)
    if is_group(path):
        name = printable(path.name)
        raise RunError(f"{name_or_path!r}: a sweep; mlpwatch compare {name} shows how it stands")
    return path


def watched_loop(saved: Path, name_or_path: str | None) -> Path | None:
    """Return the folder of a watched loop; None for another run.

    Args:
        saved: the folder of all runs.
        name_or_path: None for the newest of all runs.

    Raises:
        RunError: no such folder.
    """
    if name_or_path is not None:
        path = find_folder(saved, name_or_path)
        return path if is_watched(path) else None
    loops = [one for one in summarize_loops(saved) if one.manifest is not None]
    if not loops or loops[0].manifest is None:
        return None
    began = [one.created for one in list_runs(saved) if one.created is not None]
    is_newest = all(loops[0].manifest.created > one for one in began)
    return loops[0].path if is_newest else None


def progress_of(path: Path) -> Progress:
    """Return how a run stands, from its folder.

    Raises:
        RunError: it is damaged.
    """
    found = summarize_loop(path) if is_watched(path) else summarize_run(path)
    if found.state == "damaged":
        raise RunError(found.reason)
    return Progress(found)


def wait_for(path: Path, seconds: float) -> Progress:
    """Return how a run stands at its end, or after so many seconds.

    Raises:
        RunError: it is damaged.
    """
    until = monotonic() + seconds
    while True:
        found = progress_of(path)
        left = until - monotonic()
        if found.has_ended or left <= 0:
            return found
        sleep(min(LOOK_SECONDS, left))


def log_lines(path: Path, last: int | None, *, follows: bool) -> Iterator[LogText]:
    """Yield the lines of a run's log, and those that come until it has ended.

    Args:
        path: of the folder.
        last: of the lines so far only so many; None for all.
        follows: whether to wait for more.

    Raises:
        RunError: it is damaged.
    """
    names = (LOOP_LOG_NAME,) if is_watched(path) else (EVENTS_NAME, METRICS_NAME)
    tails = [LineTail(path / name) for name in names]
    progress_of(path)
    first = list(_new_lines(tails))
    yield from first if last is None else first[max(0, len(first) - last) :]
    while follows:
        # Before the logs are read: they then have all that it wrote.
        ended = progress_of(path).has_ended
        yield from _new_lines(tails)
        if ended:
            return
        sleep(LOOK_SECONDS)


def _new_lines(tails: list[LineTail]) -> Iterator[LogText]:
    """Yield what was added; lines that are no JSON object are left out."""
    for tail in tails:
        while (lines := tail.read()) != []:
            if lines is None:
                # A resumed run has cut it: all of it follows again.
                yield LogText({"kind": "log rewritten"})
                continue
            for raw in lines:
                try:
                    yield LogText({"kind": "epoch", **parse_object(raw)})
                except ValueError:
                    continue


def loop_json(found: LoopState) -> dict[str, Any]:
    """Return how a watched loop stands, as `runs --json` and `status --json` print it."""
    manifest = found.manifest
    return {
        "run": found.name,
        "path": str(found.path),
        "kind": "watched",
        "state": found.state,
        "reason": found.reason,
        "created": manifest.created.isoformat() if manifest else None,
        "script": manifest.script if manifest else None,
        "step": found.step,
        "epochs_done": found.epoch,
        "epochs": manifest.epochs if manifest else None,
        "values": dict(found.values),
    }


def _run_json(found: RunSummary) -> dict[str, Any]:
    return {
        "run": found.name,
        "path": str(found.path),
        "kind": "run",
        "state": found.state,
        "reason": found.reason,
        "created": found.created.isoformat() if found.created else None,
        "epochs": found.epochs_planned,
        "engines": {
            one.engine: {
                "epochs_done": one.epochs_done,
                "val_accuracy": one.val_accuracy,
                "test_accuracy": one.test_accuracy,
            }
            for one in found.engines
        },
    }
