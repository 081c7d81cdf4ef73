"""What several screens say about a run: the header, and the gap between the two models."""

from math import isfinite
from typing import TYPE_CHECKING

from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.core.spectating import looks_only
from mlpwatch.tui import formatting
from mlpwatch.tui.kit.theme import Role, Text
from mlpwatch.tui.state.watch import SPEEDS, Watch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlpwatch.core.config import RunConfig
    from mlpwatch.core.events import DifferenceFound, GapMeasured
    from mlpwatch.tui.state.run_state import EngineView, RunState


def header(watch: Watch, cost: str = "") -> tuple[Text, Text]:
    """Return the first row: what is trained at the left; limit, time and cost at the right.

    Args:
        watch: the run that is followed.
        cost: what drawing the screen costs; may be empty.
    """
    state, session = watch.state, watch.session
    is_named = session is not None and (watch.is_view or session.run.host)
    name = session.run.name if session is not None and is_named else "mlpwatch"
    left = [(f" {name}", Role.STRONG)]
    if session is None or state is None:
        return [*left, (f"  {watch.loading} …", Role.DIM), (f"  {watch.held}", Role.WARNING)], []
    if past := watch.shown.title(state.epochs):
        left.append((f"  {past}", Role.WARNING))
    if watch.is_loop:
        named = "" if session.run.host else f"{session.run.name} · "
        return [*left, (f"  {named}watched loop", Role.TEXT)], _right(watch, cost)
    config, data = session.config, session.dataset
    sizes = "-".join(str(n) for n in (data.features, *config.hidden, data.classes))
    facts = [data.name, sizes, config.activation, config.optimizer, config.recipe]
    if config.treatment is not None:
        facts[-1] = config.treatment.describe("torch")
    left.append(("  " + " · ".join(facts), Role.TEXT))
    return left, _right(watch, cost)


def _right(watch: Watch, cost: str) -> Text:
    """Return limit, time, cost and settings."""
    state, session = watch.state, watch.session
    right: Text = []
    if state is None or session is None:
        return right
    if session.lockstep and not state.ended:
        right.append((formatting.with_keys("lockstep, {=} ends it "), Role.WARNING))
    if watch.limit is not None and not state.ended:
        does = "lifts" if watch.limit_is_automatic else "raises"
        gap = "  " if right else ""
        way = "" if looks_only() else formatting.with_keys(f", {{]}} {does} it")
        right.append((f"{gap}limit {watch.limit:g} steps/s{way} ", Role.WARNING))
    time = formatting.elapsed_and_left(state.seconds, state.seconds_left)
    right.append((f"  {time} ", Role.DIM))
    if cost:
        right.append((f"   {cost} ", Role.DIM))
    # Last, so that it is left out first if there is no room.
    step = max(engine.step for engine in state.engines.values())
    config = session.config
    shown = state.engines if config.treatment is None else ENGINE_NAMES[:1]
    rates = [session.learning_rate(name) for name in shown]
    settings = settings_text(config, step, state.planned_steps, rates)
    if watch.is_loop:
        # Nothing else is known of it.
        settings = f"rate {rates[0]:.2g}" if isfinite(rates[0]) else ""
    right.append((f"   {settings} ", Role.DIM))
    return right


def settings_text(
    config: "RunConfig", step: int, total_steps: int, rates: "Iterable[float]"
) -> str:
    """Return the learning rates of a step, schedule, batch size, weight decay and dropout.

    Args:
        config: of the run.
        step: steps done.
        total_steps: of the whole run.
        rates: η₀ of each model now; equal ones are shown once.
    """
    # Not at the top: NumPy is not imported before the first frame.
    from mlpwatch.core.network.optimizers import learning_rate_at  # noqa: PLC0415

    # The schedule is a factor of η₀.
    factor = learning_rate_at(min(step, total_steps), max(1, total_steps), config)
    factor /= config.learning_rate
    rate = ", ".join(f"{one * factor:.2g}" for one in dict.fromkeys(rates))
    schedule = "" if config.schedule == "constant" else f" {config.schedule}"
    parts = [f"rate {rate}{schedule}", f"batch {config.batch_size}"]
    if config.weight_decay:
        parts.append(f"decay {config.weight_decay:g}")
    if config.dropout or config.input_dropout:
        parts.append(f"dropout {config.dropout:g}, input {config.input_dropout:g}")
    return " · ".join(parts)


