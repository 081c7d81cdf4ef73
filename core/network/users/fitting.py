"""What a network file does not say of itself is found by trying; whether it fits the data."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats, Tensors
from mlpwatch.core.config import EngineName, LossMean, LossName, OutputActivation, RunConfig
from mlpwatch.core.errors import InputError
from mlpwatch.core.foreign.loading import UserCodeError, load
from mlpwatch.core.foreign.user_module import UserModule
from mlpwatch.core.network.activations import ACTIVATIONS, activation_of
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.engine import EngineState
from mlpwatch.core.network.layers import Parameters, predict_chunks
from mlpwatch.core.network.outputs import OUTPUTS
from mlpwatch.core.network.users.base import UserEngine
from mlpwatch.core.network_file import NetworkFile
from mlpwatch.core.specification import OUTPUT_OF_LOSS

IMAGES = 12
"""Random images that a network is tried on."""

LOSSES_OF_OUTPUT: Mapping[OutputActivation, tuple[LossName, ...]] = {
    "softmax": ("cross-entropy", "mse", "bce"),
    "sigmoid": ("mse", "bce", "cross-entropy"),
    "linear": ("mse",),
}
"""The losses that are tried, the likeliest first. Half of a squared error is not: it would hide a
factor 2 that is missing."""

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
        # A layer without biases has kept zeros.
        state = engine.state()
        outputs = np.array(engine.outputs_of(engine.pixels(images)), np.float64)
        weights = engine.weights()
        for activation, (output, function, shown) in _candidates(config, file, weights, images):
            if shown.shape == outputs.shape and np.abs(shown - outputs).max() < TOLERANCE:
                chosen = replace(file, spec=replace(file.spec, output=output))
                config = replace(config.with_network(name, chosen), activation=activation)
                return _with_loss(config, name, function, images, labels, state=state)
    except UserCodeError:
        # The run that begins now meets the same, and says it.
        return config
    return config


def _candidates(
    config: RunConfig, file: NetworkFile, weights: Tensors, images: Floats
) -> Iterator[tuple[Any, tuple[Any, OutputActivation | None, NDArray[Any]]]]:
    """Yield activations with the outputs (images, classes) that they give, in each form.

    The output activation is None where forward returns logits, which do not show it.
    """
    activations = [config.activation, *ACTIVATIONS]
    if "activation" in file.declared:
        activations = [config.activation]
    functions: list[OutputActivation] = ["softmax", "sigmoid"]
    if {"loss", "output_activation"} & set(file.declared):
        functions = [config.output_function]
    for activation in dict.fromkeys(activations):
        rule = activation_of(replace(config, activation=activation))
        chunks = predict_chunks(Parameters(weights), rule, images, lambda _, z: z.copy())
        z = np.concatenate(chunks)
        forms: list[tuple[Any, OutputActivation | None, NDArray[Any]]] = [
            ("probabilities", function, OUTPUTS[function].apply(z)) for function in functions
        ]
        forms.append(("logits", None, z))
        for form in forms:
            if "output" not in file.declared or form[0] == file.spec.output:
                yield activation, form


def _losses_tried(
    config: RunConfig, file: NetworkFile | None, function: OutputActivation | None
) -> list[tuple[LossName, OutputActivation]]:
    """Return the losses and output activations that a file may have, the likeliest first."""
    declared = file.declared if file else ()
    is_function_said = "output_activation" in declared
    if "loss" in declared:
        return [(config.loss, config.output_function)]
    first = [(config.loss, config.output_function)]
    found: list[tuple[LossName, OutputActivation]] = [
        (loss, one) for one, losses in LOSSES_OF_OUTPUT.items() for loss in losses
    ]
    if function is not None or is_function_said:
        known = function or config.output_function
        found = [pair for pair in first + found if pair[1] == known]
        # The loss that a sigmoid's or a softmax's outputs are likeliest to have comes first.
        return list(dict.fromkeys(sorted(found, key=lambda pair: pair not in first)))
    usual = [pair for pair in found if pair in {("cross-entropy", "softmax"), ("mse", "sigmoid")}]
    return list(dict.fromkeys(first + usual + found))


def _with_loss(
    config: RunConfig, name: EngineName, function: OutputActivation | None, images: Floats,
    labels: NDArray[np.int64], *, state: EngineState,
) -> RunConfig:  # fmt: skip
    """Return the config with the loss whose gradient the file has; else the likeliest one."""
    classes = len(state.weights[f"layers.{len(state.weights) // 2 - 1}.weight"])
    rows = np.arange(IMAGES)
    bare = EngineState(state.weights)
    means: tuple[LossMean, ...] = ("batch", "element")
    file = config.network_file(name)
    pairs = _losses_tried(config, file, function)
    for (loss, output), mean in product(pairs, means):
        trial = _of_loss(config, loss, output, mean)
        user = build_engine(name, trial, images, labels, classes)
        user.load_state(state)
        own = replace(
            trial,
            network=None,
            network_torch=None,
            optimizer="sgd",
            bias=file is None or file.spec.bias,
        )
        # The NumPy engine's error is always summed over the classes.
        reference = build_engine("numpy", own, images, labels, classes)
        reference.load_state(bare)
        share = classes if trial.means_differ else 1
        theirs, ours = (engine.loss_and_gradient(rows)[1] for engine in (user, reference))
        scale = max(np.abs(g).max() for g in ours.values()) / share
        if all(np.abs(theirs[n] - g / share).max() < TOLERANCE * scale for n, g in ours.items()):
            # A file in NumPy's place does not say what PyTorch's loss is averaged over.
            return trial if name == "torch" else replace(trial, torch_loss_mean="batch")
    return _of_loss(config, *pairs[0], config.torch_loss_mean)


def _of_loss(
    config: RunConfig, loss: LossName, output: OutputActivation, mean: LossMean
) -> RunConfig:
    is_usual = output == OUTPUT_OF_LOSS[loss]
    return replace(
        config, loss=loss, output_activation=None if is_usual else output, torch_loss_mean=mean
    )
