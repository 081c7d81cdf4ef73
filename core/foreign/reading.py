"""From a user's file to its record: which network it has, and what the file says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from mlpwatch.core.errors import InputError
from mlpwatch.core.foreign.loading import LoadedFile, load
from mlpwatch.core.foreign.torch_optimizers import declared_optimizer, keeps_whole_memory
from mlpwatch.core.foreign.user_module import UserModule, module_specification
from mlpwatch.core.foreign.user_network import UserNetwork
from mlpwatch.core.network_file import NetworkFile
from mlpwatch.core.specification import specification_from
from mlpwatch.core.text import printable

MOST_BYTES = 10_000_000
"""Of a file; a Python file of a person has a thousandth of it."""


@dataclass(frozen=True, slots=True)
class ReadNetwork:
    """A network file that was read and imported once."""

    file: NetworkFile
    said: Mapping[str, Any]
    """What it says of itself: fields of the specification; others are their defaults."""
    facts: Mapping[str, Any]
    """Of a PyTorch file: widths of its layers, its optimizer."""


def read_bytes(path: Path) -> bytes:
    """Return a network file's bytes.

    Raises:
        InputError: there is no such file, or it can't be read.
    """
    shown = printable(path)
    try:
        if not path.is_file():
            raise InputError(f"network file {shown!r}: no such file; expected a Python file")
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"network file {shown!r}: larger than 10 MB; expected a Python file")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"network file {shown!r}: {error.strerror}; make it readable") from None


def read_network(path: Path, name: str | None) -> ReadNetwork:
    """Read a network file, import it, and return what it says of its network.

    Args:
        path: of the file.
        name: of the class in it; None for the only one.

    Raises:
        UserCodeError: its code raises.
        InputError: it has no network, several, or says something unknown of it.
    """
    source = read_bytes(path)
    folder = str(path.resolve().parent)
    digits = sha256(source).hexdigest()
    bare = NetworkFile(path.name, digits, name or "", folder=folder, source=source)
    loaded = load(bare)
    said = dict(loaded.attributes)
    if loaded.found.kind == "module":
        return _module(bare, loaded, said)
    user = UserNetwork(loaded.found, bare.spec)
    trains_itself = loaded.found.kind == "class" and (
        user.has("update") or not user.has("backward")
    )
    file = replace(
        bare,
        name=loaded.found.name if loaded.found.kind == "class" else "",
        kind=loaded.found.kind,
        keeps_slots=not trains_itself,
        is_exact=not trains_itself,
    )
    return _with_spec(file, said, {}, output="probabilities")


def _module(bare: NetworkFile, loaded: LoadedFile, said: dict[str, Any]) -> ReadNetwork:
    user: UserModule = loaded.call("__init__", UserModule, loaded.found, loaded.module)
    facts: dict[str, Any] = loaded.call("optimizer", user.facts)
    if others := user.other_parameters():
        raise InputError(
            f"{bare.file}: {others[0]} belongs to no linear layer; expected a network of linear "
            "layers alone, as mlpwatch saves and compares them"
        )
    said |= module_specification(facts) | declared_optimizer(facts)
    is_seen = keeps_whole_memory(facts["optimizer"])
    file = replace(
        bare,
        name=loaded.found.name,
        kind="module",
        keeps_slots=is_seen,
        is_exact=is_seen and not user.has("train_step"),
    )
    return _with_spec(file, said, facts, output="logits")


def _with_spec(
    file: NetworkFile, said: Mapping[str, Any], facts: Mapping[str, Any], *, output: str
) -> ReadNetwork:
    try:
        spec = specification_from({"output": output} | dict(said), {})
        return ReadNetwork(replace(file, spec=spec), said, facts)
    except InputError as error:
        raise InputError(f"{file.file}: {error}") from None
