"""What a network file does not say of itself is found by trying; whether it fits the data."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats, Tensors
from mlpwatch.core.config import EngineName, LossMean, LossName, RunConfig
from mlpwatch.core.errors import InputError
from mlpwatch.core.foreign.loading import UserCodeError, load
from mlpwatch.core.foreign.user_module import UserModule
from mlpwatch.core.network.activations import ACTIVATIONS
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.engine import EngineState
from mlpwatch.core.network.layers import Parameters, predict_chunks
from mlpwatch.core.network.losses import LOSSES
from mlpwatch.core.network.users.base import UserEngine
from mlpwatch.core.network_file import NetworkFile

IMAGES = 12
"""Random images that a network is tried on."""

TOLERANCE = 1e-4
"""Of two outputs or gradients that are the same but for rounding in float32."""


def fitted_config(config: RunConfig, features: int, classes: int) -> RunConfig:
    """Return the config with what its network files do not say of themselves.

    Args:
        config: of a new run.
        features: pixels per image.
        classes: of the data set.

    Raises:
        InputError: a PyTorch file has other widths than the data.
        UserCodeError: the code raises when its module is made.
    """
    for name in reversed(config.engine_names):
        file = config.network_file(name)
        if file is None:
            continue
        if file.kind == "module":
            _check_widths(file, features, classes)
        if file.kind == "module" or not {"activation", "output", "loss"} <= set(file.declared):
            config = _tried(config, name, file, features, classes)
    return config


def _check_widths(file: NetworkFile, features: int, classes: int) -> None:
    loaded = load(file)
    user: UserModule = loaded.call("__init__", UserModule, loaded.found, loaded.module)
    linear = loaded.call("__init__", user.facts)["linear"]
    if linear[0][0] != features:
        raise InputError(
            f"{file.file}: its first linear layer takes {linear[0][0]} inputs; the data has "
            f"{features} pixels (--data chooses other images)"
        )
    if linear[-1][1] != classes:
        raise InputError(
            f"{file.file}: its last linear layer has {linear[-1][1]} outputs; the data has "
            f"{classes} classes"
        )


def _tried(
    config: RunConfig, name: EngineName, file: NetworkFile, features: int, classes: int
) -> RunConfig:
    """Return the config with the first activation and outputs that give the file's numbers."""
    random = np.random.default_rng(0)
    images = random.uniform(0, 1, (IMAGES, features)).astype(np.float32)
    labels = np.arange(IMAGES, dtype=np.int64) % classes
    try:
        engine = build_engine(name, config, images, labels, classes)
        if not isinstance(engine, UserEngine):
            return config
        state = engine.state()
        for array in state.weights.values():
            array[...] = random.normal(0, 1 / np.sqrt(array.shape[-1]), array.shape)
        engine.load_state(state)
        outputs = np.array(engine.outputs_of(engine.pixels(images)), np.float64)
        weights = engine.weights()
        for activation, (output, loss, shown) in _candidates(config, file, weights, images):
            if shown.shape == outputs.shape and np.abs(shown - outputs).max() < TOLERANCE:
                chosen = replace(file, spec=replace(file.spec, output=output))
                config = replace(config.with_network(name, chosen), activation=activation)
                return _with_loss(config, name, loss, images, labels, state=state)
    except UserCodeError:
        # The run that begins now meets the same, and says it.
        return config
    return config


def _candidates(
    config: RunConfig, file: NetworkFile, weights: Tensors, images: Floats
) -> Iterator[tuple[Any, tuple[Any, LossName | None, NDArray[Any]]]]:
    activations = [config.activation, *ACTIVATIONS]
    if "activation" in file.declared:
        activations = [config.activation]
    losses: list[LossName] = ["cross-entropy", "mse"]
    if "loss" in file.declared:
        losses = [config.loss]
    for activation in dict.fromkeys(activations):
        chunks = predict_chunks(Parameters(weights), activation, images, lambda _, z: z.copy())
        z = np.concatenate(chunks)
        forms: list[tuple[Any, LossName | None, NDArray[Any]]] = [
            ("probabilities", loss, LOSSES[loss]("batch").probabilities(z)) for loss in losses
        ]
        forms.append(("logits", None, z))
        for form in forms:
            if "output" not in file.declared or form[0] == file.spec.output:
                yield activation, form


def _with_loss(
    config: RunConfig, name: EngineName, likely: LossName | None, images: Floats,
    labels: NDArray[np.int64], *, state: EngineState,
) -> RunConfig:  # fmt: skip
    """Return the config with the loss whose gradient the file has; else the likely one."""
    classes = len(state.weights[f"layers.{len(state.weights) // 2 - 1}.weight"])
    rows = np.arange(IMAGES)
    bare = EngineState(state.weights)
    means: tuple[LossMean, ...] = ("batch", "element")
    losses: list[LossName] = [config.loss]
    if "loss" not in getattr(config.network_file(name), "declared", ()):
        losses = [likely or config.loss, "cross-entropy", "mse"]
    for loss, mean in product(dict.fromkeys(losses), means):
        trial = replace(config, loss=loss, torch_loss_mean=mean)
        user = build_engine(name, trial, images, labels, classes)
        user.load_state(state)
        own = replace(trial, network=None, network_torch=None, optimizer="sgd")
        # The NumPy engine's error is always summed over the classes.
        reference = build_engine("numpy", own, images, labels, classes)
        reference.load_state(bare)
        share = classes if loss == "mse" and mean == "element" else 1
        theirs, ours = (engine.loss_and_gradient(rows)[1] for engine in (user, reference))
        scale = max(np.abs(g).max() for g in ours.values()) / share
        if all(np.abs(theirs[n] - g / share).max() < TOLERANCE * scale for n, g in ours.items()):
            return trial if name == "torch" else replace(config, loss=loss)
    return replace(config, loss=losses[0])
