"""`~/.config/mlpwatch/config.toml`: people's own defaults. Options on the command line win."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlpwatch.core.cli.parser import parsers_of
from mlpwatch.core.errors import DataError, InputError

CONFIG_VARIABLE = "MLPWATCH_CONFIG"
"""Names another folder for `config.toml`."""

FILE_NAME = "config.toml"

MAX_FPS = 60.0

_NEW_RUNS = ("mlpwatch", "mlpwatch train")
"""Commands that `data` is for: elsewhere `--data` says where the data of a saved run has moved."""


class FileText(str):
    """A text from the file, which knows where it stands, for an error that is found later."""

    __slots__ = ("where",)
    where: str


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_rate(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < float(str(value)) <= MAX_FPS


def _are_keys(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


_SETTINGS: dict[str, tuple[Callable[[object], bool], str]] = {
    "theme": (_is_text, 'a name, like "light"'),
    "fps": (_is_rate, f"a number above 0, up to {MAX_FPS:g}"),
    "data": (_is_text, 'a text, like "mnist" or a path'),
    "saved": (_is_text, 'a folder, like "~/runs"'),
    "notify": (lambda value: isinstance(value, bool), "true or false"),
    "keys": (_are_keys, 'a table of keys and what takes their place, like m = "M"'),
}


def apply_own_defaults(parser: argparse.ArgumentParser) -> None:
    """Make the settings of the file the defaults of a command line; without a file do nothing.

    Raises:
        InputError: the file can't be read, or has a wrong key or value.
    """
    path = own_file()
    if path is None or not path.exists():
        return
    # A FIFO would wait for its writer.
    if not path.is_file():
        raise InputError(f"{path}: not a file; make it one, or remove it")
    settings = read_own_defaults(path)
    for one in parsers_of(parser):
        for action in one._actions:
            is_meant = action.dest != "data" or one.prog in _NEW_RUNS
            if action.option_strings and action.dest in settings and is_meant:
                action.default = settings[action.dest]
        one.set_defaults(own_keys=settings.get("keys", {}), own_file=str(path))


def own_file() -> Path | None:
    """Return the path of the file, which need not exist; None for a user without a home folder."""
    # Here: most of what needs no first frame is imported when it is needed.
    from platformdirs import user_config_path  # noqa: PLC0415

    from mlpwatch.core.files.user_folders import user_folder  # noqa: PLC0415

    try:
        return user_folder(CONFIG_VARIABLE, lambda: user_config_path("mlpwatch")) / FILE_NAME
    except DataError:
        return None


def read_own_defaults(path: Path) -> dict[str, Any]:
    """Return the settings of a file by the names of their options.

    Raises:
        InputError: it can't be read, or has a wrong key or value; one line that names the file.
    """
    import tomllib  # noqa: PLC0415 - 8 ms, and most people have no such file

    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path}: {reason}; make it readable, or remove it") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f'{path}: {error}; expected TOML, like theme = "light"') from error
    for name, value in found.items():
        if name not in _SETTINGS:
            expected = ", ".join(_SETTINGS)
            raise InputError(f"{path}: {name}: no such setting; expected one of {expected}")
        is_right, expected = _SETTINGS[name]
        if not is_right(value):
            raise InputError(f"{path}: {name} = {value!r}: expected {expected}")
        if isinstance(value, str):
            found[name] = FileText(value)
            found[name].where = f"{path}: {name} ="
    return found
