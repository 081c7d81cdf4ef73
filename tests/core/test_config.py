"""Settings are in range or refused in one line, and survive a round trip through JSON."""

import json
from dataclasses import FrozenInstanceError, fields
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpwatch.core import config as settings
from mlpwatch.core import limits
from mlpwatch.core.config import IN_PLACE, RunConfig
from mlpwatch.core.errors import ConfigError
from mlpwatch.core.network_file import NetworkFile
from mlpwatch.core.specification import UNDEFINED_LOSSES, Specification

PAIRS = tuple(
    (loss, output)
    for loss in get_args(settings.LossName)
    for output in (None, *get_args(settings.OutputActivation))
    if (loss, output) not in UNDEFINED_LOSSES
)


def of_loss(pair: tuple[Any, Any], **values: Any) -> RunConfig:  # noqa: ANN401
    return RunConfig(loss=pair[0], output_activation=pair[1], **values)


configs = st.builds(
    of_loss,
    pair=st.sampled_from(PAIRS),
    negative_slope=st.floats(0, 1),
    bias=st.booleans(),
    data=st.text(),
    recipe=st.sampled_from(get_args(settings.RecipeName)),
    hidden=st.lists(st.integers(1, limits.MAX_LAYER_WIDTH), max_size=5).map(tuple),
    activation=st.sampled_from(get_args(settings.Activation)),
    torch_loss_mean=st.sampled_from(get_args(settings.LossMean)),
    optimizer=st.sampled_from(get_args(settings.OptimizerName)),
    learning_rate=st.floats(0, limits.MAX_LEARNING_RATE, exclude_min=True),
    momentum=st.floats(0, 1, exclude_max=True),
    weight_decay=st.floats(0, settings.MAX_WEIGHT_DECAY),
    schedule=st.sampled_from(get_args(settings.Schedule)),
    warmup=st.integers(0, limits.MAX_STEPS),
    dropout=st.floats(0, 1, exclude_max=True),
    input_dropout=st.floats(0, 1, exclude_max=True),
    batch_size=st.integers(1, limits.MAX_BATCH_SIZE),
    epochs=st.integers(1, limits.MAX_EPOCHS),
    validation=st.none() | st.integers(1, limits.MAX_IMAGES),
    train_size=st.none() | st.integers(1, limits.MAX_IMAGES),
    seed=st.integers(0, 2**63 - 1),
    dtype=st.sampled_from(get_args(settings.Dtype)),
    device=st.sampled_from(get_args(settings.Device)),
    pixel_range=st.sampled_from(get_args(settings.PixelRange)),
    initialization=st.sampled_from(get_args(settings.Initialization)),
    only=st.none() | st.sampled_from(settings.ENGINE_NAMES),
    threads=st.none() | st.integers(1, 4096),
)


@given(configs)
def test_a_config_survives_json(config: RunConfig) -> None:
    text = json.dumps(config.to_dict(), allow_nan=False)
    assert RunConfig.from_dict(json.loads(text)) == config


def test_a_config_from_before_there_was_a_choice_has_biases() -> None:
    values = RunConfig(bias=False).to_dict()
    assert not RunConfig.from_dict(values).bias
    del values["bias"]
    assert RunConfig.from_dict(values).bias


def test_the_dict_holds_every_field_and_nothing_else() -> None:
    names = {field.name for field in fields(RunConfig)}
    assert set(RunConfig().to_dict()) == names - set(IN_PLACE)


def test_networks_are_in_the_dict_where_there_are_some() -> None:
    file = NetworkFile(
        "net.py", "0" * 64, "Mine", spec=Specification(hidden=(3,), layout="columns")
    )
    config = RunConfig(hidden=(3,), network=file, network_torch=NetworkFile("net.py", "1" * 64))
    values = json.loads(json.dumps(config.to_dict()))
    assert values["network"]["file"] == "net.py"
    assert RunConfig.from_dict(values) == config
    assert (config.title("numpy"), config.title("torch")) == ("net.py:Mine", "net.py:PyTorch")
    assert RunConfig(network=file).title("numpy") == "net.py"
    assert RunConfig(network=file).title("torch") == "PyTorch"


@pytest.mark.parametrize("values", [
    "net.py", {}, {"file": "net.py"}, {"file": 3, "sha256": "0" * 64},
    {"file": "net.py", "sha256": "0" * 64, "kind": "script"},
    {"file": "net.py", "sha256": "0" * 64, "is_exact": 1},
    {"file": "net.py", "sha256": "0" * 64, "specification": {"hidden": "many"}},
    {"file": "net.py", "sha256": "0" * 64, "specification": []},
])  # fmt: skip
def test_a_damaged_network_is_refused(values: object) -> None:
    with pytest.raises(ConfigError, match="network"):
        RunConfig.from_dict({"network": values})


def test_missing_fields_take_their_defaults() -> None:
    assert RunConfig.from_dict({}) == RunConfig()
    assert RunConfig.from_dict({"epochs": 3}) == RunConfig(epochs=3)


