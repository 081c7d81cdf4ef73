"""The tour's formulas, as in the hand-written network, and their ASCII spelling."""

import re
from collections.abc import Sequence

from mlpwatch.core.config import RunConfig
from mlpwatch.tui.kit.text_block import Row

_PLAIN = {
    "Σ": "sum_", "−": "-", "·": "*", "²": "^2", "∂": "d", "ᵀ": "^T", "δ": "delta", "⊙": "*",
    "η": "eta", "θ": "theta", "←": "<-", "→": "->", "‖": "||", "Δ": "d", "μ": "mu", "β": "beta",
    "ε": "eps", "√": "sqrt", "×": "x", "…": "...", "₁": "1", "₂": "2", "ᵗ": "^t", "σ": "sigma",
    "µ": "u", "½": "1/2", "≤": "<=", "φ": "phi", "Φ": "Phi", "\u0302": "_hat", "\u03b1": "alpha",
    "λ": "lambda",
}  # fmt: skip

_TABLE = str.maketrans(_PLAIN)


def ascii_text(text: str) -> str:
    """Return a text in ASCII only; formulas become longer."""
    # Without a blank, a sum includes its index: `sum_c`.
    return text.replace("Σ ", "sum ").replace("Σ_", "sum_").translate(_TABLE)


def ascii_rows(rows: Sequence[Row]) -> list[Row]:
    """Return rows in ASCII only. Formulas become longer; for tables see `ascii_table`."""
    return [[(ascii_text(text), role) for text, role in row] for row in rows]


def ascii_table(rows: Sequence[Row]) -> list[Row]:
    """Return rows of a table in ASCII only: blanks give way to longer words, so columns stay."""
    return [[(_in_columns(text), role) for text, role in row] for row in rows]


def _in_columns(text: str) -> str:
    written, excess = "", 0
    for part in re.split("(  +)", text):
        if part.startswith("  "):
            kept = max(1, len(part) - excess)
            excess -= len(part) - kept
            written += " " * kept
        else:
            plain = ascii_text(part)
            excess += len(plain) - len(part)
            written += plain
    return written


def forward_formulas(config: RunConfig) -> list[str]:
    """Return the formulas of each layer's output."""
    enters = "Xk = Ak ⊙ Mk" if config.dropout or config.input_dropout else "Xk = Ak"
    bias = " + bk" if config.bias else ""
    return [f"{enters}    Zk = Xk Wk{bias}    Ak+1 = {config.activation}(Zk)"]


def averaging_module(config: RunConfig) -> str:
    """Return the module of PyTorch that averages the run's loss over all elements."""
    if config.loss != "bce":
        return "nn.MSELoss()"
    return "nn.BCELoss()" if config.output_function == "softmax" else "nn.BCEWithLogitsLoss()"


def loss_formulas(config: RunConfig) -> list[str]:
    """Return the formulas of the loss and its gradient."""
    # Imports NumPy, which must not happen before the first frame.
    from mlpwatch.core.network.losses import loss_for  # noqa: PLC0415

    value, gradient = loss_for(config, config.engine_names[0]).formulas
    is_element = "element" in [config.loss_mean(name) for name in config.engine_names]
    divides = config.sums_classes and is_element
    factor = (
        [f"PyTorch divides both by the classes too: {averaging_module(config)}"] if divides else []
    )
    return [value, f"what flows back:  {gradient}", *factor]


def backward_formulas(config: RunConfig) -> list[str]:
    """Return the formulas of each layer's backward pass."""
    mask = " ⊙ Mk" if config.dropout or config.input_dropout else ""
    return [
        "∂L/∂Wk = Xkᵀ δk    ∂L/∂bk = Σ δk over the batch    δ = ∂L/∂Z",
        f"δk-1 = (δk Wkᵀ){mask} ⊙ f'(Zk-1)    one layer further back",
    ]


def update_formulas(config: RunConfig) -> list[str]:
    """Return the formulas of the optimizer."""
    # Imports NumPy, which must not happen before the first frame.
    from mlpwatch.core.network.optimizers import optimizer_formulas  # noqa: PLC0415

    return optimizer_formulas(config)
