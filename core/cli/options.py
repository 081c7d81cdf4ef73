"""The command-line options of training, and the config that they make."""

import argparse
import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

from mlpwatch.core.config import (
    IN_PLACE,
    Activation,
    Device,
    Dtype,
    EngineName,
    Initialization,
    LossMean,
    LossName,
    OptimizerName,
    OutputActivation,
    PixelRange,
    RecipeName,
    RunConfig,
    Schedule,
)
from mlpwatch.core.data.registry import AUTO, SOURCES, pace_for
from mlpwatch.core.errors import ConfigError
from mlpwatch.core.recipes import ADAMW_DECAY, RECIPE_SUMMARIES, from_recipe

DEFAULT_SAVED = "saved"

CHANGEABLE_ON_RESUME = ("data", "epochs", "patience", "threads", "device", "history")
"""Settings that do not change the numbers of a resumed run. `epochs` makes it longer, and stretches
its schedule over the new length."""

_NOT_HERE = ("recipe", *IN_PLACE)
_FIELDS = tuple(field.name for field in fields(RunConfig) if field.name not in _NOT_HERE)

LISTED = ("recipe", *(name for name in _FIELDS if name != "threads"))
"""Settings that a sweep takes as lists, in the order of its grid."""


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that define the training. None of them has a default: see `config_from`."""
    _add_basics(parser.add_argument_group("basics"))
    width = max(map(len, RECIPE_SUMMARIES))
    parser.add_argument_group(
        "recipes",
        "\n".join(f"{name:<{width}}  {text}" for name, text in RECIPE_SUMMARIES.items()),
    )
    _add_data_options(parser.add_argument_group("data"))
    _add_network_options(parser.add_argument_group("network"))
    _add_pace_options(parser.add_argument_group("training"))
    _add_regularization(parser.add_argument_group("regularization"))
    _add_machine_options(parser.add_argument_group("machine"))


def _add_basics(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--recipe", choices=get_args(RecipeName), metavar="NAME",
        help="named settings, listed below (default: twin); the other options replace some of them",
    )  # fmt: skip
    group.add_argument(
        "--data", metavar="|".join((AUTO, *SOURCES, "PATH")),
        help=f"{'; '.join(f'{name}: {source.summary}' for name, source in SOURCES.items())}; "
        f"{AUTO}: the first of these that is there and of images (default); a path: an .npz file, "
        "or a folder, zip or file in IDX format, as MNIST's",
    )  # fmt: skip
    group.add_argument(
        "--hidden", type=layer_widths, metavar="128,64",
        help="widths of the hidden layers; '' for none",
    )  # fmt: skip
    _add_choice(group, "--activation", Activation, "of the hidden layers")
    _add_choice(group, "--optimizer", OptimizerName, "how a gradient becomes an update")
    group.add_argument(
        "--learning-rate", type=parse_number, metavar="F",
        help="step size; rmsprop, adam and adamw want about 0.001",
    )  # fmt: skip
    group.add_argument("--batch-size", type=_whole_number, metavar="N", help="images per step")
    group.add_argument("--epochs", type=_whole_number, metavar="N", help="passes over the data")


def _add_data_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--train-size", type=_whole_number, metavar="N",
        help="train on N images, drawn by the seed (default: all)",
    )  # fmt: skip
    group.add_argument(
        "--validation", type=_whole_number, metavar="N",
        help="images held out for validation (default: one in six, at most 5,000)",
    )  # fmt: skip
    _add_choice(
        group, "--pixel-range", PixelRange,
        "the values for black and white, or for the least and the greatest of a feature",
    )  # fmt: skip
    group.add_argument("--seed", type=_whole_number, metavar="N", help="of split, weights, order")


def _add_network_options(group: argparse._ArgumentGroup) -> None:
    _add_choice(
        group, "--loss", LossName,
        "cross-entropy of a softmax; or, of one sigmoid per class, squared error (mse), half of it "
        "or binary cross-entropy (bce)",
    )  # fmt: skip
    _add_choice(
        group, "--output-activation", OutputActivation,
        "of the last layer (default: softmax for cross-entropy, else sigmoid)",
    )  # fmt: skip
    _add_choice(
        group, "--torch-loss-mean", LossMean,
        "what PyTorch divides mse, half-mse and bce by: the images, as by hand, or every element, "
        "as nn.MSELoss()",
    )  # fmt: skip
    _add_choice(
        group, "--initialization", Initialization,
        "of the weights: scaled to each layer's width (He or Glorot), normal with standard "
        "deviation 0.1, or all 0",
    )  # fmt: skip
    group.add_argument(
        "--negative-slope", type=parse_number, metavar="F",
        help="of leaky-relu, for negative sums (default: 0.01, as in PyTorch)",
    )  # fmt: skip
    group.add_argument(
        "--bias", type=_on_or_off, metavar="on|off",
        help="whether the layers have biases; off as nn.Linear(bias=False) (default: on)",
    )  # fmt: skip
    group.add_argument(
        "--network", metavar="FILE[:NAME]",
        help="your own network file, trained in NumPy's place; mlpwatch new writes a starter",
    )  # fmt: skip
    group.add_argument(
        "--torch", metavar="FILE[:NAME]", help="your own PyTorch file, trained in PyTorch's place"
    )


def _add_pace_options(group: argparse._ArgumentGroup) -> None:
    _add_choice(
        group, "--schedule", Schedule,
        "how the learning rate falls over the run: linear and cosine to 0, step to a tenth after "
        "each third",
    )  # fmt: skip
    group.add_argument(
        "--warmup", type=_whole_number, metavar="STEPS",
        help="let the learning rate rise for so many steps first",
    )  # fmt: skip
    group.add_argument(
        "--patience", type=_whole_number, metavar="N",
        help="end a model after N epochs without a lower validation loss, and keep its best "
        "checkpoint",
    )  # fmt: skip
    group.add_argument(
        "--momentum", type=parse_number, metavar="F",
        help="of the optimizers momentum and nesterov (default: 0.9)",
    )  # fmt: skip
    group.add_argument(
        "--lockstep", action="store_true", help="keep both at the same step: the faster waits"
    )
    group.add_argument(
        "--stop-at-difference", action="store_true",
        help="pause both at the first step that rounding does not explain, and say why; without a "
        "screen end there with exit status 1 (in lockstep)",
    )  # fmt: skip


def _add_regularization(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--weight-decay", type=parse_number, metavar="F",
        help="decoupled with adamw: the weights shrink by learning rate x F a step (default there: "
        f"{ADAMW_DECAY:g}); coupled with all others: F x weights is added to the gradient, as in "
        "torch.optim (default: 0)",
    )  # fmt: skip
    group.add_argument(
        "--dropout", type=parse_number, metavar="F", help="share of hidden units that a step drops"
    )
    group.add_argument(
        "--input-dropout", type=parse_number, metavar="F", help="share of pixels that a step drops"
    )


def _add_machine_options(group: argparse._ArgumentGroup) -> None:
    _add_choice(group, "--only", EngineName, "train just one of the two")
    group.add_argument(
        "--threads", type=_whole_number, metavar="N", help="cores for both together (default: all)"
    )
    _add_choice(group, "--device", Device, "where PyTorch runs; NumPy stays on the CPU")
    _add_choice(group, "--dtype", Dtype, "of weights and arithmetic")
    group.add_argument(
        "--history", type=_whole_number, metavar="MB",
        help="for past epochs in the run's folder, from which mlpwatch branch starts: all of the "
        "newest, ever sparser before (default: 64; 0 keeps none)",
    )  # fmt: skip


def add_run_options(parser: argparse.ArgumentParser, *, naming: bool) -> None:
    """Add the folder of the runs and, with `naming`, the name of the new run."""
    group = parser.add_argument_group("run")
    group.add_argument(
        "--saved",
        type=_folder,
        default=DEFAULT_SAVED,
        metavar="DIR",
        help="where runs are kept (./saved)",
    )
    if naming:
        group.add_argument(
            "--name", metavar="NAME", help="of the run (default: date, recipe, a short random tail)"
        )


def config_from(options: argparse.Namespace) -> RunConfig:
    """Return the recipe's settings, adapted to the data set, replaced by the given options.

    Raises:
        ConfigError: a value is out of range.
    """
    recipe: RecipeName = options.recipe or "twin"
    given = given_settings(options)
    pace = pace_for(given.get("data", AUTO), recipe)
    if options.network is None and options.torch is None:
        config = from_recipe(recipe, **{**pace, **given})
    else:
        # Imported here: it imports NumPy, and a file for PyTorch that, too.
        from mlpwatch.core.cli.networks import with_networks  # noqa: PLC0415

        config = with_networks(recipe, pace, given, options.network, options.torch)
    if "momentum" in given:
        _check_momentum(config)
    return config


def _check_momentum(config: RunConfig) -> None:
    """Check that the optimizer uses μ.

    Raises:
        ConfigError: it has none.
    """
    # Imported here: it imports NumPy.
    from mlpwatch.core.network.optimizers import OPTIMIZERS  # noqa: PLC0415

    if not OPTIMIZERS[config.optimizer].has_momentum():
        others = " or ".join(name for name, rule in OPTIMIZERS.items() if rule.has_momentum())
        raise ConfigError(
            f"--momentum {config.momentum:g}: {config.optimizer} has none; use --optimizer {others}"
        )


def options_for(config: RunConfig) -> list[str]:
    """Return the words of a command line of which `config_from` makes this config."""
    pace = pace_for(config.data, config.recipe)
    usual = from_recipe(config.recipe, **{**pace, "data": config.data})
    # The optimizer decides what the weight decay is by default.
    base = from_recipe(
        config.recipe, **{**pace, "data": config.data, "optimizer": config.optimizer}
    )
    given = [name for name in _FIELDS if getattr(config, name) != getattr(base, name)]
    given += ["optimizer"] if config.optimizer != usual.optimizer else []
    first = [("recipe", "twin"), ("data", AUTO)]
    names = [name for name, default in first if getattr(config, name) != default] + given
    words: list[str] = []
    for name in names:
        flag, value = f"--{name.replace('_', '-')}", getattr(config, name)
        text = ",".join(map(str, value)) if name == "hidden" else shown_setting(value)
        words += [f"{flag}={text}"] if text.startswith("-") else [flag, text]
    for flag, file in (("--network", config.network), ("--torch", config.network_torch)):
        if file is not None:
            path = str(Path(file.folder) / file.file)
            words += [flag, f"{path}:{file.name}" if file.name else path]
    return words


def config_for_resume(options: argparse.Namespace, config: RunConfig) -> RunConfig:
    """Return a saved run's settings with the options that may change on resume.

    Raises:
        ConfigError: an option would change what the run computes.
    """
    given = given_settings(options) | ({"recipe": options.recipe} if options.recipe else {})
    for name, value in given.items():
        if name not in CHANGEABLE_ON_RESUME and getattr(config, name) != value:
            flag = "--" + name.replace("_", "-")
            raise ConfigError(
                f"{flag} {shown_setting(value)}: this run has "
                f"{shown_setting(getattr(config, name))}, and resuming can't change it; "
                "start a new run"
            )
    if options.network is not None or options.torch is not None:
        from mlpwatch.core.cli.networks import check_same  # noqa: PLC0415 - it imports NumPy

        check_same(config, {"numpy": options.network, "torch": options.torch})
    return replace(config, **given)


def shown_setting(value: object) -> str:
    """Return a setting as written on the command line."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(str(width) for width in value) or "''"
    return str(value)


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that the command line gives, by their names in `RunConfig`."""
    values = vars(options)
    return {name: values[name] for name in _FIELDS if values[name] is not None}


def _add_choice(group: argparse._ArgumentGroup, flag: str, choice: object, text: str) -> None:
    allowed = get_args(choice)
    group.add_argument(flag, choices=allowed, metavar="|".join(allowed), help=text)


def _folder(text: str) -> str:
    # A shell expands `--saved ~/runs`, but not `--saved=~/runs`.
    folder = os.path.expanduser(text)  # noqa: PTH111 - Path's own raises where there is no home
    if folder.startswith("~"):
        raise argparse.ArgumentTypeError(f"{text!r}: no such home folder; give a whole path")
    return folder


def layer_widths(text: str) -> tuple[int, ...]:
    """Parse widths like `128,64`; an empty text means no hidden layer.

    Raises:
        argparse.ArgumentTypeError: the text is something else.
    """
    parts = [part for part in text.split(",") if part.strip()]
    try:
        return tuple(int(part) for part in parts)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected layer widths joined by commas, like 128,64"
        ) from None


def file_and_name(text: str) -> tuple[Path, str | None]:
    """Split FILE:NAME; the name of an existing file may have a colon."""
    if Path(text).is_file() or ":" not in text:
        return Path(text), None
    file, _, name = text.rpartition(":")
    return Path(file), name or None


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number") from None


def _on_or_off(text: str) -> bool:
    if text not in ("on", "off"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected on or off")
    return text == "on"


def parse_number(text: str) -> float:
    """Parse a number.

    Raises:
        argparse.ArgumentTypeError: the text is something else.
    """
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number, like 0.1") from None
