"""Other keys in the place of some, from the user's settings."""

import unicodedata
from collections.abc import Mapping
from typing import get_args

from textual.keys import KEY_NAME_REPLACEMENTS

from mlpwatch.core.errors import InputError
from mlpwatch.tui.formatting import rename_keys
from mlpwatch.tui.kit.keys import KEYS, Key, Where


def rebind(new: Mapping[str, str], file: str) -> None:
    """Let other keys take the place of some, wherever these are; call it before screens are made.

    Args:
        new: the keys by those whose place they take, both as the help shows them.
        file: says so, and is named in errors.

    Raises:
        InputError: there is no such key, or one would mean two things in one place.
    """
    known = {key.shown for key in KEYS}
    for old in new:
        if old not in known:
            raise InputError(f"{file}: keys: {old!r}: no such key; ? in mlpwatch lists them")
    rename_keys(new)
    before = {place: _doubled(place) for place in get_args(Where)}
    renamed = {
        key.names[0]: _in_place(key, new[key.shown]).partition(",")[0]
        for key in KEYS
        if key.shown in new
    }
    KEYS[:] = [
        key._replace(keys=_in_place(key, new[key.shown]), shown=new[key.shown])
        if key.shown in new
        else key
        for key in KEYS
    ]
    for place, doubled in before.items():
        # Space does other things on some screens, and its new key may do so, too.
        allowed = doubled | {renamed[name] for name in doubled & renamed.keys()}
        if more := _doubled(place) - allowed:
            raise InputError(
                f"{file}: keys: {min(more)!r} would mean two things in one place; give another"
            )


def _in_place(key: Key, shown: str) -> str:
    """Return Textual's names of a key whose shown one is another; its second names stay."""
    name = shown.replace("page ", "page")
    if len(name) == 1 and not name.isalnum():
        name = unicodedata.name(name).lower().replace("-", "_").replace(" ", "_")
        name = KEY_NAME_REPLACEMENTS.get(name, name)
    return ",".join([name, *key.names[1:]])


def _doubled(place: Where) -> set[str]:
    """Return the keys that mean two things in one place."""
    names = [name for key in KEYS if key.where in (place, "everywhere") for name in key.names]
    return {name for name in names if names.count(name) > 1}
