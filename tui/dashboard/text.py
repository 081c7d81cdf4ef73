"""The row above the dashboard's footer: values at the crosshair, newest event, or a note."""

from typing import TYPE_CHECKING

from mlpwatch.core.config import RunConfig
from mlpwatch.tui.charts.chart_data import ChartOptions
from mlpwatch.tui.dashboard.crosshair import loss_difference, place, reading_at
from mlpwatch.tui.formatting import with_keys
from mlpwatch.tui.kit.run_text import GOES_BACK, cause_text, gap_text, parted_text, spike_text
from mlpwatch.tui.kit.theme import Role, Text
from mlpwatch.tui.state.watch import Watch

if TYPE_CHECKING:
    from mlpwatch.tui.state.run_state import RunState


def message(watch: Watch, cell: Text, options: ChartOptions, step: int | None) -> Text:
    """Return the row above the footer: looked-up values, the newest event, or a permanent note.

    Args:
        watch: the run that is followed.
        cell: counts of the cell under the matrix's cursor, if that panel is in use.
        options: of the charts.
        step: the crosshair's step, if any.
    """
    state, session = watch.state, watch.session
    if state is None or session is None:
        return []
    if waits := watch.waiting_text:
        return [(f" {waits}", Role.WARNING)]
    text, spiked = state.message_on("dashboard"), state.spiked
    if spiked is not None and (not text or state.message_is_bad):
        # Why it diverged is the message; a spike of one that trains has none. The key replaces the
        # message's advice, a lower learning rate: both do not fit into 140 columns.
        why = text.partition("; try ")[0] or spike_text(spiked)
        return [(f" {GOES_BACK}: {why}", Role.WARNING)]
    news = [(f" {text}", Role.BAD if state.message_is_bad else Role.DIM)]
    if text and state.message_is_new:
        return news
    if cell:
        return cell
    if step is not None and (difference := difference_text(state, options, step)):
        return [(f" {difference}", Role.TEXT)]
    if text:
        return news
    return [(f" {standing_note(state, session.config)}", Role.DIM)]


def before_spike(watch: Watch) -> tuple[int, float, str] | None:
    """Return what a branch from before a loss spike begins with; None without a spike.

    Returns:
        Epochs done, half of the learning rate then in force, and why it is proposed.
    """
    state, session = watch.state, watch.session
    if state is None or session is None or (engine := state.spiked) is None:
        return None
    began = engine.spikes.began or 0
    rate = engine.learning_rate_at(began, session.config.of(engine.name).learning_rate) / 2
    why = f"{spike_text(engine)}: from before it, with half the learning rate."
    return began // state.epoch_steps, rate, why


def difference_text(state: "RunState", options: ChartOptions, step: int) -> str:
    """Return how much both models differed at a step; empty for a single model."""
    if len(state.engines) == 1:
        return ""
    read = {name: reading_at(engine, options, step) for name, engine in state.engines.items()}
    if missing := [state.titles[name] for name, one in read.items() if one is None]:
        return f"{place(step, state)} · {' and '.join(missing)} not there yet"
    first, second = (one for one in read.values() if one is not None)
    parts = []
    one, other = state.engines.values()
    if difference := loss_difference(one, other, options, step):
        mean = f" ({difference[1]:,} steps)" if difference[1] > 1 else ""
        parts.append(f"loss {difference[0]:+.1e}{mean}")
    else:
        parts.append("no loss of the same steps")
    if first.epoch and second.epoch and first.epoch.epoch == second.epoch.epoch:
        validation = first.epoch.val_loss - second.epoch.val_loss
        accuracy = (first.epoch.val_accuracy - second.epoch.val_accuracy) * 100
        parts += [f"val {validation:+.1e}", f"accuracy {accuracy:+.2f} points"]
    names = " − ".join(state.titles[name] for name in read)
    return f"{place(step, state)} · {names}: {', '.join(parts)}"


def standing_note(state: "RunState", config: RunConfig) -> str:
    """Return how the two models differ, or how little."""
    if len(state.engines) == 1:
        return ""
    # The key comes first: narrow screens cut the end.
    if state.difference is not None:
        return f"e: {cause_text(state.difference, config)}"
    if state.outside is not None:
        apart, limit = state.outside.difference, state.outside.rounding
        return (
            f"step {state.outside.step:,} of both differs by {apart:.1e}, rounding makes at most "
            f"{limit:.1e}"
        )
    if parted := parted_text(state, config):
        return f"o: {parted}"
    if state.gaps:
        return with_keys("{o} charts the gap: ") + gap_text(state.gaps[-1])
    begin = "both start from the same weights and see the same batches"
    return f"{begin}; {config.treatment.describe('torch')}" if config.treatment else begin
