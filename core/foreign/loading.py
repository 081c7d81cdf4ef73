"""Loads a user's file: its module, what it says of itself, and its errors by its own lines."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

import numpy as np

from mlpwatch.core.errors import InputError
from mlpwatch.core.foreign.user_network import Found, NotUnderstoodError, find_network
from mlpwatch.core.network_file import NetworkFile
from mlpwatch.core.specification import NAMES
from mlpwatch.core.text import excerpt

MODULE_NAME = "users_network"
"""The name of the file's module: never `__main__`, so a script's guarded part does not run."""

MOST_TEXT = 400
"""Most characters of an error of the user's code."""


class UserCodeError(InputError):
    """The user's own code failed; the message names the line of their file."""


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A file that was imported."""

    path: Path
    source: bytes
    module: ModuleType
    found: Found

    def call(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401
        """Call a function of the user's.

        Raises:
            UserCodeError: it raised, or tried to end the process; the message names its line.
            MemoryError: not enough memory.
        """
        try:
            return function(*arguments)
        except (MemoryError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise code_error(error, self.path, self.source, name) from None

    @property
    def attributes(self) -> dict[str, Any]:
        """What the file and its class say of the network, as JSON values."""
        return attributes_of(self.module) | attributes_of(self.found.target)


def import_source(source: bytes, path: Path, folder: Path) -> ModuleType:
    """Run a file's source as a new module; each call has its own globals and classes.

    Args:
        source: the file's bytes.
        path: its name in tracebacks.
        folder: modules beside the file are imported from here. It is the last place that is
            searched: a file of the user's must not hide one of Python's.

    Raises:
        Exception: whatever the file's own code raises, or a SyntaxError.
    """
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    module = ModuleType(MODULE_NAME)
    module.__file__ = str(path)
    code = compile(source, str(path), "exec", dont_inherit=True)
    # Registered, because dataclasses look for their module; the newest of several wins.
    sys.modules[MODULE_NAME] = module
    module.__dict__["print"] = _print_aside
    exec(code, module.__dict__)
    return module


def _print_aside(*values: object, file: Any = None, **options: Any) -> None:  # noqa: ANN401
    """Print to standard error in place of standard output.

    There it spoils neither the screen, which catches it, nor the object of `--json`.
    """
    stream = sys.__stderr__ if file in (None, sys.stdout, sys.__stdout__) else file
    with suppress(OSError, ValueError):
        print(*values, file=stream, **{"flush": True, **options})


def load(file: NetworkFile) -> LoadedFile:
    """Import a network file from its bytes, so that a file edited meanwhile changes nothing.

    Raises:
        UserCodeError: its code raises.
        InputError: it has no network, or several.
    """
    path = Path(file.folder) / file.file
    try:
        module = import_source(file.source, path, Path(file.folder))
        return LoadedFile(path, file.source, module, find_network(module, file.name or None))
    except NotUnderstoodError as error:
        raise InputError(f"{file.file}: {error}") from None
    except (MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise code_error(error, path, file.source) from None


_KINDS: Mapping[str, tuple[type, ...]] = {
    "hidden": (list, tuple, int), "bias": (bool,), "negative_slope": (float, int),
}  # fmt: skip
"""What a variable of a module is, if it says something of the network; else a text."""


def attributes_of(owner: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the specification's attributes that a class or module has, as JSON values."""
    found: dict[str, Any] = {}
    for name in NAMES:
        value = getattr(owner, name, None)
        if callable(value) or isinstance(value, property):
            continue
        if isinstance(owner, ModuleType) and not isinstance(value, _KINDS.get(name, str)):
            # A script's own variable, as the loss of its last batch.
            continue
        if isinstance(value, (list, tuple)):
            found[name] = [int(v) if isinstance(v, (int, np.integer)) else repr(v) for v in value]
        elif value is not None:
            found[name] = value if isinstance(value, (str, int, float, bool)) else repr(value)
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the user's code an exception was raised."""

    file: str
    """Name of the file."""
    line: int
    function: str
    """Empty outside of any function."""
    text: str
    """The line itself."""


def place_of(error: BaseException, path: Path, source: bytes | None = None) -> Place | None:
    """Return the last line of the user's code that an exception passed; None if none did.

    Where the file calls another one beside it, the mistake is most often in that.

    Args:
        error: raised by the user's code.
        path: of the file, as in the traceback.
        source: the file's bytes; None to read the line from the file as it is now.
    """
    frames = traceback.extract_tb(error.__traceback__)
    first = next((i for i, f in enumerate(frames) if Path(f.filename) == path), len(frames))
    own = [f for f in frames[first:] if _is_beside(Path(f.filename), path)]
    if own:
        last = own[-1]
        line = last.line or ""
        if source is not None and last.lineno and Path(last.filename) == path:
            lines = source.decode("utf-8", "replace").splitlines()
            line = lines[last.lineno - 1].strip() if last.lineno <= len(lines) else ""
        function = "" if last.name == "<module>" else last.name
        return Place(Path(last.filename).name, last.lineno or 0, function, line)
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return Place(path.name, error.lineno, "", (error.text or "").strip())
    return None


def _is_beside(file: Path, path: Path) -> bool:
    """Whether a file is the user's: in the folder of `path`, and no installed package."""
    return file.is_relative_to(path.parent) and "site-packages" not in file.parts


def message_of(error: BaseException) -> str:
    """Return an exception's type and message; of a missing module also where it is missing."""
    message = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, ModuleNotFoundError):
        return f"{message} in mlpwatch's Python ({sys.prefix}); install it there"
    return message


def code_error(
    error: BaseException, path: Path, source: bytes | None = None, call: str = "import"
) -> UserCodeError:
    """Return an exception of the user's code as one sentence with its line, without our frames.

    Args:
        error: what the code raised.
        path: of the file.
        source: its bytes.
        call: what was called, where no line of the file is known.
    """
    place = place_of(error, path, source)
    message = message_of(error)
    if isinstance(error, (NotUnderstoodError, UserCodeError)):
        return UserCodeError(excerpt(f"{path.name}: {error}", MOST_TEXT))
    if place is None:
        return UserCodeError(excerpt(f"{path.name}, {call}: {message}", MOST_TEXT))
    where = f" in {place.function}" if place.function else ""
    text = f" ({place.text})" if place.text else ""
    described = f"{place.file} line {place.line}{where}: {message}{text}"
    return UserCodeError(excerpt(described, MOST_TEXT))


@contextmanager
def diverted_stdout() -> Iterator[TextIO]:
    """Send to standard error what anything else prints; yield the real standard output.

    A user's network and what it calls may print at any time, until the process has ended.
    """
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    kept = os.dup(1)
    try:
        with redirect_stdout(sys.stderr), os.fdopen(os.dup(kept), "w", encoding="utf-8") as stdout:
            # Without a standard error there is nowhere else to go.
            with suppress(OSError):
                os.dup2(2, 1)
            yield stdout
    finally:
        os.dup2(kept, 1)
        os.close(kept)
