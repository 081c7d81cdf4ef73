"""The settings of one run: frozen, checked on construction, to and from a plain dict."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal, Self, get_args

from mlpwatch.core.errors import ConfigError
from mlpwatch.core.limits import (
    MAX_BATCH_SIZE,
    MAX_EPOCHS,
    MAX_IMAGES,
    MAX_LAYER_WIDTH,
    MAX_LEARNING_RATE,
    MAX_STEPS,
)
from mlpwatch.core.network_file import NetworkFile
from mlpwatch.core.specification import (
    LEAK,
    MAX_SLOPE,
    OUTPUT_OF_LOSS,
    UNDEFINED_LOSSES,
    ActivationName,
    OutputName,
)
from mlpwatch.core.specification import LossName as SpecifiedLoss
from mlpwatch.core.specification import OptimizerName as SpecifiedOptimizer
from mlpwatch.core.treatment import CONTROL, TREATMENT, Treatment

EngineName = Literal["numpy", "torch"]
Activation = ActivationName
OutputActivation = OutputName
LossName = SpecifiedLoss
LossMean = Literal["batch", "element"]
OptimizerName = SpecifiedOptimizer
Schedule = Literal["constant", "linear", "cosine", "step"]
Dtype = Literal["float32", "float64"]
Device = Literal["cpu", "cuda", "mps", "auto"]
PixelRange = Literal["0..1", "-1..1", "0..255"]
Initialization = Literal["scaled", "normal", "zeros"]
RecipeName = Literal[
    "twin",
    "seed",
    "seed-fixed",
    "best",
    "overfitting",
    "dead-relus",
    "vanishing-gradients",
    "zero-initialization",
]

ENGINE_NAMES: tuple[EngineName, ...] = get_args(EngineName)

ENDS_OF_RANGE: Mapping[PixelRange, tuple[float, float]] = MappingProxyType(
    {"0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0), "0..255": (0.0, 255.0)}
)
"""The values of black and white."""

TITLES: Mapping[EngineName, str] = MappingProxyType({"numpy": "NumPy", "torch": "PyTorch"})
"""Names of mlpwatch's own engines, for people."""

IN_PLACE = ("network", "network_torch", "treatment")
"""The settings that say what trains in an engine's place."""

MAX_HISTORY = 10**6
"""A terabyte of past epochs."""

