"""`mlpwatch runs`: the saved runs as a table or as JSON."""

import json
from pathlib import Path
from typing import Any

from rich.cells import cell_len, set_cell_size

from mlpwatch.core.errors import RunError
from mlpwatch.core.files.strict_json import to_json
from mlpwatch.core.monitor.follower import summarize_loops
from mlpwatch.core.monitor.progress import Progress, loop_json
from mlpwatch.core.runs.listing import (
    EngineSummary,
    RunSummary,
    group_folders,
    list_runs,
)
from mlpwatch.core.sweeps.reading import GroupReader, group_state
from mlpwatch.core.text import printable
from mlpwatch.tui.runs.columns import batch_text, rate_text

_HEADINGS = (
    "run", "data", "recipe", "hidden", "optimizer", "rate", "batch", "epochs", "NumPy", "PyTorch",
    "state",
)  # fmt: skip

_LEFT_OUT_FIRST = ("batch", "optimizer", "rate", "data", "hidden")


def runs_as_text(saved: Path, width: int | None = None) -> str:
    """Return the runs under `saved`, newest first, as an aligned table.

    Args:
        saved: the folder of the runs.
        width: cells of the terminal, into which settings that do not fit are left out.
    """
    found, sweeps = list_runs(saved), [*_loop_lines(saved), *_sweep_lines(saved)]
    if not found:
        return "\n".join(sweeps) or f"no runs in {printable(saved)}"
    rows = [_HEADINGS, *(_row(run) for run in found)]
    # In cells: a Chinese or Japanese character takes two.
    columns = {
        heading: (n, max(cell_len(row[n]) for row in rows)) for n, heading in enumerate(_HEADINGS)
    }
    for heading in _LEFT_OUT_FIRST:
        if width is not None and sum(cells + 2 for _, cells in columns.values()) - 2 > width:
            del columns[heading]
    lines = [
        "  ".join(set_cell_size(row[n], cells) for n, cells in columns.values()).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, *sweeps])


def runs_as_json(saved: Path) -> str:
    """Return the runs under `saved`, newest first, as one JSON array."""
    watched = [json.loads(to_json(loop_json(loop))) for loop in summarize_loops(saved)]
    return json.dumps([*map(_object, list_runs(saved)), *watched], indent=2)


def _loop_lines(saved: Path) -> list[str]:
    """Return a line per watched loop: it has none of a run's settings."""
    return [f"watched {Progress(loop).line()}" for loop in summarize_loops(saved)]


def _sweep_lines(saved: Path) -> list[str]:
    """Return a line per sweep: its trials are no rows of the list."""
    lines = []
    for path in group_folders(saved):
        name = printable(path.name)
        try:
            state = group_state(GroupReader(path).read())
            lines.append(f"sweep {name}: {state}; mlpwatch compare {name} shows it")
        except RunError as error:
            lines.append(f"sweep {name}: {error}")
    return lines


def _row(run: RunSummary) -> tuple[str, ...]:
    hidden = "-".join(str(width) for width in run.hidden or ()) or "–"
    by_name = {engine.engine: engine for engine in run.engines}
    done = max((engine.epochs_done for engine in run.engines), default=0)
    epochs = f"{done}/{run.epochs_planned}" if run.epochs_planned else "–"
    state = f"{run.state}: {run.reason}" if run.reason else run.state
    accuracies = (_accuracy(by_name.get("numpy")), _accuracy(by_name.get("torch")))
    settings = (run.dataset or "–", run.recipe or "–", hidden, run.optimizer or "–")
    return (run.name, *settings, rate_text(run), batch_text(run), epochs, *accuracies, state)


def _accuracy(engine: EngineSummary | None) -> str:
    """Return the test accuracy of an ended run, otherwise the last validation accuracy."""
    if engine is None:
        return "–"
    if engine.test_accuracy is not None:
        text = f"{engine.test_accuracy:.2%} test"
    else:
        text = "–" if engine.val_accuracy is None else f"{engine.val_accuracy:.2%} val"
    return f"{text} {engine.network}" if engine.network else text


def _object(run: RunSummary) -> dict[str, Any]:
    return {
        "run": run.name,
        "path": str(run.path),
        "state": run.state,
        "reason": run.reason,
        "created": run.created.isoformat() if run.created else None,
        "dataset": run.dataset,
        "recipe": run.recipe,
        "hidden": run.hidden,
        "parent": run.parent,
        "optimizer": run.optimizer,
        "learning_rate": run.learning_rate,
        "batch_size": run.batch_size,
        "epochs": run.epochs_planned,
        "engines": {
            engine.engine: {
                "epochs_done": engine.epochs_done,
                "val_accuracy": engine.val_accuracy,
                "test_accuracy": engine.test_accuracy,
                **({"network": engine.network} if engine.network else {}),
            }
            for engine in run.engines
        },
    }
