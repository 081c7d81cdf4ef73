"""What a network file says of its network: widths, activation, loss, layouts."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from mlpwatch.core.errors import InputError

ActivationName = Literal["relu", "leaky-relu", "gelu", "sigmoid", "tanh"]
OutputName = Literal["softmax", "sigmoid", "linear"]
LossName = Literal["cross-entropy", "mse", "half-mse", "bce"]
OptimizerName = Literal["sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw"]

TORCH_OPTIMIZERS: Mapping[OptimizerName, str] = {
    "sgd": "SGD",
    "momentum": "SGD",
    "nesterov": "SGD",
    "rmsprop": "RMSprop",
    "adam": "Adam",
    "adamw": "AdamW",
}
"""The class in `torch.optim` that does the same."""

LAYOUT_OF_BIAS: Mapping[str, str] = {"rows": "flat", "columns": "column"}
OUTPUT_OF_LOSS: Mapping[str, OutputName] = {
    "cross-entropy": "softmax",
    "mse": "sigmoid",
    "half-mse": "sigmoid",
    "bce": "sigmoid",
}
UNDEFINED_LOSSES: frozenset[tuple[str, str]] = frozenset(
    {("cross-entropy", "linear"), ("bce", "linear")}
)
"""Pairs of loss and output activation without a value: the logarithm of a negative output."""

LEAK = 0.01
"""f'(z) of the leaky ReLU where z ≤ 0 (Maas et al. 2013); the default of `nn.LeakyReLU`."""

LEAKY_OF_SLOPE = "leaky-relu of slope "

MAX_SLOPE = 1.0
"""Of the leaky ReLU: with 1 it is linear."""

MAX_WIDTH = 4_096
MAX_LAYERS = 32


@dataclass(frozen=True, slots=True)
class Specification:
    """The network that a file says it is. Field names are those of the file's attributes."""

    hidden: tuple[int, ...] = (50,)
    activation: ActivationName = "relu"
    negative_slope: float = LEAK
    """Of leaky-relu, where z ≤ 0."""
    output_activation: OutputName | Literal[""] = ""
    """Empty: what the loss goes with."""
    loss: LossName = "cross-entropy"
    optimizer: OptimizerName = "sgd"
    output: Literal["probabilities", "logits"] = "probabilities"
    layout: Literal["rows", "columns"] = "rows"
    weights_layout: Literal["rows", "columns", ""] = ""
    """Empty: as `layout`."""
    bias_shape: Literal["flat", "row", "column", ""] = ""
    """Empty: what the layout goes with."""
    bias: bool = True
    pixels: Literal["0..1", "-1..1", "0..255"] = "0..1"
    targets: Literal["one-hot", "labels"] = "one-hot"
    dtype: Literal["float64", "float32", "float16"] = "float64"
    """What the file declares that it calculates in; the arrays that it is given are float64."""

    @property
    def output_function(self) -> OutputName:
        """What turns logits into outputs."""
        return self.output_activation or OUTPUT_OF_LOSS[self.loss]

    @property
    def activation_key(self) -> str:
        """The activation with its slope, if that is not the usual one."""
        is_usual = self.activation != "leaky-relu" or self.negative_slope == LEAK
        return self.activation if is_usual else f"{LEAKY_OF_SLOPE}{self.negative_slope!r}"

    @property
    def columns_of_weights(self) -> bool:
        """Whether W is (fan_out, fan_in)."""
        return (self.weights_layout or self.layout) == "columns"

    @property
    def shape_of_bias(self) -> str:
        """`flat` (n,), `row` (1, n) or `column` (n, 1)."""
        return self.bias_shape or LAYOUT_OF_BIAS[self.layout]


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "activation": get_args(ActivationName),
    "output_activation": get_args(OutputName),
    "loss": get_args(LossName),
    "optimizer": get_args(OptimizerName),
    "output": ("probabilities", "logits"),
    "layout": ("rows", "columns"),
    "weights_layout": ("rows", "columns"),
    "bias_shape": ("flat", "row", "column"),
    "pixels": ("0..1", "-1..1", "0..255"),
    "targets": ("one-hot", "labels"),
    "dtype": ("float64", "float32", "float16"),
}

NAMES = tuple(field.name for field in fields(Specification))


def specification_from(given: Mapping[str, Any], overrides: Mapping[str, Any]) -> Specification:
    """Return what a file's attributes say, replaced by what the command line says.

    Args:
        given: attributes by name, as JSON has them; None where the file has none.
        overrides: the same, from the command line.

    Raises:
        InputError: a value is none of those that are known.
    """
    values = {
        name: value
        for source in (given, overrides)
        for name, value in source.items()
        if value is not None and name in NAMES
    }
    checked = {name: _checked(name, value) for name, value in values.items()}
    return replace(Specification(), **checked)


def _checked(name: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if name == "hidden":
        widths = [value] if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(widths, (list, tuple)) or len(widths) > MAX_LAYERS:
            raise InputError(f"hidden = {value!r}: expected a tuple of layer widths, like (50,)")
        for width in widths:
            if isinstance(width, bool) or not isinstance(width, int) or not 1 <= width <= MAX_WIDTH:
                raise InputError(
                    f"hidden = {value!r}: expected whole widths from 1 to {MAX_WIDTH:,}, like (50,)"
                )
        return tuple(widths)
    if name == "negative_slope":
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= MAX_SLOPE:
            raise InputError(
                f"negative_slope = {value!r}: expected a number from 0 to {MAX_SLOPE:g}, like "
                f"{LEAK:g}"
            )
        return float(value)
    if name == "bias":
        if not isinstance(value, bool):
            raise InputError(f"bias = {value!r}: expected True or False")
        return value
    if value not in _CHOICES[name]:
        raise InputError(f"{name} = {value!r}: expected one of {', '.join(_CHOICES[name])}")
    return value
