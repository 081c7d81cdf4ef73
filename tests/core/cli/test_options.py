"""Every option reaches the settings, and every bad value is one line that says what to do."""

import argparse
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given

from mlpwatch.core.cli.options import (
    add_run_options,
    add_training_options,
    config_for_resume,
    config_from,
    options_for,
)
from mlpwatch.core.cli.parser import Parser
from mlpwatch.core.config import IN_PLACE, RunConfig
from mlpwatch.core.data.registry import SOURCES
from mlpwatch.core.errors import ConfigError, InputError
from mlpwatch.core.recipes import RECIPES, from_recipe
from tests.core.test_config import configs


def parse(*arguments: str) -> argparse.Namespace:
    parser = Parser(prog="mlpwatch", allow_abbrev=False)
    add_training_options(parser)
    add_run_options(parser, naming=True)
    return parser.parse_args(arguments)


REACHES: list[tuple[str, str, str, Any]] = [
    ("--data", "some/file.npz", "data", "some/file.npz"),
    ("--hidden", "128,64", "hidden", (128, 64)),
    ("--hidden", " 30 , 20 ", "hidden", (30, 20)),
    ("--hidden", "", "hidden", ()),
    ("--activation", "tanh", "activation", "tanh"),
    ("--loss", "mse", "loss", "mse"),
    ("--loss", "half-mse", "loss", "half-mse"),
    ("--loss", "bce", "loss", "bce"),
    ("--output-activation", "sigmoid", "output_activation", "sigmoid"),
    ("--negative-slope", "0.2", "negative_slope", 0.2),
    ("--bias", "off", "bias", False),
    ("--bias", "on", "bias", True),
    ("--optimizer", "adam", "optimizer", "adam"),
    ("--learning-rate", "1e-3", "learning_rate", 0.001),
    ("--batch-size", "7", "batch_size", 7),
    ("--epochs", "3", "epochs", 3),
    ("--seed", "9223372036854775807", "seed", 2**63 - 1),
    ("--dtype", "float64", "dtype", "float64"),
    ("--device", "auto", "device", "auto"),
    ("--only", "torch", "only", "torch"),
    ("--threads", "2", "threads", 2),
    ("--schedule", "cosine", "schedule", "cosine"),
    ("--warmup", "100", "warmup", 100),
    ("--weight-decay", "1e-4", "weight_decay", 1e-4),
    ("--dropout", "0.5", "dropout", 0.5),
    ("--input-dropout", "0.1", "input_dropout", 0.1),
    ("--initialization", "zeros", "initialization", "zeros"),
    ("--pixel-range", "-1..1", "pixel_range", "-1..1"),
    ("--pixel-range", "0..1", "pixel_range", "0..1"),
    ("--pixel-range", "0..255", "pixel_range", "0..255"),
    ("--validation", "500", "validation", 500),
    ("--train-size", "300", "train_size", 300),
    ("--history", "8", "history", 8),
    ("--patience", "5", "patience", 5),
]


def test_every_setting_has_an_option() -> None:
    reached = {field for _, _, field, _ in REACHES} | {"momentum", "torch_loss_mean", "recipe"}
    assert reached | set(IN_PLACE) == {field.name for field in fields(RunConfig)}


@pytest.mark.parametrize("optimizer", ["momentum", "nesterov"])
def test_momentum_is_of_the_optimizers_that_have_one(optimizer: str) -> None:
    given = config_from(parse("--optimizer", optimizer, "--momentum", "0.5"))
    assert (given.optimizer, given.momentum) == (optimizer, 0.5)
    for other in ((), ("--optimizer", "adam"), ("--recipe", "best")):
        with pytest.raises(
            ConfigError, match=r"--momentum 0\.5: \w+ has none; use --optimizer mom"
        ):
            config_from(parse(*other, "--momentum", "0.5"))


