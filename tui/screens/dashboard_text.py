"""What the dashboard says in words: header, a standing note, the cell under the cursor."""

from core.config import RunConfig
from core.telemetry import GapMeasured
from tui import formatting
from tui.formatting import TITLES
from tui.palette import Role
from tui.run_state import RunState
from tui.watch import Watch

Text = list[tuple[str, Role]]


def header(watch: Watch, cost: str = "") -> tuple[Text, Text]:
    """Return the first row: what is trained at the left; limit, time and cost at the right.

    Args:
        watch: the session that is followed.
        cost: what the screen costs; may be empty.
    """
    state, session = watch.state, watch.session
    left = [(" mlpwatch", Role.STRONG)]
    if session is None or state is None:
        return [*left, (f"  {watch.loading} …", Role.DIM)], []
    config, data = session.config, session.dataset
    sizes = "-".join(str(n) for n in (data.features, *config.hidden, data.classes))
    facts = [data.name, sizes, config.activation, config.optimizer, config.recipe]
    left.append(("  " + " · ".join(facts), Role.TEXT))
    right = []
    if watch.limit is not None and not state.ended:
        does = "lifts" if watch.limit_is_automatic else "raises"
        right.append((f"limit {watch.limit:g} steps/s, ] {does} it ", Role.WARNING))
    time = formatting.elapsed_and_left(state.seconds, state.seconds_left)
    right.append((f"  {time} ", Role.DIM))
    if cost:
        right.append((f"   {cost} ", Role.DIM))
    return left, right


def message(watch: Watch, cell: Text, epoch: int | None) -> Text:
    """Return the row above the footer: what is read out, the newest event, or a standing note.

    Args:
        watch: the session that is followed.
        cell: what the one under the matrix's cursor counts, if that panel is in use.
        epoch: where the charts' crosshair stands, if it does.
    """
    state, session = watch.state, watch.session
    if state is None or session is None:
        return []
    news = [(f" {state.message}", Role.BAD if state.message_is_bad else Role.DIM)]
    if state.message_is_new:
        return news
    if cell:
        return cell
    if epoch is not None and (text := difference_text(state, epoch)):
        return [(f" {text}", Role.TEXT)]
    if state.message:
        return news
    return [(f" {standing_note(state, session.config, session.dataset.classes)}", Role.DIM)]


def difference_text(state: RunState, epoch: int) -> str:
    """Return how far apart both models were after an epoch; empty for one model alone."""
    if len(state.engines) == 1:
        return ""
    points = {
        name: next((p for p in engine.epochs if p.epoch == epoch), None)
        for name, engine in state.engines.items()
    }
    if missing := [TITLES[name] for name, point in points.items() if point is None]:
        return f"epoch {epoch} · {' and '.join(missing)} not there yet"
    first, second = (point for point in points.values() if point is not None)
    train = first.train_loss - second.train_loss
    validation = first.validation_loss - second.validation_loss
    accuracy = (first.validation_accuracy - second.validation_accuracy) * 100
    names = " − ".join(TITLES[name] for name in points)
    return (
        f"epoch {epoch} · {names}: loss {train:+.1e}, val {validation:+.1e}, "
        f"accuracy {accuracy:+.2f} %"
    )


def standing_note(state: RunState, config: RunConfig, classes: int) -> str:
    """Return what tells the two models apart, or how little does."""
    if len(state.engines) == 1:
        return ""
    if config.loss == "mse" and config.torch_loss_mean == "element":
        # The key first: narrow screens cut the end.
        return (
            f"e explains: NumPy's loss sums over the {classes} classes, nn.MSELoss() averages, "
            f"so PyTorch's gradient is {classes} times smaller"
        )
    if state.gaps:
        return f"o charts the gap: {gap_text(state.gaps[-1])}"
    return "both start from the same weights and see the same batches"


def gap_text(gap: GapMeasured) -> str:
    """Return the largest differences after an epoch."""
    return (
        f"after epoch {gap.epoch} no weight differs by more than {gap.weight_difference:.1e}, "
        f"the losses by {gap.loss_difference:.1e}"
    )