OUT_OF_RANGE: list[tuple[str, Any, str]] = [
    ("data", 5, "data 5: expected the name of a data set, or a path"),
    ("recipe", "triplet", "recipe 'triplet': expected one of twin, seed, seed-fixed, best, over"),
    ("hidden", (0,), "hidden layer width 0: expected a whole number from 1 to 65,536"),
    ("hidden", (64, 65_537), "hidden layer width 65537: expected"),
    ("hidden", (64.0,), "hidden layer width 64.0: expected"),
    ("activation", "swish", "activation 'swish': expected one of relu, leaky-relu, gelu, sig"),
    ("loss", "hinge", "loss 'hinge': expected one of cross-entropy, mse"),
    ("output_activation", "tanh", "output_activation 'tanh': expected one of softmax, sigmoid, "),
    ("output_activation", "linear", "output_activation 'linear' with loss 'cross-entropy': it "),
    ("negative_slope", 1.5, "negative slope 1.5: expected a number from 0 to 1"),
    ("bias", 1, "bias 1: expected true or false"),
    ("torch_loss_mean", "sum", "torch_loss_mean 'sum': expected one of batch, element"),
    ("optimizer", "lion", "optimizer 'lion': expected one of sgd, momentum, nesterov, rmsprop"),
    ("learning_rate", 0, "learning rate 0: expected a number above 0"),
    ("learning_rate", -0.1, "learning rate -0.1: expected"),
    ("learning_rate", float("nan"), "learning rate nan: expected"),
    ("learning_rate", float("inf"), "learning rate inf: expected"),
    ("learning_rate", 1.01e30, "up to 1e+30, like 0.1"),
    ("learning_rate", 10**400, "expected a number above 0"),
    ("learning_rate", True, "learning rate True: expected"),
    ("learning_rate", "0.1", "learning rate '0.1': expected"),
    ("schedule", "warm", "schedule 'warm': expected one of constant, linear, cosine, step"),
    ("momentum", 1, "momentum 1: expected a share from 0 to below 1"),
    ("weight_decay", -0.1, "weight decay -0.1: expected a number from 0 to 1e+06"),
    ("weight_decay", float("nan"), "weight decay nan: expected a number"),
    ("weight_decay", "0", "weight decay '0': expected a number"),
    ("warmup", -1, "warmup -1: expected a whole number from 0"),
    ("patience", 0, "patience 0: expected a whole number from 1 to 100,000"),
    ("validation", 0, "validation 0: expected a whole number from 1"),
    ("history", -1, "history -1: expected a whole number from 0"),
    ("train_size", 0.5, "train size 0.5: expected a whole number from 1"),
    ("dropout", 1, "dropout 1: expected a share from 0 to below 1, like 0.2"),
    ("dropout", -0.1, "dropout -0.1: expected a share"),
    ("dropout", True, "dropout True: expected a share"),
    ("input_dropout", float("nan"), "input dropout nan: expected a share"),
    ("input_dropout", "0.2", "input dropout '0.2': expected a share"),
    ("batch_size", 0, "batch size 0: expected a whole number from 1 to 1,000,000"),
    ("batch_size", 1_000_001, "batch size 1000001: expected"),
    ("epochs", 0, "epochs 0: expected a whole number from 1 to 100,000"),
    ("epochs", 100_001, "epochs 100001: expected"),
    ("epochs", True, "epochs True: expected"),
    ("seed", -1, "seed -1: expected a whole number from 0 to"),
    ("seed", 2**63, "seed 9223372036854775808: expected"),
    ("dtype", "float16", "dtype 'float16': expected one of float32, float64"),
    ("device", "tpu", "device 'tpu': expected one of cpu, cuda, mps, auto"),
    ("pixel_range", "0..2", "pixel_range '0..2': expected one of 0..1, -1..1, 0..255"),
    ("initialization", "ones", "initialization 'ones': expected one of scaled, normal, zeros"),
    ("only", "jax", "only 'jax': expected numpy or torch"),
    ("only", [], "only []: expected numpy or torch"),
    ("dropout", 1.0, "dropout 1.0: expected a share from 0 to below 1"),
    ("dropout", True, "dropout True: expected a share"),
    ("input_dropout", -0.1, "input dropout -0.1: expected a share from 0 to below 1"),
    ("threads", 0, "threads 0: expected a whole number from 1 to 4,096"),
    ("threads", 4_097, "threads 4097: expected"),
    ("network", "net.py", "network 'net.py': expected its file and sha256"),
    ("treatment", {}, "treatment {}: expected its engine and settings"),
    ("network_torch", {}, "network: expected the name of its file, and its sha256"),
]


@pytest.mark.parametrize(("name", "value", "message"), OUT_OF_RANGE)
def test_a_value_out_of_range_is_named_in_one_line(name: str, value: Any, message: str) -> None:  # noqa: ANN401
    values = RunConfig().to_dict() | {name: value}
    with pytest.raises(ConfigError) as error:
        RunConfig.from_dict(values)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.exit_status == 2


def test_every_field_has_a_value_that_is_refused() -> None:
    assert {name for name, _, _ in OUT_OF_RANGE} == {field.name for field in fields(RunConfig)}


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(ConfigError, match=r"unknown setting 'damping': .*newer mlpwatch"):
        RunConfig.from_dict({"damping": 0.5, "epochs": 3})


@pytest.mark.parametrize("hidden", [64, "64", None, {"0": 64}])
def test_hidden_that_is_no_list_is_refused(hidden: object) -> None:
    with pytest.raises(ConfigError, match="expected a list of layer widths"):
        RunConfig.from_dict({"hidden": hidden})


def test_a_config_is_frozen_and_hashable() -> None:
    with pytest.raises(FrozenInstanceError):
        RunConfig().epochs = 3  # type: ignore[misc]
    assert len({RunConfig(), RunConfig(), RunConfig(hidden=(1,))}) == 2


def test_only_leaves_one_engine() -> None:
    assert RunConfig().engine_names == ("numpy", "torch")
    assert RunConfig(only="torch").engine_names == ("torch",)
