"""The options that training takes on the command line, and the config that they make."""

import argparse
from dataclasses import replace
from typing import Any, NoReturn, get_args

from mlpwatch.core.config import (
    Activation,
    Device,
    Dtype,
    EngineName,
    LossMean,
    LossName,
    OptimizerName,
    RecipeName,
    RunConfig,
)
from mlpwatch.core.data.registry import AUTO, SOURCES, pace_for
from mlpwatch.core.errors import ConfigError, InputError
from mlpwatch.core.recipes import RECIPE_SUMMARIES, from_recipe

DEFAULT_SAVED = "saved"

CHANGEABLE_ON_RESUME = ("data", "epochs", "threads", "device")
"""Settings that leave the numbers of a resumed run as they are; `epochs` makes it longer, and
stretches a linear schedule over its new length."""

_FIELDS = (
    "data", "activation", "loss", "torch_loss_mean", "optimizer", "learning_rate", "batch_size",
    "epochs", "seed", "dtype", "device", "only", "threads", "hidden",
)  # fmt: skip


class Parser(argparse.ArgumentParser):
    """Reports bad input as an `InputError` of one line instead of a usage dump."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing and leaving.

        Raises:
            InputError: always.
        """
        raise InputError(f"{message}; see {self.prog} --help")


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that decide what is trained. None has a default: see `config_from`."""
    group = parser.add_argument_group("training")
    group.add_argument(
        "--data", metavar="|".join((AUTO, *SOURCES, "PATH")),
        help=f"{'; '.join(f'{name}: {source.summary}' for name, source in SOURCES.items())}; "
        f"{AUTO}: the first of these that is there (default); a path: an .npz file, or a folder, "
        "zip or file in IDX format, as MNIST's",
    )  # fmt: skip
    recipes = "; ".join(f"{name}: {text}" for name, text in RECIPE_SUMMARIES.items())
    _add_choice(group, "--recipe", RecipeName, f"named settings ({recipes})")
    group.add_argument(
        "--hidden", type=layer_widths, metavar="128,64",
        help="widths of the hidden layers; '' for none",
    )  # fmt: skip
    _add_choice(group, "--activation", Activation, "of the hidden layers")
    _add_choice(group, "--loss", LossName, "softmax cross-entropy, or sigmoid and squared error")
    _add_choice(
        group, "--torch-loss-mean", LossMean,
        "what PyTorch's squared error is divided by: the images, as by hand, or every element, "
        "as nn.MSELoss()",
    )  # fmt: skip
    _add_choice(group, "--optimizer", OptimizerName, "how a gradient becomes an update")
    group.add_argument("--learning-rate", type=_number, metavar="F", help="step size")
    group.add_argument("--batch-size", type=_whole_number, metavar="N", help="images per step")
    group.add_argument("--epochs", type=_whole_number, metavar="N", help="passes over the data")
    group.add_argument("--seed", type=_whole_number, metavar="N", help="of split, weights, order")
    _add_choice(group, "--dtype", Dtype, "of weights and arithmetic")
    _add_choice(group, "--device", Device, "where PyTorch runs; NumPy stays on the CPU")
    _add_choice(group, "--only", EngineName, "train just one of the two")
    group.add_argument(
        "--threads", type=_whole_number, metavar="N", help="cores for both together (default: all)"
    )
    group.add_argument(
        "--lockstep", action="store_true", help="keep both at the same step: the faster waits"
    )


def add_run_options(parser: argparse.ArgumentParser, *, naming: bool) -> None:
    """Add where runs are kept, and with `naming` what the new one is called."""
    group = parser.add_argument_group("run")
    group.add_argument(
        "--saved", default=DEFAULT_SAVED, metavar="DIR", help="where runs are kept (./saved)"
    )
    if naming:
        group.add_argument(
            "--name", metavar="NAME", help="of the run (default: date, recipe, a short random tail)"
        )


def config_from(options: argparse.Namespace) -> RunConfig:
    """Return the recipe's settings, at the data set's pace, with the given options in their place.

    Raises:
        ConfigError: a value is out of range.
    """
    recipe: RecipeName = options.recipe or "twin"
    given = _given(options)
    pace = pace_for(given.get("data", AUTO), recipe)
    return from_recipe(recipe, **{**pace, **given})


def config_for_resume(options: argparse.Namespace, config: RunConfig) -> RunConfig:
    """Return a saved run's settings with those options that may change on resume.

    Raises:
        ConfigError: an option would change what the run computes.
    """
    given = _given(options) | ({"recipe": options.recipe} if options.recipe else {})
    for name, value in given.items():
        if name not in CHANGEABLE_ON_RESUME and getattr(config, name) != value:
            flag = "--" + name.replace("_", "-")
            raise ConfigError(
                f"{flag} {_shown(value)}: this run has {_shown(getattr(config, name))}, and "
                "resuming can't change it; start a new run"
            )
    return replace(config, **given)


def _shown(value: object) -> str:
    """Return a setting as it is written on the command line."""
    if isinstance(value, tuple):
        return ",".join(str(width) for width in value) or "''"
    return str(value)


def _given(options: argparse.Namespace) -> dict[str, Any]:
    values = vars(options)
    return {name: values[name] for name in _FIELDS if values[name] is not None}


def _add_choice(group: argparse._ArgumentGroup, flag: str, choice: object, text: str) -> None:
    allowed = get_args(choice)
    group.add_argument(flag, choices=allowed, metavar="|".join(allowed), help=text)


def layer_widths(text: str) -> tuple[int, ...]:
    """Read `128,64`; nothing for no hidden layer.

    Raises:
        argparse.ArgumentTypeError: something else.
    """
    parts = [part for part in text.split(",") if part.strip()]
    try:
        return tuple(int(part) for part in parts)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected layer widths joined by commas, like 128,64"
        ) from None


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number, like 0.1") from None
