"""The texts of the layers screen: the table of the layers, and what is wrong with them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, isnan
from textwrap import wrap

from mlpwatch.core.analysis.layer_faults import RULE_OF_THUMB, LayerFault, is_broken
from mlpwatch.core.config import EngineName
from mlpwatch.core.epochs import LayerRecord
from mlpwatch.core.text import printable
from mlpwatch.tui.charts.chart import marker_sample
from mlpwatch.tui.formatting import TITLES, clipped, count, three_digits
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.text_block import Row
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.layers.curves import layer_role, marker_of
from mlpwatch.tui.state.run_state import EngineView

LABEL_COLUMNS, ENGINE_COLUMNS = 18, 31
"""Of the table: two models fill 80 columns."""

OLD_RUN = "this run has no numbers of its layers: an older mlpwatch trained it"
UNTRAINED = "epoch 0 is the start: no step has been taken, so nothing is measured"
WAITING = "a few steps of each epoch are measured; the first comes soon"
OWN_NETWORK = "{}'s own units can't be looked into: gradients and updates only"
SOUND = "nothing is wrong; updates of about 1e-3 of a layer's weights are usual"

_GRAVE = ("not-finite", "exploding", "uniform")


@dataclass(frozen=True, slots=True)
class ShownLayers:
    """One model's layers at the time that is shown."""

    title: str
    """Which epoch or step."""
    layers: Sequence[LayerRecord]
    faults: Sequence[LayerFault]


