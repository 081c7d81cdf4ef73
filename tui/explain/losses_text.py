"""The first page: two losses, two gradients and their ratio, with this run's numbers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.recipes import RECIPE_STORIES, RECIPE_SUMMARIES, recipe_story
from mlpwatch.tui.explain.difference_text import (
    cause_rows,
    difference_rows,
    heading_of,
    settings_heading,
)
from mlpwatch.tui.explain.tour_formulas import averaging_module
from mlpwatch.tui.formatting import clipped
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.run_text import gap_text, has_same_rates, parted_text
from mlpwatch.tui.kit.text_block import Row
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.run_state import RunState

if TYPE_CHECKING:
    from mlpwatch.core.analysis.gradient_comparison import GradientComparison
    from mlpwatch.core.checking.findings import Finding
    from mlpwatch.core.data.dataset import Dataset

SAME = 1e-3
"""Ratios of two gradients that differ by less are 1: float32 sums differ by 1e-6."""


def losses_rows(
    config: RunConfig,
    state: RunState,
    comparison: "GradientComparison | None",
    fault: str = "",
    *,
    data: "Dataset",
) -> list[Row]:
    """Return the rows above the chart.

    Args:
        config: of the run.
        state: has the gap, and the first step that rounding does not explain.
        comparison: both gradients at the same weights; None until they are computed.
        fault: why they could not be computed; may be empty.
        data: of the run.
    """
    losses: list[Row] = [_loss_row(config, name) for name in config.engine_names]
    if found := state.difference:
        return [heading_of(found, config), [], *losses, [], *difference_rows(found, config)]
    cause = _cause_of_settings(config, data.classes) if state.ended else None
    headline = settings_heading(cause, config) if cause else data.words(_headline(config))
    rows: list[Row] = [[(headline, Role.STRONG)], [], *losses, []]
    rows += _numbers(comparison, config.titles, data)
    if fault:
        rows.append([(f"the gradients could not be compared: {fault}", Role.BAD)])
    if cause:
        return [*rows, [], *cause_rows(cause, config)]
    return [*rows, [], [(_conclusion(config, state, comparison, data), Role.TEXT)]]


def _cause_of_settings(config: RunConfig, classes: int) -> "Finding | None":
    """Return what the settings of a run say that ended before steps were compared."""
    # Not at the top: the catalogue is needed for few runs.
    from mlpwatch.core.checking.live.cause import cause_of_settings  # noqa: PLC0415

    return cause_of_settings(config, classes) if differs_by_mean(config) else None


def differs_by_mean(config: RunConfig) -> bool:
    """Return whether the two engines average their loss differently."""
    both = len(config.engine_names) > 1
    return both and config.means_differ


def _headline(config: RunConfig) -> str:
    if config.treatment is not None:
        both = (config.treatment.describe(name) for name in config.engine_names)
        return f"One network in two columns: {', and '.join(both)}"
    if config.recipe in RECIPE_STORIES:
        summary = RECIPE_SUMMARIES[config.recipe]
        return summary[0].upper() + summary[1:]
    if len(config.engine_names) > 1:
        if config.has_networks:
            both = (clipped(config.title(name), 30) for name in config.engine_names)
            return f"The same network twice: {' and '.join(both)}"
        return "The same network twice: written by hand, and with autograd"
    return "One network, its loss and its gradients"


def _loss_row(config: RunConfig, name: EngineName) -> Row:
    width = max(8, *(len(clipped(config.title(one), 18)) for one in config.engine_names))
    return [
        (f"{clipped(config.title(name), 18):<{width}} ", ACCENTS[name]),
        (_loss_text(config, name), Role.TEXT),
    ]


def _loss_text(config: RunConfig, name: EngineName) -> str:
    """Return the formula of an engine's loss, and what is summed or averaged in it."""
    letter = "p" if config.output_function == "softmax" else "a"
    if not config.sums_classes:
        usual = "L = 1/B Σb (log Σc exp z − z[label])   softmax, mean over batch"
        return usual if letter == "p" else "L = 1/B Σb −log a[label]   sigmoid, mean over batch"
    is_element = config.loss_mean(name) == "element"
    error = {
        "mse": f"({letter} − y)²",
        "half-mse": f"½ ({letter} − y)²",
        "bce": f"−log(1−|{letter}−y|)",
    }[config.loss]
    # The longer name leaves no room for more.
    mean = "" if config.loss == "bce" else ": mean over them"
    said = f"{averaging_module(config)}{mean}" if is_element else "sums over the classes"
    formula = f"L = 1/{'(B·C)' if is_element else 'B'} Σb Σc {error}"
    return f"{formula:<{len(formula) + (3 if is_element else 7)}}{said}"