def gap_text(gap: "GapMeasured") -> str:
    """Return the largest differences after an epoch, short enough for 80 columns."""
    return (
        f"after epoch {gap.epoch} weights at most {gap.weight_difference:.1e} apart, "
        f"losses {gap.loss_difference:.1e}"
    )


def has_same_rates(state: "RunState") -> bool:
    """Return whether all models have learned at the same rates, step by step."""
    changes = [
        [(change.step, change.learning_rate) for change in engine.rate_changes]
        for engine in state.engines.values()
    ]
    return all(one == changes[0] for one in changes)


def parted_text(state: "RunState", config: "RunConfig") -> str:
    """Return why both models are apart though their steps are equal; empty if they are not.

    Short enough for 80 columns.
    """
    is_apart = state.has_parted and state.gaps and config.treatment is None
    if not is_apart or state.outside is not None:
        return ""
    if not has_same_rates(state):
        return ""
    kinks = {"relu": "ReLU's kinks", "leaky-relu": "leaky ReLU's kinks"}
    why = kinks.get(config.activation, "training")
    apart, grown = f"{state.one_step:.1e}", f"{state.gaps[-1].weight_difference:.0e}"
    told = f"one step differs by {apart} at most (rounding); {why} made {grown} of it"
    return told.replace("e-0", "e-")


def cause_text(found: "DifferenceFound", config: "RunConfig") -> str:
    """Return which model differs, since when, why, and in which tensor first."""
    # Not at the top: the first frame needs none of it.
    from mlpwatch.core.checking.findings import factor_text  # noqa: PLC0415

    factor = factor_text(found.factor)
    why = f"{found.code}, factor {factor}" if factor else found.code
    who = config.title(found.differs)
    # The tensor is last: narrow screens cut the end.
    return f"{who} differs since step {found.step:,}: {why}; first: {found.tensor}"


GOES_BACK = formatting.with_keys("{B} goes back, half the rate")
"""What the key offers after a loss spike; the key comes first, since narrow screens cut the end."""


def spike_text(engine: "EngineView") -> str:
    """Return how far a model's loss is up and since when; short enough for 80 columns."""
    spikes = engine.spikes
    since = f"since step {(spikes.began or 0) + 1:,}"
    if not isfinite(spikes.times):
        return f"{engine.title}'s loss is not finite {since}"
    return f"{engine.title}'s loss is {spikes.times:.1f} x its median {since}"


NETWORK_ACTIONS = ("explain", "weights", "layers", "draw", "branch", "go_back")
"""Actions that look into a network, or take its weights."""

RUN_ACTIONS = ("toggle_pause", "step", "faster", "slower", "stop")
"""Actions on a run that have keys on every screen."""


def _why_no_network(watch: Watch, action: str) -> str:
    if watch.is_loop:
        return "a watched loop keeps its network to itself"
    if action in ("branch", "go_back") and watch.session and (host := watch.session.run.host):
        from mlpwatch.core.runs.layout import name_there  # noqa: PLC0415 - likewise

        name = name_there(watch.session.run.name, host)
        return f"on {host}, from a shell: mlpwatch branch {name} --at EPOCH"
    why = "nothing to draw: the inputs are points of two numbers, not images"
    return why * (action == "draw" and watch.are_points)


def _ended_text(watch: Watch) -> str:
    if watch.of_sweep:
        return "this trial has ended"
    if watch.is_loop:
        return "this loop has ended; only its own program can start it again"
    if watch.session and (host := watch.session.run.host):
        from mlpwatch.core.runs.layout import continuation  # noqa: PLC0415 - likewise

        return f"this run has ended; {continuation(watch.session.run.name, host)}"
    way = "escape, then c," if watch.is_view else "r, then c,"
    return f"this run has ended; {way} trains it further"


def why_not(watch: Watch, action: str) -> str:
    """Return why an action on the run would have no effect now; empty if it has one."""
    state = watch.state
    if action in NETWORK_ACTIONS:
        return _why_no_network(watch, action)
    if state is None:
        return ""
    if state.ended:
        return _ended_text(watch)
    is_paused = any(engine.phase == "paused" for engine in state.engines.values())
    if action == "step" and not is_paused:
        return formatting.with_keys("{space} pauses; then {.} trains one batch")
    if action == "faster" and watch.limit is None:
        return formatting.with_keys("no speed limit is set; {[} sets one")
    if action == "slower" and watch.limit == SPEEDS[0]:
        return f"{SPEEDS[0]} step per second is the lowest limit"
    return ""
