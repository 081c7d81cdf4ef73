"""From settings to an engine: widths, initial weights, and the engine's class."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats, Labels, Tensors
from mlpwatch.core.config import EngineName, Initialization, RunConfig
from mlpwatch.core.data.pixels import GreyLevels
from mlpwatch.core.errors import ConfigError
from mlpwatch.core.network.activations import activation_of
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.network.numpy_mlp import NumpyMLP
from mlpwatch.core.network.tables import complete


def layer_sizes(features: int, hidden: Sequence[int], classes: int) -> tuple[int, ...]:
    """Return the widths from input to output, both included."""
    return (features, *hidden, classes)


def parameter_count(sizes: Sequence[int], *, has_bias: bool = True) -> int:
    """Return the number of weights and biases between layers of these widths."""
    return sum((fan_in + has_bias) * fan_out for fan_in, fan_out in pairwise(sizes))


def _scaled(
    random: np.random.Generator, fan_in: int, fan_out: int, config: RunConfig
) -> NDArray[np.float64]:
    rule = activation_of(config)
    return rule.initializer(random, fan_in, fan_out, rule.gain)


def _normal(
    random: np.random.Generator, fan_in: int, fan_out: int, _config: RunConfig
) -> NDArray[np.float64]:
    return random.normal(0.0, 0.1, (fan_out, fan_in))


def _zeros(
    _random: np.random.Generator, fan_in: int, fan_out: int, _config: RunConfig
) -> NDArray[np.float64]:
    return np.zeros((fan_out, fan_in))


_INITIALIZATIONS = complete(Initialization, {"scaled": _scaled, "normal": _normal, "zeros": _zeros})


def initial_weights(sizes: Sequence[int], config: RunConfig) -> dict[str, Floats]:
    """Return the initial weights of both engines; biases are zero.

    Args:
        sizes: widths from input to output.
        config: `scaled` initialization follows the activation's record; `normal` has standard
            deviation 0.1, as in the notebook; with `zeros` all are 0. Seed and dtype are used too.
    """
    # A separate stream: the split and the batch order use others.
    random = np.random.default_rng([config.seed, 1])
    draw = _INITIALIZATIONS[config.initialization]
    weights: dict[str, Floats] = {}
    for k, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        weights[f"layers.{k}.weight"] = draw(random, fan_in, fan_out, config).astype(config.dtype)
        weights[f"layers.{k}.bias"] = np.zeros(fan_out, config.dtype)
    return weights


def build_engine(
    name: EngineName,
    config: RunConfig,
    images: Floats,
    labels: Labels,
    classes: int,
    *,
    grey_levels: GreyLevels | None = None,
) -> Engine:
    """Build one engine on training images (samples, features) and labels (samples,).

    PyTorch is imported here, and only for its own engine: it takes about a second.

    Args:
        name: of the engine.
        config: of the run.
        images: scaled, float32.
        labels: int64.
        classes: number of classes.
        grey_levels: the same images as bytes, or None; only the NumPy engine uses them.

    Raises:
        ConfigError: the config's device is absent.
        UserCodeError: the user's own network, which stands in the engine's place, raises.
    """
    weights = initial_weights(layer_sizes(images.shape[1], config.hidden, classes), config)
    file = config.network_file(name)
    # Without its source it is a run that is only shown, and the code may be somebody else's.
    if file is not None and file.source:
        return _user_engine(name, config, images, labels, weights)
    if config.kind(name) == "numpy":
        numpy_mlp = NumpyMLP(config.of(name), images, labels, weights, grey_levels)
        numpy_mlp.name = name
        return numpy_mlp
    from mlpwatch.core.network.torch_mlp import TorchMLP  # noqa: PLC0415

    torch_mlp = TorchMLP(config.of(name), images, labels, weights)
    torch_mlp.name = name
    return torch_mlp


def _user_engine(
    name: EngineName, config: RunConfig, images: Floats, labels: Labels, weights: Tensors
) -> Engine:
    # Imported here: only runs with a network of the user's need it.
    from mlpwatch.core.network.users.numpy_file import UserNumpyEngine  # noqa: PLC0415
    from mlpwatch.core.network.users.torch_file import UserTorchEngine  # noqa: PLC0415

    kind = UserNumpyEngine if name == "numpy" else UserTorchEngine
    return kind(name, config, images, labels, weights)


def device_for(config: RunConfig, has_cuda: bool, has_mps: bool) -> Literal["cpu", "cuda", "mps"]:
    """Return the device of the config.

    Args:
        config: device and dtype are used.
        has_cuda: whether PyTorch finds an NVIDIA or AMD GPU.
        has_mps: whether PyTorch finds an Apple GPU.

    Raises:
        ConfigError: the device is absent, or can't compute in the config's dtype.
    """
    wanted = config.device
    if wanted == "auto":
        mps_fits = has_mps and config.dtype == "float32"
        return "cuda" if has_cuda else "mps" if mps_fits else "cpu"
    if (wanted == "cuda" and not has_cuda) or (wanted == "mps" and not has_mps):
        raise ConfigError(f"device {wanted!r}: PyTorch finds none here; use --device cpu or auto")
    if wanted == "mps" and config.dtype == "float64":
        raise ConfigError("device 'mps' has no float64: use --dtype float32 or --device cpu")
    return wanted
