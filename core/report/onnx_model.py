"""A run's network as an ONNX model: samples in, class and outputs out."""

from collections.abc import Mapping
from itertools import count
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from mlpwatch import __version__
from mlpwatch.core.arrays import Tensors
from mlpwatch.core.config import Activation, EngineName, OutputActivation, RunConfig
from mlpwatch.core.data.labels import class_names
from mlpwatch.core.errors import InputError
from mlpwatch.core.network.tables import complete
from mlpwatch.core.runs.run import Run

OPSET, OPSET_WITH_GELU = 13, 20
"""Versions of the operators; as low as possible, so that older runtimes take the model."""

IR_VERSION = 9
"""Of the file's format: onnxruntime 1.17 and later read it."""

_OPERATORS: Mapping[Activation, str] = complete(
    Activation,
    {"relu": "Relu", "leaky-relu": "LeakyRelu", "gelu": "Gelu", "sigmoid": "Sigmoid",
     "tanh": "Tanh"},
)  # fmt: skip

_OUTPUTS: Mapping[OutputActivation, str] = complete(
    OutputActivation, {"softmax": "Softmax", "sigmoid": "Sigmoid", "linear": "Identity"}
)


def onnx_bytes(run: Run, engine: EngineName) -> bytes:
    """Return the model of an engine's newest checkpoint.

    Its input `samples` (batch, features), float32, is scaled as for training; its outputs are
    `class` (batch,), int64, and `outputs` (batch, classes). What the pixels mean is in its
    metadata.

    Args:
        run: of mlpwatch's own network.
        engine: whose weights.

    Raises:
        InputError: a file of the user's trains there, or there is no checkpoint.
        RunError: the checkpoint can't be read.
    """
    if (file := run.config.network_file(engine)) is not None:
        raise InputError(
            f"{run.name}: {file.file} trains in {engine}'s place, and only mlpwatch's own network "
            "is known well enough; export it from your own code"
        )
    latest = run.read_latest(engine)
    if latest is None:
        raise InputError(f"{run.name}: no checkpoint of {engine} yet; wait for the first epoch")
    facts = {
        "run": run.name,
        "engine": engine,
        "epochs": str(latest.checkpoint.position.epoch),
        "data": run.dataset.name,
        "image_shape": "x".join(map(str, run.dataset.image_shape)),
        "classes": run.dataset.names or class_names(run.dataset.classes),
        "range": run.config.pixel_range,
    }
    model = mlp_model(run.config, latest.checkpoint.state.weights, facts)
    return bytes(model.SerializeToString(deterministic=True))


def mlp_model(config: RunConfig, weights: Tensors, facts: Mapping[str, str]) -> ModelProto:
    """Return an MLP as a checked model.

    Args:
        config: activations and dtype are used.
        weights: `layers.K.weight` (fan_out, fan_in) and `layers.K.bias` (fan_out,).
        facts: about it, by name.
    """
    kind = TensorProto.DOUBLE if config.dtype == "float64" else TensorProto.FLOAT
    features, classes = weights["layers.0.weight"].shape[1], 0
    nodes: list[NodeProto] = [helper.make_node("Cast", ["samples"], ["a0"], to=kind)]
    for k in count():
        name = f"layers.{k}.weight"
        if name not in weights:
            break
        classes = weights[name].shape[0]
        # Z = A Wᵀ + b                                   (batch, fan_in) (fan_in, fan_out)
        inputs = [f"a{k}", name, f"layers.{k}.bias"]
        nodes.append(helper.make_node("Gemm", inputs, [f"z{k}"], transB=1))
        nodes.append(_activation(config, f"z{k}", f"a{k + 1}"))
    last = f"z{k - 1}"
    # In place of the activation, which the last layer does not have.
    nodes[-1] = helper.make_node(_OUTPUTS[config.output_function], [last], ["outputs"])
    nodes.append(helper.make_node("ArgMax", [last], ["class"], axis=1, keepdims=0))
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("samples", TensorProto.FLOAT, ["batch", features])],
        [
            helper.make_tensor_value_info("class", TensorProto.INT64, ["batch"]),
            helper.make_tensor_value_info("outputs", kind, ["batch", classes]),
        ],
        [numpy_helper.from_array(np.ascontiguousarray(w), name) for name, w in weights.items()],
    )
    opset = OPSET_WITH_GELU if config.activation == "gelu" else OPSET
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=IR_VERSION,
        producer_name="mlpwatch",
        producer_version=__version__,
        doc_string="samples: scaled as for training; see the metadata",
    )
    helper.set_model_props(model, dict(facts))
    checker.check_model(model, full_check=True)
    return model


def _activation(config: RunConfig, z: str, a: str) -> NodeProto:
    settings: dict[str, Any] = {}
    if config.activation == "leaky-relu":
        settings = {"alpha": config.negative_slope}
    return helper.make_node(_OPERATORS[config.activation], [z], [a], **settings)
