"""Lines of Python that a notebook has for each setting: activation, loss, schedule.

Each is what a person would write by hand, and gives the numbers of `core.network`.
"""

from collections.abc import Mapping

from mlpwatch.core.config import Activation, LossName, OutputActivation, Schedule
from mlpwatch.core.network.tables import complete

ACTIVATIONS: Mapping[Activation, tuple[str, str, str]] = complete(
    Activation,
    {
        "relu": (
            "return np.maximum(z, 0)",
            "return (z > 0).astype(z.dtype)",
            "nn.ReLU()",
        ),
        "leaky-relu": (
            "return np.where(z > 0, z, config.negative_slope * z).astype(z.dtype)",
            "return np.where(z > 0, 1, config.negative_slope).astype(z.dtype)",
            "nn.LeakyReLU(config.negative_slope)",
        ),
        "gelu": (
            "return (z * (1 + erf(z / np.sqrt(2))) / 2).astype(z.dtype)",
            "density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)\n"
            "    return ((1 + erf(z / np.sqrt(2))) / 2 + z * density).astype(z.dtype)",
            "nn.GELU()",
        ),
        "sigmoid": (
            "return (1 + np.tanh(z / 2)) / 2",
            "a = activation(z)\n    return a * (1 - a)",
            "nn.Sigmoid()",
        ),
        "tanh": (
            "return np.tanh(z)",
            "return 1 - np.tanh(z) ** 2",
            "nn.Tanh()",
        ),
    },
)
"""f(z), f'(z), and the layer of PyTorch."""

OUTPUTS_BY_HAND: Mapping[OutputActivation, tuple[str, str]] = complete(
    OutputActivation,
    {
        "softmax": (
            "e = np.exp(z - z.max(axis=1, keepdims=True))\n"
            "    return e / e.sum(axis=1, keepdims=True)",
            "a * (da - (da * a).sum(axis=1, keepdims=True))",
        ),
        "sigmoid": ("return (1 + np.tanh(z / 2)) / 2", "da * a * (1 - a)"),
        "linear": ("return z", "da"),
    },
)
"""a = f(z), and ∂L/∂z of ∂L/∂a."""

_AT_LABEL = "z[np.arange(len(z)), labels]"

WHOLE_LOSSES: Mapping[str, tuple[str, str]] = {
    "cross-entropy of softmax": (
        "z = z - z.max(axis=1, keepdims=True)\n"
        f"loss = (np.log(np.exp(z).sum(axis=1)) - {_AT_LABEL}).mean()",
        "(a - y) / len(z)",
    ),
    "cross-entropy of sigmoid": (
        f"loss = np.logaddexp(0, -{_AT_LABEL}).mean()",
        "y * (a - 1) / len(z)",
    ),
    "bce of sigmoid": (
        "loss = (np.logaddexp(0, z) - y * z).sum() / len(z)",
        "(a - y) / len(z)",
    ),
}
"""Losses whose derivative by z is simple, and whose logarithm must not be taken of 0."""

LOSSES_BY_HAND: Mapping[LossName, tuple[str, str]] = complete(
    LossName,
    {
        "cross-entropy": ("", ""),
        "mse": ("loss = ((a - y) ** 2).sum() / len(z)", "2 * (a - y) / len(z)"),
        "half-mse": ("loss = ((a - y) ** 2).sum() / (2 * len(z))", "(a - y) / len(z)"),
        "bce": (
            "logs = y * np.log(a + 1e-12) + (1 - y) * np.log(1 - a + 1e-12)\n"
            "loss = -logs.sum() / len(z)",
            "(a - y) / np.maximum(a * (1 - a), 1e-12) / len(z)",
        ),
    },
)
"""L, and ∂L/∂a."""

TORCH_OUTPUTS: Mapping[OutputActivation, str] = complete(
    OutputActivation,
    {"softmax": "torch.softmax(z, dim=1)", "sigmoid": "torch.sigmoid(z)", "linear": "z"},
)

FACTORS: Mapping[Schedule, str] = complete(
    Schedule,
    {
        "constant": "1.0",
        "linear": "(1 - done)",
        "cosine": "(1 + np.cos(np.pi * done)) / 2",
        "step": "0.1 ** int(3 * done)",
    },
)
"""η / η₀ by the share of the run's steps that are done."""
