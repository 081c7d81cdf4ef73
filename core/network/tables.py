"""Tables from a setting's names to their meanings, checked when they are made."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar, get_args

Name = TypeVar("Name", bound=str)
Entry = TypeVar("Entry")


def complete(names: Any, entries: Mapping[Name, Entry]) -> Mapping[Name, Entry]:  # noqa: ANN401 - a Literal
    """Return a read-only table with exactly one entry for every name of a setting.

    Args:
        names: the setting's `Literal` in `core.config`.
        entries: by name.

    Raises:
        TypeError: a name is missing or unknown.
    """
    allowed = get_args(names)
    if set(entries) != set(allowed):
        wrong = sorted(set(entries) ^ set(allowed))
        raise TypeError(f"table {sorted(entries)}: expected {sorted(allowed)}; look at {wrong}")
    return MappingProxyType(dict(entries))