def test_adamw_decays_by_itself_and_adam_does_not() -> None:
    assert config_from(parse("--optimizer", "adamw")).weight_decay == 0.01
    assert config_from(parse("--optimizer", "adamw", "--weight-decay", "0")).weight_decay == 0
    assert config_from(parse("--optimizer", "adam")).weight_decay == 0


@pytest.mark.parametrize(("flag", "text", "field", "value"), REACHES)
def test_an_option_replaces_its_setting_alone(
    flag: str, text: str, field: str, value: object
) -> None:
    for recipe, config in RECIPES.items():
        given = parse("--data", "some/file.npz", "--recipe", recipe, flag, text)
        changed: dict[str, Any] = {"data": "some/file.npz", field: value}
        assert config_from(given) == replace(config, **changed)


def test_a_data_set_sets_the_pace_of_a_recipe_and_options_go_before_it() -> None:
    given = config_from(parse("--recipe", "seed", "--data", "digits"))
    assert (given.batch_size, given.epochs) == (10, 120)
    given = config_from(parse("--recipe", "seed", "--data", "digits", "--epochs", "3"))
    assert (given.batch_size, given.epochs) == (10, 3)
    given = config_from(parse("--recipe", "seed", "--data", "mnist"))
    assert (given.batch_size, given.epochs) == (100, 50)


@pytest.mark.parametrize("data", SOURCES)
def test_every_pace_is_of_a_recipe_and_in_range(data: str) -> None:
    assert set(SOURCES[data].pace) <= set(RECIPES)
    for recipe, pace in SOURCES[data].pace.items():
        assert from_recipe(recipe, **pace).recipe == recipe


def test_without_options_the_twin_recipe_is_meant() -> None:
    assert config_from(parse()) == RECIPES["twin"] == RunConfig()


def test_where_a_run_is_kept_and_what_it_is_called() -> None:
    options = parse()
    assert (options.saved, options.name) == ("saved", None)
    options = parse("--saved", "runs here", "--name", "first")
    assert (options.saved, options.name) == ("runs here", "first")


REFUSED: list[tuple[tuple[str, ...], str, str]] = [
    (("--recipe", "triplet"), "'triplet'", "twin"),
    (("--hidden", "128;64"), "'128;64'", "layer widths joined by commas, like 128,64"),
    (("--hidden", "128,6.5"), "'128,6.5'", "like 128,64"),
    (("--hidden", "0"), "0", "a whole number from 1 to 65,536"),
    (("--hidden=-5",), "-5", "a whole number from 1 to 65,536"),
    (("--activation", "swish"), "'swish'", "sigmoid"),
    (("--loss", "hinge"), "'hinge'", "cross-entropy"),
    (("--optimizer", "lion"), "'lion'", "momentum"),
    (("--learning-rate", "fast"), "'fast'", "expected a number, like 0.1"),
    (("--learning-rate", "nan"), "nan", "expected a number above 0"),
    (("--learning-rate", "1e31"), "1e+31", "up to 1e+30"),
    (("--batch-size", "6.5"), "'6.5'", "expected a whole number"),
    (("--batch-size", "0"), "0", "expected a whole number from 1"),
    (("--epochs", "many"), "'many'", "expected a whole number"),
    (("--epochs", "9" * 5000), "expected a whole number", "mlpwatch --help"),
    (("--seed", "-1"), "-1", "expected a whole number from 0"),
    (("--dtype", "float16"), "'float16'", "float64"),
    (("--device", "tpu"), "'tpu'", "mps"),
    (("--only", "jax"), "'jax'", "numpy"),
    (("--threads", "0"), "0", "expected a whole number from 1"),
    (("--epochs",), "--epochs", "expected one argument"),
    (("--epoch", "3"), "--epoch", "did you mean --epochs? See mlpwatch --help"),
    (("--lr", "0.1"), "--lr", "did you mean --learning-rate?"),
    (("--lr=0.1",), "--lr", "did you mean --learning-rate?"),
    (("--learning_rate", "0.1"), "--learning_rate", "did you mean --learning-rate?"),
    (("--bs", "8"), "--bs", "did you mean --batch-size?"),
    (("--optimzer", "adam"), "--optimzer", "did you mean --optimizer?"),
    (("--layers", "8"), "--layers", "did you mean --hidden?"),
    (("--output", "x"), "--output", "did you mean --saved?"),
    (("--frobnicate",), "--frobnicate; see", "mlpwatch --help"),
    (("--wd", "0.5"), "--wd", "did you mean --weight-decay?"),
    (("--dropout", "1"), "dropout 1", "a share from 0 to below 1, like 0.2"),
    (("--pixel-range", "-1..2"), "--pixel-range", "expected one argument"),
    (("--weight-decay", "-1"), "-1", "expected a number from 0"),
    (("--train-size", "0"), "train size 0", "expected a whole number from 1"),
    (("digits",), "digits", "mlpwatch --help"),
]


