"""A parser of command lines whose errors are one line and suggest the option that was meant."""

import argparse
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NoReturn, get_args

from mlpwatch.core.config import PixelRange
from mlpwatch.core.errors import InputError

_MEANT = {
    "learning-rate": ("lr", "eta", "alpha", "rate", "step-size", "learningrate"),
    "batch-size": ("batch", "bs", "b", "minibatch"),
    "epochs": ("epoch", "n-epochs", "num-epochs", "iterations", "max-iter"),
    "hidden": ("layers", "hidden-layers", "hidden-size", "hidden-layer-sizes", "units", "width"),
    "optimizer": ("optim", "optimiser", "solver"),
    "activation": ("act", "nonlinearity"),
    "schedule": ("scheduler", "lr-schedule", "lr-scheduler"),
    "warmup": ("warm-up", "warmup-steps"),
    "momentum": ("mu", "beta"),
    "weight-decay": ("wd", "decay", "l2"),
    "dropout": ("drop", "dropout-rate"),
    "initialization": ("init", "initialisation", "weight-init"),
    "pixel-range": ("normalize", "normalization", "scale"),
    "validation": ("val", "val-size", "validation-size", "validation-split"),
    "train-size": ("n-train", "samples", "subset", "limit", "train"),
    "loss": ("criterion", "objective"),
    "data": ("dataset", "data-dir", "data-path", "input", "path"),
    "saved": ("output", "out", "output-dir", "save-dir", "save", "log-dir", "logdir", "dir"),
    "name": ("run-name", "run"),
    "seed": ("random-state", "random-seed", "rng"),
    "threads": ("jobs", "n-jobs", "workers", "num-threads", "cores"),
    "dtype": ("precision", "type"),
    "device": ("gpu", "cuda"),
    "only": ("engine", "backend", "framework"),
    "fps": ("refresh", "refresh-rate"),
    "ascii": ("no-unicode",),
    "theme": ("dark", "light", "colors", "colours"),
}
"""The names of our options in other programs."""


def parsers_of(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Return a parser and those of all its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from parsers_of(one)


def meant_by(word: str, known: Iterable[str]) -> str:
    """Return a question about the known word that is closest to one; empty if none is close."""
    # Imported here: it takes 1 ms, and the first frame should not wait for it.
    from difflib import get_close_matches  # noqa: PLC0415

    return "".join(f"; did you mean {one}?" for one in get_close_matches(word, known, 1, 0.7))


class _HelpFormatter(argparse.HelpFormatter):
    """Keeps the lines of a text; what does not fit continues below the last column of a table."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        # Imported here, as argparse itself does: only help needs it.
        import textwrap  # noqa: PLC0415

        found: list[str] = []
        for line in text.splitlines():
            table = re.match(r"\s*\S.*?\s{2,}(?=\S)", line)
            hang = " " * (table.end() if table else 0)
            found += textwrap.wrap(
                line, width, initial_indent=indent, subsequent_indent=indent + hang,
                break_on_hyphens=False,
            ) or [""]  # fmt: skip
        return "\n".join(found)


class Parser(argparse.ArgumentParser):
    """Reports bad input as an `InputError` of one line instead of the usage text."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - as argparse has it
        super().__init__(**{"formatter_class": _HelpFormatter, **settings})

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse all arguments.

        Raises:
            InputError: an argument is unknown; the message suggests an option.
        """
        args = None if args is None else _with_values_joined(args)
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            asked = self._meant(unknown[0].partition("=")[0])
            self.error(f"unrecognized arguments: {' '.join(unknown)}{asked}")
        return options, unknown

    def take_lists(self, names: Collection[str]) -> None:
        """Let options take several values: joined by commas, layer widths by semicolons.

        Args:
            names: of the values in the namespace; each becomes a tuple.
        """
        for action in self._actions:
            if action.dest in names:
                mark = ";" if action.dest == "hidden" else ","
                parse = action.type if callable(action.type) else str
                allowed = tuple(action.choices or ())
                action.type = partial(_listed, mark=mark, parse=parse, allowed=allowed)
                action.choices = None

    def _meant(self, flag: str) -> str:
        """Return a question about the option closest to an unknown one; empty if none is close."""
        own = [name for action in self._actions for name in action.option_strings]
        if not flag.startswith("-"):
            return ""
        word = flag.lstrip("-").lower().replace("_", "-")
        for option, others in _MEANT.items():
            if (word in others or word == option) and f"--{option}" in own:
                return f"; did you mean --{option}?"
        return meant_by(f"--{word}", sorted(set(own) - {"--help"}))

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing and exiting.

        Raises:
            InputError: always.
        """
        joined = f"{message} See" if message.endswith("?") else f"{message}; see"
        raise InputError(f"{joined} {self.prog} --help")


def _listed(
    text: str, *, mark: str, parse: Callable[[str], object], allowed: tuple[object, ...]
) -> tuple[object, ...]:
    """Parse several values of one option.

    Raises:
        argparse.ArgumentTypeError: one of them can't be parsed, or none is given.
    """
    # An empty text is a value of --hidden: no hidden layer.
    values = [parse(word.strip()) for word in text.split(mark)]
    for value in values:
        if allowed and value not in allowed:
            known = ", ".join(map(str, allowed))
            raise argparse.ArgumentTypeError(f"{value!r}: expected one of {known}")
    if len(set(values)) < len(values):
        raise argparse.ArgumentTypeError(f"{text!r}: a value is given twice")
    return tuple(values)


def _with_values_joined(arguments: Sequence[str]) -> list[str]:
    """Return `--pixel-range -1..1` as one word: argparse takes `-1..1` for an option."""
    joined: list[str] = []
    for word in arguments:
        is_range = set(word.split(",")) <= set(get_args(PixelRange))
        if joined and joined[-1] == "--pixel-range" and is_range:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined
