"""The losses in PyTorch, as its users write them."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlpwatch.core.config import LossMean, LossName, OutputActivation, RunConfig
from mlpwatch.core.network.tables import complete

OUTPUTS: Mapping[OutputActivation, Callable[[Tensor], Tensor]] = complete(
    OutputActivation,
    {"softmax": nn.Softmax(dim=1), "sigmoid": torch.sigmoid, "linear": nn.Identity()},
)


def _cross_entropy(
    logits: Tensor, labels: Tensor, _output: OutputActivation, _mean: LossMean
) -> Tensor:
    return functional.cross_entropy(logits, labels)


def _sigmoid_cross_entropy(
    logits: Tensor, labels: Tensor, _output: OutputActivation, _mean: LossMean
) -> Tensor:
    return functional.nll_loss(functional.logsigmoid(logits), labels)


def squared_error(
    logits: Tensor, labels: Tensor, output: OutputActivation, mean: LossMean
) -> Tensor:
    """Return the scalar squared error on one-hot targets.

    Args:
        logits: (batch, classes).
        labels: (batch,) true classes.
        output: what makes outputs of the logits.
        mean: `batch` sums over the classes; `element` averages over them, as `nn.MSELoss()` does.
    """
    targets = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    if mean == "element":
        return functional.mse_loss(OUTPUTS[output](logits), targets)
    return functional.mse_loss(OUTPUTS[output](logits), targets, reduction="sum") / len(logits)


def _half_squared_error(
    logits: Tensor, labels: Tensor, output: OutputActivation, mean: LossMean
) -> Tensor:
    return squared_error(logits, labels, output, mean) / 2


def _binary_cross_entropy(
    logits: Tensor, labels: Tensor, _output: OutputActivation, mean: LossMean
) -> Tensor:
    targets = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    loss = functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum")
    return loss / (logits.numel() if mean == "element" else len(logits))


def _softmax_binary_cross_entropy(
    logits: Tensor, labels: Tensor, _output: OutputActivation, mean: LossMean
) -> Tensor:
    targets = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    loss = functional.binary_cross_entropy(torch.softmax(logits, 1), targets, reduction="sum")
    return loss / (logits.numel() if mean == "element" else len(logits))


_Loss = Callable[[Tensor, Tensor, OutputActivation, LossMean], Tensor]

LOSSES: Mapping[LossName, _Loss] = complete(
    LossName,
    {
        "cross-entropy": _cross_entropy,
        "mse": squared_error,
        "half-mse": _half_squared_error,
        "bce": _binary_cross_entropy,
    },
)
"""By name: a function of logits (batch, classes), labels (batch,), output activation and mean."""

OTHER_LOSSES: Mapping[str, _Loss] = {
    "cross-entropy of sigmoid": _sigmoid_cross_entropy,
    "bce of softmax": _softmax_binary_cross_entropy,
}
"""Where a loss has another formula for an output activation than the one that it goes with."""


def loss_function(config: RunConfig) -> _Loss:
    """Return the loss of a run's settings."""
    other = OTHER_LOSSES.get(f"{config.loss} of {config.output_function}")
    return other or LOSSES[config.loss]