@pytest.mark.parametrize(("arguments", "value", "expected"), REFUSED)
def test_a_bad_option_is_an_input_error_of_one_line(
    arguments: tuple[str, ...], value: str, expected: str
) -> None:
    with pytest.raises(InputError) as error:
        config_from(parse(*arguments))
    message = str(error.value)
    assert value in message
    assert expected in message
    assert "\n" not in message
    assert error.value.exit_status == 2


@given(configs)
def test_a_config_is_what_its_own_options_make(config: RunConfig) -> None:
    if config.optimizer not in ("momentum", "nesterov"):
        config = replace(config, momentum=RECIPES[config.recipe].momentum)
    if config.recipe == "overfitting":  # no option means all images
        config = replace(config, train_size=config.train_size or 1)
    assert config_from(parse(*options_for(config))) == config


def test_options_are_only_those_that_differ_from_the_recipe() -> None:
    assert options_for(RunConfig()) == []
    best = from_recipe("best", data="digits")
    assert options_for(best) == ["--recipe", "best", "--data", "digits"]
    odd = from_recipe("twin", hidden=(), pixel_range="-1..1", optimizer="adamw", bias=False)
    words = ["--hidden", "", "--bias", "off", "--pixel-range=-1..1", "--optimizer", "adamw"]
    assert options_for(odd) == words


SAVED = from_recipe("best", data="digits", seed=3)


def test_a_resumed_run_may_change_what_does_not_change_the_numbers() -> None:
    options = parse(
        "--data", "moved.npz", "--epochs", "40", "--threads", "1", "--device", "auto"
    )  # fmt: skip
    assert config_for_resume(options, SAVED) == replace(
        SAVED, data="moved.npz", epochs=40, threads=1, device="auto"
    )
    assert config_for_resume(parse(), SAVED) == SAVED


def test_a_resumed_run_may_be_given_what_it_has() -> None:
    options = parse("--recipe", "best", "--hidden", "512,256", "--seed", "3")
    assert config_for_resume(options, SAVED) == SAVED


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--recipe", "twin"),
        ("--hidden", "64"),
        ("--activation", "tanh"),
        ("--loss", "mse"),
        ("--output-activation", "sigmoid"),
        ("--negative-slope", "0.2"),
        ("--optimizer", "sgd"),
        ("--learning-rate", "0.5"),
        ("--schedule", "cosine"),
        ("--warmup", "5"),
        ("--momentum", "0.5"),
        ("--weight-decay", "0.1"),
        ("--dropout", "0.1"),
        ("--train-size", "100"),
        ("--pixel-range", "-1..1"),
        ("--batch-size", "64"),
        ("--seed", "4"),
        ("--dtype", "float64"),
        ("--only", "numpy"),
    ],
)
def test_a_resumed_run_may_not_change_what_it_computes(flag: str, text: str) -> None:
    with pytest.raises(ConfigError, match=rf"{flag} .*resuming can't change it; start a new run"):
        config_for_resume(parse(flag, text), SAVED)
