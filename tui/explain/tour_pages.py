"""The tour's pages: forward, loss, backward, one unit, update, each with its numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Literal

from mlpwatch.core.config import RunConfig
from mlpwatch.tui.explain.choice import ShownStep
from mlpwatch.tui.explain.layout import Section
from mlpwatch.tui.explain.losses_text import differs_by_mean
from mlpwatch.tui.explain.source_lines import PageName
from mlpwatch.tui.explain.tour_formulas import (
    averaging_module,
    backward_formulas,
    forward_formulas,
    loss_formulas,
    update_formulas,
)
from mlpwatch.tui.explain.unit_text import source_kind, source_name, unit_formulas, unit_tables
from mlpwatch.tui.explain.weight_text import weight_rows
from mlpwatch.tui.formatting import clipped, three_digits
from mlpwatch.tui.kit.bars import share_bar
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.text_block import Row
from mlpwatch.tui.kit.theme import Role

if TYPE_CHECKING:
    from mlpwatch.core.analysis.step_trace import BatchPass, EngineTrace, LayerOutput, StepTrace

IMAGE_STEPS = (3, 3, 6, 12)
"""Images on the loss page: how many at least, and how many more while there is room."""

_TABLE_COLUMNS = 78
"""Width of the widest table; the bars are to its right."""

_FEWEST_BAR, _MOST_BAR = 10, 40

_NORM_COLUMNS = 22
"""Width of two norms with an arrow between them, or of their heading: at most 21 are used."""


@dataclass(frozen=True, slots=True)
class ShownPage:
    """The step that a page shows, and the page's size and look."""

    step: ShownStep
    width: int
    """Columns for the numbers."""
    height: int
    """Rows for numbers and pictures."""
    look: Look

    @property
    def classes(self) -> int:
        """Of the data set."""
        return self.step.dataset.classes


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the tour."""

    name: PageName
    title: str
    formulas: Callable[[RunConfig], Sequence[str]]
    sections: Callable[[ShownPage], list[Section]]
    """The numbers."""


def number(value: float) -> str:
    """Return three significant digits in nine columns: `0.130`, `1.23e-05`."""
    return f"{three_digits(value):>9}"


def _both(before: float, after: float | None, arrow: str, *, width: int = 8) -> str:
    """Return `before -> after`, in the same columns with or without `after`."""
    first = f"{three_digits(before):>{width}}"
    if after is None:
        return first + " " * (len(arrow) + width + 2)
    return f"{first} {arrow} {three_digits(after):<{width}}"


def _forward_sections(shown: ShownPage) -> list[Section]:
    trace, config = shown.step.trace, shown.step.config
    saturated = "dead" if config.activation == "relu" else "flat"
    rows: list[Row] = [
        [
            (" " * 25, Role.TEXT),
            *((f"{clipped(config.title(name), 26):<27}", ACCENTS[name]) for name in trace.engines),
        ],
        [
            (f"{'':<15}{'shape':>8}", Role.DIM),
            *((f"{'mean':>9}{'std':>9}{saturated:>9}", Role.DIM) for _ in trace.engines),
        ],
    ]
    passes = [one.before for one in trace.engines.values()]
    later = [one.after for one in trace.engines.values()]
    count = len(passes[0].outputs)
    for k in range(count):
        label = _layer_name(k, count - 1, shown.step)
        shape = _shape(passes[0].outputs[k].shape)
        cells = [(_output(one.outputs[k]), Role.TEXT) for one in passes]
        rows.append([(f"{label:<15}", Role.STRONG), (f"{shape:>8}", Role.DIM), *cells])
        # The input does not depend on the weights.
        if k and any(later):
            after = [(_output(one.outputs[k]) if one else " " * 27, Role.STRONG) for one in later]
            rows.append([(f"{'    after':<23}", Role.DIM), *after])
    # Images and logits alone have no such units.
    idle = shown.step.dataset.words(_IDLE_SAYS[saturated])
    says: list[Row] = [[(idle, Role.DIM)]] if config.hidden else []
    return [Section(rows), Section(says, 2)]


_IDLE_SAYS = {
    "dead": "dead: units above 0 on no image of the batch; nothing flows back through them",
    "flat": "flat: units whose derivative stays below 1 % of the steepest on every image",
}


def _layer_name(k: int, last: int, step: ShownStep) -> str:
    if k == 0:
        return step.dataset.words("A0  images")
    return f"Z{k - 1}  logits" if k == last else f"A{k}  {step.config.activation}"


def _output(one: "LayerOutput") -> str:
    saturated = "" if one.saturated is None else f"{one.saturated}/{one.shape[1]}"
    return f"{number(one.mean)}{number(one.std)}{saturated:>9}"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape)


def _loss_sections(shown: ShownPage) -> list[Section]:
    trace, arrow = shown.step.trace, _arrow(shown.look)
    share = "p" if shown.step.config.output_function == "softmax" else "a"
    traces = list(trace.engines.values())
    head: list[Row] = [
        [
            (f"{clipped(shown.step.config.title(name), 39):<40}", ACCENTS[name])
            for name in trace.engines
        ],
        [(f"label   {share + '[label]':<14}{'loss':>7}{'':11}", Role.DIM) for _ in traces],
    ]
    sections, first = [Section(head)], 0
    for rank, count in enumerate(IMAGE_STEPS):
        last = min(first + count, *(len(one.rows) for one in traces))
        rows: list[Row] = [
            [(_image(one, one.worst_first[n], arrow), Role.TEXT) for one in traces]
            for n in range(first, last)
        ]
        # Source and pictures come before the others.
        sections.append(Section(rows, (0, 5, 6, 7)[rank], is_joined=True))
        first = last
    means = [
        (f"{'mean of all':<22}{_loss(one.before.loss, _after_loss(one), arrow):<18}", Role.STRONG)
        for one in traces
    ]
    return [*sections, Section([means], is_joined=True)]


def _image(one: "EngineTrace", n: int, arrow: str) -> str:
    later = one.after
    p = _share(one.before, later, n, arrow)
    after = float(later.image_losses[n]) if later else None
    loss = _loss(float(one.before.image_losses[n]), after, arrow)
    return f"{int(one.labels[n]):>5}   {p:<14}{loss:<18}"


def _share(before: "BatchPass", after: "BatchPass | None", n: int, arrow: str) -> str:
    text = f"{float(before.label_probabilities[n]):.3f}"
    return f"{text} {arrow} {float(after.label_probabilities[n]):.3f}" if after else text


def _loss(before: float, after: float | None, arrow: str) -> str:
    text = f"{_fixed(before):>7}"
    return text if after is None else f"{text} {arrow} {_fixed(after)}"


def _fixed(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1e3 else f"{value:.1e}"  # noqa: PLR2004 - seven columns


def _after_loss(one: "EngineTrace") -> float | None:
    return one.after.loss if one.after else None


def _backward_sections(shown: ShownPage) -> list[Section]:
    trace, config = shown.step.trace, shown.step.config
    traces = list(trace.engines.values())
    norm, d = ("|g|", "d") if shown.look.ascii_only else ("‖g‖", "∂")
    most = _NORM_COLUMNS - 1
    heads = [
        (clipped(f"{norm} {title}'s weights", most).ljust(_NORM_COLUMNS), ACCENTS[name])
        for name, title in config.titles.items()
        if name in trace.engines
    ]
    versus = [("difference", Role.DIM)] if trace.differences else []
    rows: list[Row] = [[(f"{'':<12}{'shape':>8}  ", Role.DIM), *heads, *versus]]
    arrow = _arrow(shown.look)
    for k in reversed(range(len(traces[0].weight_norms))):
        fan_out, fan_in = traces[0].state.weights[f"layers.{k}.weight"].shape
        norms = [(_norm(one, k, arrow, "weight"), Role.TEXT) for one in traces]
        biases = [(_norm(one, k, arrow, "bias"), Role.DIM) for one in traces]
        difference = [(number(trace.differences[k]), Role.STRONG)] if trace.differences else []
        shape = (f"{_shape((fan_in, fan_out)):>8}  ", Role.DIM)
        bars = _bars(trace, [one.before.gradient_norms for one in traces], k, shown)
        rows.append([(f"{f'{d}L/{d}W{k}':<12}", Role.STRONG), shape, *norms, *difference, *bars])
        if config.bias:
            rows.append([(f"{f'{d}L/{d}b{k}':<12}{fan_out:>8}  ", Role.DIM), *biases])
    notes: list[Row] = []
    if trace.differences:
        times = f"{shown.classes} × " if differs_by_mean(config) else ""
        by_hand, autograd = "by hand", "autograd"
        if config.has_networks:
            by_hand, autograd = (clipped(config.title(name), 18) for name in config.engine_names)
        where = f"at {clipped(config.title('numpy'), 18)}'s weights, largest entry"
        text = f"difference: {by_hand} − {times}{autograd} {where}"
        notes.append([(text, Role.DIM)])
        if times:
            whose = averaging_module(config)
            text = f"{whose} divides by the {shown.classes} classes too: that factor is known"
            notes.append([(text, Role.DIM)])
    return [Section(rows), Section(notes, 1)]


def _bars(
    trace: "StepTrace", numbers: Sequence[Sequence[float]], k: int, shown: ShownPage
) -> list[tuple[str, Role]]:
    """Return a bar per model for its number of layer k, if there is room beside the table.

    Args:
        trace: has the models.
        numbers: of each model, by layer; the largest finite one fills its bar.
        k: the layer.
        shown: the page's width and look.
    """
    columns = min(_MOST_BAR, (shown.width - _TABLE_COLUMNS) // len(numbers) - 2)
    if columns < _FEWEST_BAR:
        return []
    most = max((n for layers in numbers for n in layers if isfinite(n)), default=0.0)
    return [
        (f"  {share_bar(layers[k] / most if most else 0.0, columns, shown.look):<{columns}}", role)
        for layers, role in zip(numbers, (ACCENTS[name] for name in trace.engines), strict=True)
    ]


def _norm(one: "EngineTrace", k: int, arrow: str, kind: Literal["weight", "bias"]) -> str:
    passes = [one.before, one.after] if one.after else [one.before]
    norms = [p.gradient_norms if kind == "weight" else p.bias_gradient_norms for p in passes]
    text = _both(norms[0][k], norms[1][k] if one.after else None, arrow)
    return f"{text:<{_NORM_COLUMNS}}"


_UNIT_ROWS, _UNIT_SOURCE_ROWS = 4, 7
"""Of the page of a unit: title, choice, formulas and what comes next; the source."""
_LARGE_PICTURE = 7
"""Rows of a name and a picture that leave little for numbers."""
_ROOMY = 24
"""Rows with which the pictures grow."""
_VERY_ROOMY = 32
"""Rows with which the source has room too."""
_MOST_TABLE_ROWS = 24


def _unit_sections(shown: ShownPage) -> list[Section]:
    side = shown.step.dataset.image_shape[0]
    # A name above half blocks; with many pixels two by two.
    fewest = 1 + (-(-side // 2) if side <= 16 else 7)  # noqa: PLR2004 - 8 rows of a picture
    room = shown.height - _UNIT_ROWS
    if room < _ROOMY and fewest > _LARGE_PICTURE:
        room += 1  # large pictures: rather a second term than what comes next
    source = _UNIT_SOURCE_ROWS if room >= _VERY_ROOMY else 0
    pictures = fewest if room < _ROOMY else max(fewest, room * 3 // 8)
    rows = min(_MOST_TABLE_ROWS, room - pictures - source)
    tables = unit_tables(shown.step, shown.width, rows, shown.look)
    formulas: list[Row] = [
        [(formula, Role.TEXT)] for formula in unit_formulas(shown.step, shown.look)
    ]
    room_rows: list[Row] = [[]] * (pictures + 1)
    return [Section(formulas, 2), Section(tables), Section(room_rows, is_room=True)]


def _update_sections(shown: ShownPage) -> list[Section]:
    trace, config = shown.step.trace, shown.step.config
    traces = list(trace.engines.values())
    w, d = ("|W|", "|dW|") if shown.look.ascii_only else ("‖W‖", "‖ΔW‖")
    rows: list[Row] = [
        [
            (" " * 18, Role.TEXT),
            *((f"{clipped(config.title(name), 28):<29}", ACCENTS[name]) for name in trace.engines),
        ],
        [
            (f"{'':<8}{'shape':>8}", Role.DIM),
            *((f"{w:>9}{d:>10}{d + '/' + w:>10}", Role.DIM) for _ in traces),
        ],
    ]
    shares = [
        [
            _ratio(change, norm)
            for change, norm in zip(one.update_norms, one.weight_norms, strict=True)
        ]
        for one in traces
    ]
    for k in range(len(traces[0].weight_norms)):
        shape = _shape(traces[0].state.weights[f"layers.{k}.weight"].shape[::-1])
        cells = [(_update(one, k), Role.TEXT) for one in traces]
        bars = _bars(trace, shares, k, shown)
        rows.append([(f"{f'W{k}':<8}", Role.STRONG), (f"{shape:>8}", Role.DIM), *cells, *bars])
    rates = [(f"{one.learning_rate:9.3g}{'':20}", Role.TEXT) for one in traces]
    rows.append([(f"{'rate':<16}" if shown.look.ascii_only else f"{'η':<16}", Role.STRONG), *rates])
    arrow = _arrow(shown.look)
    losses = [
        (f"  {_both(one.before.loss, _after_loss(one), arrow, width=7):<27}", Role.STRONG)
        for one in traces
    ]
    table, filled = weight_rows(shown.step, shown.look, shown.width)
    return [
        Section(rows),
        Section([[(f"{'batch loss':<16}", Role.STRONG), *losses]], 2),
        Section([_weight_title(shown), *table]),
        # The numbers before the bare formulas; of a second model only if there is room.
        *(Section(rows, 1 if n == 0 else 3) for n, rows in enumerate(filled)),
    ]


def _weight_title(shown: ShownPage) -> Row:
    step = shown.step
    layer, unit, _ = step.choice
    if step.weight is None:
        return [(f"the bias of unit {unit} of layer {layer}", Role.STRONG)]
    kind = source_kind(layer, step.dataset)
    source = source_name(step.weight, layer, step.dataset)
    text = f"the weight from {kind} {source} to unit {unit} of layer {layer}"
    first = next(iter(step.trace.engines.values()))
    count = first.state.weights[f"layers.{layer}.weight"].shape[1]
    ranked = f"  gradient number {step.weight_rank + 1} of {count}"
    return [(text, Role.STRONG), (ranked, Role.DIM)]


def _update(one: "EngineTrace", k: int) -> str:
    norm, change = one.weight_norms[k], one.update_norms[k]
    return f"{number(norm)} {number(change)} {number(_ratio(change, norm))}"


def _ratio(change: float, norm: float) -> float:
    return change / norm if norm else 0.0


def _arrow(look: Look) -> str:
    return "->" if look.ascii_only else "→"


def _no_formulas(_config: RunConfig) -> list[str]:
    """Return none: those of a unit depend on its layer, and come with its numbers."""
    return []


PAGES: tuple[Page, ...] = (
    Page("forward", "Forward: from the inputs to the logits", forward_formulas, _forward_sections),
    Page(
        "loss",
        "The loss: how wrong, one by one, the worst first",
        loss_formulas,
        _loss_sections,
    ),
    Page(
        "backward",
        "Backward: which way is down, layer by layer",
        backward_formulas,
        _backward_sections,
    ),
    Page("unit", "One unit: its sum, and what comes back to it", _no_formulas, _unit_sections),
    Page("update", "The update: how far the weights go", update_formulas, _update_sections),
)
