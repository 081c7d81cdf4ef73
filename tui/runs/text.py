"""What the runs screen says in words: of the selected run, and where there is none."""

from pathlib import Path

from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.core.text import printable
from mlpwatch.tui import formatting
from mlpwatch.tui.formatting import TITLES
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.theme import Role, Text
from mlpwatch.tui.runs.columns import ListedRun, hidden_text, when_text
from mlpwatch.tui.runs.run_list import RunList


def empty_text(saved: Path, runs: RunList, error: str, *, has_read: bool) -> tuple[str, Role]:
    """Return what stands in place of the list where it shows nothing."""
    if error:
        return error, Role.BAD
    if not has_read:
        return "reading …", Role.DIM
    if runs.count:
        return f"nothing matches '{printable(runs.filter)}'; escape shows all runs", Role.DIM
    return f"no runs in {printable(saved)} yet; mlpwatch trains one and saves it", Role.DIM


def selected_text(run: ListedRun | None, width: int) -> Text:
    """Return one line on a run: what is wrong with it, else what it is and how far it came.

    Where there is no room for both models, neither is told: the list has the one number of each.
    """
    if run is None:
        return []
    summary = run.summary
    if summary.reason:
        return [(f" {summary.reason}", Role.BAD)]
    facts = [when_text(summary), summary.dataset, summary.recipe, f"hidden {hidden_text(summary)}"]
    what: Text = [(" " + " · ".join(str(fact) for fact in facts), Role.TEXT)]
    both = [*what, *_progress(run)]
    return both if sum(len(text) for text, _ in both) <= width else what


def _progress(run: ListedRun) -> Text:
    pieces: Text = []
    for name in ENGINE_NAMES:
        engine = run.engine(name)
        if engine is None:
            continue
        known = [formatting.count(engine.epochs_done, "epoch")]
        for split, share in (("val", engine.val_accuracy), ("test", engine.test_accuracy)):
            if share is not None:
                known.append(f"{split} {share:.2%}")
        pieces += [(f"   {TITLES[name]} ", ACCENTS[name]), (", ".join(known), Role.TEXT)]
    return pieces
