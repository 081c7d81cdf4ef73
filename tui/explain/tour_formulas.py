"""The tour's formulas, as in the hand-written network, and their ASCII spelling."""

from collections.abc import Sequence

from mlpwatch.core.config import RunConfig
from mlpwatch.tui.kit.text_block import Row

_PLAIN = {
    "Σ": "sum_", "−": "-", "·": "*", "²": "^2", "∂": "d", "ᵀ": "^T", "δ": "delta", "⊙": "*",
    "η": "eta", "θ": "theta", "←": "<-", "→": "->", "‖": "||", "Δ": "d", "μ": "mu", "β": "beta",
    "ε": "eps", "√": "sqrt", "×": "x", "…": "...", "₁": "1", "₂": "2", "ᵗ": "^t", "σ": "sigma",
}  # fmt: skip


def ascii_rows(rows: Sequence[Row]) -> list[Row]:
    """Return rows in ASCII only. Formulas grow longer; tables have no such characters."""
    table = str.maketrans(_PLAIN)
    # Without a blank a sum names its index: `sum_c`.
    return [
        [(text.replace("Σ ", "sum ").translate(table), role) for text, role in row] for row in rows
    ]


def forward_formulas(config: RunConfig) -> list[str]:
    """Return what each layer computes."""
    enters = "Xk = Ak ⊙ Mk" if config.dropout or config.input_dropout else "Xk = Ak"
    return [f"{enters}    Zk = Xk Wk + bk    Ak+1 = {config.activation}(Zk)"]


def loss_formulas(config: RunConfig) -> list[str]:
    """Return what the loss is, and its gradient."""
    if config.loss == "cross-entropy":
        return [
            "p = exp(z) / Σc exp(z)   loss of an image = −log p[label]   L = their mean",
            "what flows back:  ∂L/∂Z = (p − y) / B,  y = 1 at the label, 0 elsewhere",
        ]
    return [
        "a = σ(z)    loss of an image = Σc (a − y)²    L = their mean",
        "what flows back:  ∂L/∂Z = 2 (a − y) ⊙ a (1 − a) / B",
        *(
            ["PyTorch divides both by the classes too: nn.MSELoss()"]
            if config.torch_loss_mean == "element" and "torch" in config.engine_names
            else []
        ),
    ]


def backward_formulas(config: RunConfig) -> list[str]:
    """Return what each layer passes back."""
    mask = " ⊙ Mk" if config.dropout or config.input_dropout else ""
    return [
        "∂L/∂Wk = Xkᵀ δk    ∂L/∂bk = Σ δk over the batch    δ = ∂L/∂Z",
        f"δk-1 = (δk Wkᵀ){mask} ⊙ f'(Zk-1)    one layer further back",
    ]


_UPDATES = {
    "sgd": ["θ ← θ − η g    with g = ∂L/∂θ"],
    "momentum": ["v ← 0.9 v + g    θ ← θ − η v    with g = ∂L/∂θ"],
    "adam": [
        "m ← 0.9 m + 0.1 g    s ← 0.999 s + 0.001 g²    with g = ∂L/∂θ",
        "θ ← θ − η (m / (1 − 0.9ᵗ)) / (√(s / (1 − 0.999ᵗ)) + 1e-8)",
    ],
}


def update_formulas(config: RunConfig) -> list[str]:
    """Return what the optimizer does."""
    return _UPDATES[config.optimizer]
