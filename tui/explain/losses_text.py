"""The first page: two losses, two gradients and their ratio, with this run's numbers."""

from typing import TYPE_CHECKING

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.recipes import RECIPE_STORIES, RECIPE_SUMMARIES
from mlpwatch.tui.formatting import TITLES
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.run_text import gap_text
from mlpwatch.tui.kit.text_block import Row
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.run_state import RunState

if TYPE_CHECKING:
    from mlpwatch.core.analysis.gradient_comparison import GradientComparison

_LOSSES = {
    "cross-entropy": "L = 1/B Σb (log Σc exp z − z[label])   softmax, mean over batch",
    "batch": "L = 1/B Σb Σc (a − y)²       sums over the classes",
    "element": "L = 1/(B·C) Σb Σc (a − y)²   nn.MSELoss(): mean over them",
}

ROUNDING = 1e-3
"""Weight differences below this are rounding: float32 stays below it for an epoch of MNIST."""


def losses_rows(
    config: RunConfig,
    classes: int,
    state: RunState,
    comparison: "GradientComparison | None",
    fault: str = "",
) -> list[Row]:
    """Return the rows above the chart.

    Args:
        config: of the run.
        classes: of the data set.
        state: has the gap.
        comparison: both gradients at the same weights; None until they are computed.
        fault: why they could not be computed; may be empty.
    """
    rows: list[Row] = [[(_headline(config), Role.STRONG)], []]
    rows += [_loss_row(config, name) for name in config.engine_names]
    rows.append([])
    rows += _numbers(comparison)
    if fault:
        rows.append([(f"the gradients could not be compared: {fault}", Role.BAD)])
    rows += [[], [(_conclusion(config, classes, state), Role.TEXT)]]
    return rows


def differs_by_mean(config: RunConfig) -> bool:
    """Return whether the two engines average their loss differently."""
    both = len(config.engine_names) > 1
    return both and config.loss == "mse" and config.torch_loss_mean == "element"


def _headline(config: RunConfig) -> str:
    if config.recipe in RECIPE_STORIES:
        summary = RECIPE_SUMMARIES[config.recipe]
        return summary[0].upper() + summary[1:]
    if differs_by_mean(config):
        return "Why two equivalent networks differ: a loss convention, not a framework"
    if len(config.engine_names) > 1:
        return "The same network twice: written by hand, and with autograd"
    return "One network, its loss and its gradients"


def _loss_row(config: RunConfig, name: EngineName) -> Row:
    kind = config.loss if config.loss == "cross-entropy" else config.loss_mean(name)
    return [(f"{TITLES[name]:<9}", ACCENTS[name]), (_LOSSES[kind], Role.TEXT)]


def _numbers(comparison: "GradientComparison | None") -> list[Row]:
    if comparison is None:
        return [[("computing both gradients at the same weights and batch …", Role.DIM)]]
    names = list(comparison.engines)
    where = f"At the same weights, for the same {comparison.batch_size} images:"
    if len(names) == 1:
        where = f"At its present weights, for {comparison.batch_size} images:"
    heads = [(f"{TITLES[name]:>13}", ACCENTS[name]) for name in names]
    ratio = [(f"{'ratio':>10}", Role.DIM)] if len(names) > 1 else []
    rows: list[Row] = [[(where, Role.DIM)], [(" " * 26, Role.TEXT), *heads, *ratio]]
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


def _conclusion(config: RunConfig, classes: int, state: RunState) -> str:
    if config.recipe in RECIPE_STORIES:
        return RECIPE_STORIES[config.recipe]
    if len(config.engine_names) == 1:
        return "Each step goes against these gradients: downhill, as the batch sees it."
    if differs_by_mean(config) and config.optimizer == "adam":
        return (
            f"PyTorch's gradient is {classes} times smaller, but Adam divides by its size: both "
            "take nearly the same steps. With --optimizer sgd the curves part."
        )
    if differs_by_mean(config):
        rate = config.learning_rate
        return (
            f"Every PyTorch step is {classes} times shorter: with a learning rate of {rate:g} it "
            f"learns as NumPy would with {rate / classes:g}. Give both the same loss "
            "(--torch-loss-mean batch, or --recipe seed-fixed) and the curves fall together."
        )
    if state.gaps and state.gaps[-1].weight_difference < ROUNDING:
        return f"So both take the same steps: {gap_text(state.gaps[-1])}. What is left is rounding."
    if state.gaps:
        return (
            f"Both take the same steps, but rounding has been amplified: {gap_text(state.gaps[-1])}"
            ". A sum that rounds to the other side of a ReLU's kink is enough; --dtype float64 "
            "puts it off."
        )
    return "Both start from the same weights and see the same batches in the same order."