def table_rows(
    shown: Mapping[EngineName, ShownLayers],
    sizes: Sequence[int],
    layers: range,
    flat_word: str,
    *,
    look: Look,
    width: int,
    titles: Mapping[EngineName, str] = TITLES,
) -> list[Row]:
    """Return the table: one row per layer, and three numbers of each model.

    Args:
        shown: by model, left to right.
        sizes: widths from input to output.
        layers: to show.
        flat_word: what a unit without a gradient is called; empty if there are none.
        look: of the terminal.
        width: columns; where there is room, a model's numbers stand above its charts.
        titles: the models' names.
    """
    columns = max(ENGINE_COLUMNS, width // 2 + 1 - LABEL_COLUMNS)
    named: list[tuple[str, Role]] = [(" " * LABEL_COLUMNS, Role.TEXT)]
    heads: list[tuple[str, Role]] = [(" layer".ljust(LABEL_COLUMNS), Role.DIM)]
    for name, one in shown.items():
        title = f"  {clipped(titles[name], 14)}"
        named.append((title, ACCENTS[name]))
        named.append((f"  {one.title}".ljust(columns - len(title)), Role.DIM))
        head = f"{'gradient':>9}{'update/W':>10}{flat_word:>11}"
        heads.append((head.ljust(columns), Role.DIM))
    rows: list[Row] = [named, heads]
    for k in layers:
        label = f" {k:<2} {sizes[k]}→{sizes[k + 1]}"
        row = [(label.ljust(LABEL_COLUMNS), Role.TEXT)]
        for name, one in shown.items():
            row += _numbers(name, one, k, flat_word, look)
            row.append((" " * (columns - ENGINE_COLUMNS), Role.TEXT))
        rows.append(row)
    return rows


def _numbers(
    name: EngineName, shown: ShownLayers, k: int, flat_word: str, look: Look
) -> list[tuple[str, Role]]:
    if k >= len(shown.layers):
        return [(f"{'–':>9}".ljust(ENGINE_COLUMNS), Role.DIM)]
    layer = shown.layers[k]
    bad = {fault.kind for fault in shown.faults if k in (fault.layer, *fault.also)}
    has_bad_gradient = bad & {"not-finite", "vanishing", "exploding", "uniform"}
    has_bad_update = bad & {"not-finite", "large-update", "small-update"}
    share = share_text(layer.flat_share) if flat_word else ""
    is_unknown = isnan(layer.gradient_norm) and not is_broken(layer)
    gradient = "–" if is_unknown else number_text(layer.gradient_norm)
    return [
        (marker_sample(marker_of(k), look), layer_role(k, name)),
        (f"{gradient:>8}", _role(has_bad_gradient)),
        (f"{number_text(layer.update_ratio):>10}", _role(has_bad_update)),
        (f"{share:>11}".ljust(ENGINE_COLUMNS - 19), _role(bad & {"flat"})),
    ]


def _role(bad: object) -> Role:
    return Role.WARNING if bad else Role.TEXT


def number_text(value: float) -> str:
    """Return a norm or a ratio in at most seven columns: `0.213`, `2.1e-5`, `NaN`."""
    if not isfinite(value):
        return "NaN" if isnan(value) else "inf"
    if value == 0:
        return "0"
    if 1e-2 <= value < 999.5:  # noqa: PLR2004 - what seven columns show with three digits
        return three_digits(value)
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def share_text(share: float) -> str:
    """Return a share of the units in percent; nothing if it is unknown."""
    if isnan(share):
        return ""
    return "<1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"  # noqa: PLR2004 - below 1 %


def fault_rows(
    faults: Mapping[EngineName, Sequence[LayerFault]],
    sizes: Sequence[int],
    flat_word: str,
    width: int,
    most: int,
    *,
    titles: Mapping[EngineName, str] = TITLES,
) -> list[Row]:
    """Return what is wrong, the gravest first, folded; one sentence for both where it is the same.

    Args:
        faults: by model.
        sizes: widths from input to output.
        flat_word: what a unit without a gradient is called.
        width: columns.
        most: sentences to show.
        titles: the models' names.
    """
    listed: list[tuple[list[EngineName], LayerFault]] = []
    for name, found in faults.items():
        for fault in found:
            same = next((names for names, other in listed if _are_alike(fault, other)), None)
            if same is None:
                listed.append(([name], fault))
            else:
                same.append(name)
    rows: list[Row] = []
    for number, (names, fault) in enumerate(listed):
        if number == most:
            rows.append([(f" and {count(len(listed) - most, 'more fault')}", Role.DIM)])
            break
        who = "" if len(faults) == 1 else f"{' and '.join(titles[name] for name in names)}, "
        text = who + fault_text(fault, sizes, flat_word)
        role = Role.BAD if fault.kind in _GRAVE else Role.WARNING
        rows += [[(f" {line}", role)] for line in wrap(text, max(10, width - 2))]
    return rows


def failure_rows(engines: Iterable[EngineView], width: int) -> list[Row]:
    """Return why models diverged or failed, and at which step, folded."""
    return [
        [(f" {line}", Role.BAD)]
        for engine in engines
        if engine.phase in ("diverged", "failed")
        for line in wrap(_failure(engine), max(10, width - 2))
    ]


def _failure(engine: EngineView) -> str:
    """Return what ended a model; why one diverged names the step itself."""
    at = f" after step {engine.step:,}" if engine.phase == "failed" else ""
    return f"{engine.title} {engine.phase}{at}: {printable(engine.detail)}"


def _are_alike(one: LayerFault, other: LayerFault) -> bool:
    """Return whether one sentence describes both faults: values up to a factor of 2 apart."""
    if replace(one, value=0.0) != replace(other, value=0.0):
        return False
    return not abs(one.value - other.value) > min(one.value, other.value)


def fault_text(fault: LayerFault, sizes: Sequence[int], flat_word: str) -> str:
    """Return what is wrong with a layer, since when, and what helps."""
    k, value = fault.layer, fault.value
    layer = f"layer {k}"
    since = f" since epoch {fault.since}" if fault.since else ""
    since += f" (also {_listed(fault.also)})" if fault.also else ""
    match fault.kind:
        case "not-finite":
            return f"{layer}: the gradient is not finite{since}; a smaller learning rate helps"
        case "uniform":
            return (
                f"{layer}: all {sizes[k + 1]} units are equal{since}: equal weights get equal "
                "gradients and stay equal; random initial weights help"
            )
        case "flat":
            return (
                f"{layer}: {share_text(value)} of the units are {flat_word}{since}; "
                "a smaller learning rate or another initialization helps"
            )
        case "vanishing":
            return (
                f"{layer}'s gradient is {_part(value)} layer {fault.other}'s{since}: it vanishes "
                "on the way back; ReLU, fewer layers or another initialization helps"
            )
        case "exploding":
            size = f"{number_text(value)} long"
            if fault.other is not None:
                size = f"{value:,.0f} times layer {fault.other}'s"
            return (
                f"{layer}'s gradient is {size}{since}: it explodes; a smaller learning rate or "
                "smaller initial weights help"
            )
        case "large-update":
            return f"{layer}: {_update(value, since)}; a smaller learning rate helps"
        case "small-update":
            return f"{layer}: {_update(value, since)}; a larger learning rate helps"


def _update(ratio: float, since: str) -> str:
    usual = number_text(RULE_OF_THUMB).replace(".0e", "e")
    size = f"{number_text(ratio)} of their size{since}"
    return f"a step changes the weights by {size}, where {usual} is usual"


def _part(ratio: float) -> str:
    """Return a ratio below 1 as `1/4,000 of`, in two digits; 0 as `0, not` a part."""
    if ratio == 0 or not isfinite(1 / ratio):
        return "0, unlike"
    whole = 1 / ratio
    if whole >= 1e9:  # noqa: PLR2004 - too many zeros to read
        return f"{number_text(ratio)} of"
    return f"1/{int(float(f'{whole:.1e}')):,} of"


def _listed(layers: Iterable[int]) -> str:
    """Return `layer 1`, `layers 1, 2, 5`, or `layers 1–8`."""
    numbers = sorted(layers)
    if len(numbers) == 1:
        return f"layer {numbers[0]}"
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:  # noqa: PLR2004 - a range
        return f"layers {numbers[0]}–{numbers[-1]}"
    return "layers " + ", ".join(map(str, numbers))
