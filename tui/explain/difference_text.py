"""The first page when a step has left rounding: both numbers of each tensor, and the cause."""

from math import nan
from typing import TYPE_CHECKING

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.tui.explain.source_lines import PageName
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.run_text import cause_text
from mlpwatch.tui.kit.text_block import Row
from mlpwatch.tui.kit.theme import Role

if TYPE_CHECKING:
    from mlpwatch.core.checking.findings import Finding
    from mlpwatch.core.events import DifferenceFound, TensorPair

MOST_ROWS, ROWS_BEFORE = 8, 2
"""Tensors shown of a deep network: the first that differs, and as many before it."""


def difference_rows(found: "DifferenceFound", config: RunConfig) -> list[Row]:
    """Return the heading, the table on the way back, and the cause.

    Args:
        found: the step.
        config: of the run.
    """
    heads = [(f"{config.title(name)[:width]:>{width}}", ACCENTS[name]) for name, width in _COLUMNS]
    rows: list[Row] = [
        [(f"step {found.step:,}".ljust(14), Role.DIM), *heads],
        *(_row(pair, config, is_first=pair.name == found.tensor) for pair in _shown(found)),
    ]
    return [*rows, [], *cause_rows(found, config)]


def cause_rows(found: "DifferenceFound | Finding", config: RunConfig) -> list[Row]:
    """Return the cause, and the option that takes it away."""
    advice: list[Row] = []
    if found.code == "loss-mean-over-classes" and config.torch_loss_mean == "element":
        advice = [[("--torch-loss-mean batch gives both the same loss.", Role.DIM)]]
    return [[(found.text, Role.TEXT)], *advice]


def settings_heading(found: "Finding", config: RunConfig) -> str:
    """Return who differs and why in a run whose steps were not compared."""
    # Not at the top: few runs need it.
    from mlpwatch.core.checking.findings import factor_text  # noqa: PLC0415

    factor = factor_text(found.factor or nan)
    return f"{config.title('torch')} differs by its settings: {found.code}, factor {factor}"


def heading_of(found: "DifferenceFound", config: RunConfig) -> Row:
    """Return who differs, since when, where first, and why."""
    return [(cause_text(found, config), Role.STRONG)]


def source_page(found: "DifferenceFound", config: RunConfig) -> PageName:
    """Return the part of the step that computes the first tensor that differs."""
    words = found.tensor.split()
    if "update" in words:
        return "update"
    if "gradient" in words:
        is_output = int(words[-1]) == len(config.hidden)
        return "delta" if is_output else "backward"
    return "forward" if found.tensor == "outputs" else "losses"


_COLUMNS: tuple[tuple[EngineName, int], ...] = (("numpy", 16), ("torch", 38))
"""Columns of the names: NumPy's numbers are left of the formula, PyTorch's are right of it."""


def _shown(found: "DifferenceFound") -> list["TensorPair"]:
    """Return the rows of the table; a bias only if its layer's weights say something else."""
    passed = {pair.name: pair.passed for pair in found.tensors}
    early = [pair for pair in found.tensors if not pair.name.startswith("update")]
    pairs = early if any(not pair.passed for pair in early) else list(found.tensors)
    pairs = [
        pair
        for pair in pairs
        if pair.name == found.tensor
        or pair.passed != passed.get(pair.name.replace("bias", "weight"), pair.passed)
        or "bias" not in pair.name
    ]
    at = next((n for n, pair in enumerate(pairs) if pair.name == found.tensor), 0)
    start = max(0, min(at - ROWS_BEFORE, len(pairs) - MOST_ROWS))
    return pairs[start : start + MOST_ROWS]


def _row(pair: "TensorPair", config: RunConfig, *, is_first: bool) -> Row:
    label = f"{_label(pair):<19}"
    says = ("rounding", Role.DIM) if pair.passed else ("differs", Role.BAD)
    return [
        (label, Role.STRONG if is_first else Role.TEXT),
        (f"{pair.numpy:>11.5g}", ACCENTS["numpy"]),
        (f"  {_formula(pair.name, config):<25}", Role.DIM),
        (f"{pair.torch:>11.5g}", ACCENTS["torch"]),
        ("  ", Role.TEXT),
        says,
    ]


def _label(pair: "TensorPair") -> str:
    place = "[" + ",".join(map(str, pair.place)) + "]" if pair.place else ""
    words = pair.name.split()
    if len(words) == 1:
        return f"{pair.name} {place}".strip()
    letter = "W" if "weight" in words else "b"
    if "gradient" in words:
        return f"∂L/∂{letter}{words[-1]} {place}"
    return f"{letter}{words[-1]} {place} after"


def _formula(name: str, config: RunConfig) -> str:
    """Return how the reference computes a tensor, in at most 25 columns."""
    words, last = name.split(), len(config.hidden)
    if name == "outputs":
        return f"Z{last} = X{last} W{last}" + (f" + b{last}" if config.bias else "")
    if name == "loss":
        return "L, as above"
    if "update" in words:
        return f"after a step of {config.optimizer}"
    k = int(words[-1])
    delta = f"δ{k}" if k == last else f"(δ{k + 1} W{k + 1}ᵀ ⊙ f'(Z{k}))"
    if "bias" in words:
        return f"Σb {delta}"
    return f"X{k}ᵀ {delta}"
