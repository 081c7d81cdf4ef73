"""`mlpwatch runs`: the saved runs as a table or as JSON."""

import json
from pathlib import Path
from typing import Any

from rich.cells import cell_len, set_cell_size

from mlpwatch.core.runs.listing import EngineSummary, RunSummary, list_runs
from mlpwatch.core.text import printable

_HEADINGS = ("run", "data", "recipe", "hidden", "epochs", "NumPy", "PyTorch", "state")


def runs_as_text(saved: Path) -> str:
    """Return the runs under `saved`, newest first, as an aligned table."""
    found = list_runs(saved)
    if not found:
        return f"no runs in {printable(saved)}"
    rows = [_HEADINGS, *(_row(run) for run in found)]
    # In cells: a Chinese or Japanese character takes two.
    widths = [max(cell_len(row[n]) for row in rows) for n in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(
            set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def runs_as_json(saved: Path) -> str:
    """Return the runs under `saved`, newest first, as one JSON array."""
    return json.dumps([_object(run) for run in list_runs(saved)], indent=2)


def _row(run: RunSummary) -> tuple[str, ...]:
    hidden = "-".join(str(width) for width in run.hidden or ()) or "–"
    by_name = {engine.engine: engine for engine in run.engines}
    done = max((engine.epochs_done for engine in run.engines), default=0)
    epochs = f"{done}/{run.epochs_planned}" if run.epochs_planned else "–"
    state = f"{run.state}: {run.reason}" if run.reason else run.state
    accuracies = (_accuracy(by_name.get("numpy")), _accuracy(by_name.get("torch")))
    return (run.name, run.dataset or "–", run.recipe or "–", hidden, epochs, *accuracies, state)


def _accuracy(engine: EngineSummary | None) -> str:
    """Return the test accuracy of an ended run, otherwise the last validation accuracy."""
    if engine is None:
        return "–"
    if engine.test_accuracy is not None:
        return f"{engine.test_accuracy:.2%} test"
    return "–" if engine.val_accuracy is None else f"{engine.val_accuracy:.2%} val"


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
        "epochs": run.epochs_planned,
        "engines": {
            engine.engine: {
                "epochs_done": engine.epochs_done,
                "val_accuracy": engine.val_accuracy,
                "test_accuracy": engine.test_accuracy,
            }
            for engine in run.engines
        },
    }