def _numbers(
    comparison: "GradientComparison | None", titles: Mapping[EngineName, str], data: "Dataset"
) -> list[Row]:
    if comparison is None:
        return [[("computing both gradients at the same weights and batch …", Role.DIM)]]
    names = list(comparison.engines)
    where = f"At the same weights, for the same {comparison.batch_size} images:"
    if len(names) == 1:
        where = f"At its present weights, for {comparison.batch_size} images:"
    heads = [(f"{clipped(titles[name], 12):>13}", ACCENTS[name]) for name in names]
    ratio = [(f"{'ratio':>10}", Role.DIM)] if len(names) > 1 else []
    rows: list[Row] = [[(data.words(where), Role.DIM)], [(" " * 26, Role.TEXT), *heads, *ratio]]
    values = {"loss": [one.loss for one in comparison.engines.values()]}
    norms = [one.norms for one in comparison.engines.values()]
    for k, pair in enumerate(zip(*norms, strict=True)):
        values[f"gradient norm, layer {k}"] = list(pair)
    for label, numbers in values.items():
        cells = [(f"{number:>13.6g}", Role.TEXT) for number in numbers]
        rows.append([(f"{label:<26}", Role.TEXT), *cells, *_ratio(numbers)])
    return rows


def _ratio(numbers: list[float]) -> list[tuple[str, Role]]:
    if len(numbers) < 2:  # noqa: PLR2004 - a ratio needs two
        return []
    text = f"{numbers[0] / numbers[1]:.4f}" if numbers[1] else "–"
    return [(f"{text:>10}", Role.STRONG)]


def _conclusion(
    config: RunConfig,
    state: RunState,
    comparison: "GradientComparison | None",
    data: "Dataset",
) -> str:
    both = len(config.engine_names) > 1
    if both and comparison is not None and (factor := _factor_between(comparison)):
        return (
            f"{config.title('numpy')}'s gradient is {factor:.4g} times "
            f"{config.title('torch')}'s at the same weights: that is not "
            "rounding. A run that trains compares its steps and looks for the cause."
        )
    if config.treatment is not None:
        gap = f": {gap_text(state.gaps[-1])}" if state.gaps else ""
        return f"What parts the two columns: {config.treatment or 'nothing'}{gap}."
    story = data.words(recipe_story(config.recipe, data.classes))
    if story or not both:
        downhill = "Each step goes against these gradients: downhill, as the batch sees it."
        return story or downhill
    if parted := parted_text(state, config):
        return f"Both take the same steps: {parted}. --dtype float64 puts it off."
    if state.gaps and not has_same_rates(state):
        return f"They learn at different rates: {gap_text(state.gaps[-1])}."
    if state.gaps:
        return f"So both take the same steps: {gap_text(state.gaps[-1])}. What is left is rounding."
    return "Both start from the same weights and see the same batches in the same order."


def _factor_between(comparison: "GradientComparison") -> float:
    """Return the factor of the last layer's gradients; 0 if they are the same to rounding."""
    one, other = (engine.norms[-1] for engine in comparison.engines.values())
    is_same = not other or abs(one / other - 1) < SAME
    return 0.0 if is_same else one / other