MAX_WEIGHT_DECAY = 1e6
"""Far above any useful one, which is below 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """All settings of a training.

    Raises:
        ConfigError: a value is out of range; the message names it.
    """

    data: str = "auto"
    """`auto`, the name of a data set, or a path; see `core.data.registry`."""

    recipe: RecipeName = "twin"
    """The named settings that the run started from."""

    hidden: tuple[int, ...] = (128,)
    """Widths of the hidden layers; empty for softmax regression."""

    activation: Activation = "relu"
    """Activation of the hidden layers."""

    negative_slope: float = LEAK
    """f'(z) of `leaky-relu` where z ≤ 0."""

    bias: bool = True
    """Whether the layers have biases; without, the files hold biases of 0."""

    loss: LossName = "cross-entropy"
    """Cross-entropy of the true class, or squared error, half of it or binary cross-entropy of all
    classes, on one-hot targets."""

    output_activation: OutputActivation | None = None
    """What makes outputs of logits; None for what the loss goes with: softmax for cross-entropy,
    else one sigmoid per class."""

    torch_loss_mean: LossMean = "batch"
    """What PyTorch averages a loss of all classes over: `batch` sums over the classes as
    hand-written code does; `element` is `nn.MSELoss()` or `nn.BCEWithLogitsLoss()`, smaller by the
    class count."""

    optimizer: OptimizerName = "sgd"
    """Plain SGD, or another with PyTorch's default constants; see `core.network.optimizers`."""

    learning_rate: float = 0.3
    """Learning rate at the first step; see `schedule`."""

    momentum: float = 0.9
    """μ of the optimizers `momentum` and `nesterov`."""

    weight_decay: float = 0.0
    """λ: `adamw` shrinks the weights by ηλ a step; the others add λθ to the gradient."""

    schedule: Schedule = "constant"
    """How the learning rate falls over the whole run: `linear` and `cosine` to 0, `step` to a tenth
    after each third of it."""

    warmup: int = 0
    """Steps in which the learning rate first rises, along a line."""

    dropout: float = 0.0
    """Share of each hidden layer's activations that a step drops."""

    input_dropout: float = 0.0
    """Share of the pixels that a step drops."""

    batch_size: int = 64
    """Images per step; the last batch of an epoch may be shorter."""

    epochs: int = 20
    """Passes over the training images."""

    patience: int | None = None
    """An engine ends after so many epochs without a lower validation loss; None for all epochs."""

    validation: int | None = None
    """Images held out for validation; None for one in six, at most 5,000."""

    train_size: int | None = None
    """Images to train on, the others are left out; None for all."""

    seed: int = 0
    """Determines the split, the initial weights and the batch order."""

    dtype: Dtype = "float32"
    """Type of weights and arithmetic in both engines."""

    device: Device = "cpu"
    """Where the PyTorch engine runs; NumPy stays on the CPU."""

    pixel_range: PixelRange = "0..1"
    """The values for black and white."""

    initialization: Initialization = "scaled"
    """`scaled` to each layer's width (He or Glorot), `normal` with standard deviation 0.1, or
    `zeros`: all units of a layer stay alike."""

    only: EngineName | None = None
    """Train only this engine."""

    threads: int | None = None
    """Cores for both engines together; None for all."""

    history: int = 64
    """Megabytes (2**20 bytes) for past epochs in the run's folder; 0 keeps none."""

    network: NetworkFile | None = None
    """The user's own network that trains in NumPy's place."""

    network_torch: NetworkFile | None = None
    """The user's own network that trains in PyTorch's place."""

    treatment: Treatment | None = None
    """What the right column trains with, if one engine trains both; None for the two engines."""

    def __post_init__(self) -> None:
        """Check every range, in the order of the fields."""
        _check_choices(self)
        _check_layers(self.hidden)
        _check_number("negative slope", self.negative_slope, 0, MAX_SLOPE)
        if not isinstance(self.bias, bool):
            raise ConfigError(f"bias {self.bias!r}: expected true or false")
        _check_output(self)
        _check_share("momentum", self.momentum)
        _check_number("weight decay", self.weight_decay, 0, MAX_WEIGHT_DECAY)
        _check_share("dropout", self.dropout)
        _check_share("input dropout", self.input_dropout)
        _check_whole("batch size", self.batch_size, 1, MAX_BATCH_SIZE)
        _check_whole("epochs", self.epochs, 1, MAX_EPOCHS)
        _check_whole("warmup", self.warmup, 0, MAX_STEPS)
        if self.patience is not None:
            _check_whole("patience", self.patience, 1, MAX_EPOCHS)
        for name, value in (("validation", self.validation), ("train size", self.train_size)):
            if value is not None:
                _check_whole(name, value, 1, MAX_IMAGES)
        _check_whole("seed", self.seed, 0, 2**63 - 1)
        if self.threads is not None:
            _check_whole("threads", self.threads, 1, 4096)
        _check_whole("history", self.history, 0, MAX_HISTORY)
        _check_rate(self.learning_rate)
        if self.treatment is not None:
            self.treatment.check()
            if self.has_networks or self.only is not None:
                raise ConfigError("a treatment needs both columns, with mlpwatch's own networks")
            if self.treatment.settings:
                self.of("torch")

    @property
    def engine_names(self) -> tuple[EngineName, ...]:
        """The engines that this run trains, in the order of the screen."""
        return ENGINE_NAMES if self.only is None else (self.only,)

    @property
    def has_networks(self) -> bool:
        """Whether a network of the user's trains."""
        return any(self.network_file(name) is not None for name in self.engine_names)

    def network_file(self, engine: EngineName) -> NetworkFile | None:
        """Return the user's own network in this engine's place, or None."""
        return self.network if engine == "numpy" else self.network_torch

    def with_network(self, engine: EngineName, file: NetworkFile | None) -> Self:
        """Return the settings with the user's own network in this engine's place."""
        return (
            replace(self, network=file) if engine == "numpy" else replace(self, network_torch=file)
        )

    def kind(self, engine: EngineName) -> EngineName:
        """Return which of mlpwatch's engines trains in this one's place."""
        return engine if self.treatment is None else self.treatment.engine

    def of(self, engine: EngineName) -> Self:
        """Return the settings that an engine trains with: the run's own, or a treatment's."""
        if self.treatment is None:
            return self
        changes = dict(self.treatment.settings) if engine == "torch" else {}
        return replace(self, treatment=self.treatment.bare(), **changes)

    def label(self, engine: EngineName) -> str:
        """Return the name of an engine in lines and messages: `numpy`, `torch`, or the file's."""
        if self.treatment is not None:
            return CONTROL if engine == "numpy" else TREATMENT
        return engine if self.network_file(engine) is None else self.title(engine)

    def title(self, engine: EngineName) -> str:
        """Return the name of an engine for people: the file's where the user's own trains."""
        if self.treatment is not None:
            return self.label(engine)
        file = self.network_file(engine)
        if file is None:
            return TITLES[engine]
        others = (self.network, self.network_torch)
        is_shared = sum(one is not None and one.file == file.file for one in others) > 1
        return f"{file.file}:{file.name or TITLES[engine]}" if is_shared else file.file

    @property
    def titles(self) -> dict[EngineName, str]:
        """The names of both engines for people; see `title`."""
        return {name: self.title(name) for name in ENGINE_NAMES}

    @property
    def output_function(self) -> OutputActivation:
        """What makes outputs of logits."""
        return self.output_activation or OUTPUT_OF_LOSS[self.loss]

    @property
    def sums_classes(self) -> bool:
        """Whether the loss of an image is a sum over all classes, which PyTorch may average."""
        return self.loss != "cross-entropy"

    @property
    def means_differ(self) -> bool:
        """Whether PyTorch's loss is the sum over the classes divided by their number."""
        return self.loss_mean("numpy") != self.loss_mean("torch") and self.sums_classes

    def loss_mean(self, engine: EngineName) -> LossMean:
        """What this engine's loss is averaged over, if it is a sum over the classes."""
        return self.torch_loss_mean if self.kind(engine) == "torch" else "batch"

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values; networks only where there are some."""
        values: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, (NetworkFile, Treatment)):
                values[each.name] = value.to_dict()
            else:
                values[each.name] = list(value) if isinstance(value, tuple) else value
        return {
            name: value
            for name, value in values.items()
            if value is not None or name not in IN_PLACE
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build a config from `to_dict`'s output; missing fields take their defaults.

        Raises:
            ConfigError: an unknown field, or a value out of range.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(
                f"unknown setting {unknown[0]!r}: this run may come from a newer mlpwatch; update"
            )
        hidden = values.get("hidden", ())
        if not isinstance(hidden, (list, tuple)):
            raise ConfigError(f"hidden {hidden!r}: expected a list of layer widths")
        networks = {
            name: (Treatment if name == "treatment" else NetworkFile).from_dict(values[name])
            for name in IN_PLACE
            if values.get(name) is not None
        }
        widths = {"hidden": tuple(hidden)} if "hidden" in values else {}
        return cls(**values | widths | networks)


_CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "recipe": get_args(RecipeName),
        "activation": get_args(Activation),
        "loss": get_args(LossName),
        "torch_loss_mean": get_args(LossMean),
        "optimizer": get_args(OptimizerName),
        "schedule": get_args(Schedule),
        "dtype": get_args(Dtype),
        "device": get_args(Device),
        "pixel_range": get_args(PixelRange),
        "initialization": get_args(Initialization),
    }
)


def _check_choices(config: RunConfig) -> None:
    if not isinstance(config.data, str):
        raise ConfigError(f"data {config.data!r}: expected the name of a data set, or a path")
    for name, allowed in _CHOICES.items():
        value = getattr(config, name)
        if value not in allowed:
            raise ConfigError(f"{name} {value!r}: expected one of {', '.join(allowed)}")
    if config.output_activation not in (None, *get_args(OutputActivation)):
        raise ConfigError(
            f"output_activation {config.output_activation!r}: expected one of "
            f"{', '.join(get_args(OutputActivation))}"
        )
    if config.only not in (None, *ENGINE_NAMES):
        raise ConfigError(f"only {config.only!r}: expected numpy or torch")


def _check_layers(hidden: tuple[int, ...]) -> None:
    for width in hidden:
        _check_whole("hidden layer width", width, 1, MAX_LAYER_WIDTH)


def _check_output(config: RunConfig) -> None:
    if (config.loss, config.output_function) in UNDEFINED_LOSSES:
        raise ConfigError(
            f"output_activation 'linear' with loss {config.loss!r}: it takes the logarithm of the "
            "outputs, and linear ones may be negative; use softmax or sigmoid"
        )


def _check_share(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ConfigError(f"{name} {value!r}: expected a share from 0 to below 1, like 0.2")


def _check_number(name: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ConfigError(f"{name} {value!r}: expected a number from {low:g} to {high:g}")


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name} {value!r}: expected a whole number from {low:,} to {high:,}")


def _check_rate(rate: float) -> None:
    is_number = isinstance(rate, (int, float)) and not isinstance(rate, bool)
    if not is_number or not 0 < rate <= MAX_LEARNING_RATE:
        raise ConfigError(
            f"learning rate {rate!r}: expected a number above 0 and up to "
            f"{MAX_LEARNING_RATE:g}, like 0.1"
        )
