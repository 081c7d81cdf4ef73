"""Find the images and labels in a file, folder or archive by their usual names.

Known are the names of MNIST, EMNIST, QMNIST, Keras, MedMNIST and scikit-learn, in upper or lower
case and with any suffix: `train-images-idx3-ubyte`, `emnist-letters-test-labels-idx1-ubyte.gz`,
`x_train`, `trainY`, `images`. Imports no NumPy.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from mlpwatch.core.errors import DataError
from mlpwatch.core.text import excerpt

PartName = Literal["train", "test"]
Role = Literal["images", "labels"]

_PARTS: dict[str, PartName] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "t10k"), "test"),
}
_OTHER_PARTS = {"val", "valid", "validation", "dev", "extra"}
_ROLES: dict[str, Role] = {
    **dict.fromkeys(("x", "image", "images", "img", "imgs", "pixels", "data"), "images"),
    **dict.fromkeys(("y", "label", "labels", "target", "targets"), "labels"),
}
_NOISE = re.compile(r"idx\d?|ubyte|u?int\d*|npy|gz|txt|bin|xz|bz2")
_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+")
_JOINED = re.compile(r"^([xy])(train|test|val|valid)$")
"""`xtrain`: two words without a separator."""


class ArrayPair(NamedTuple):
    """The names of the two arrays of one part."""

    images: str
    labels: str


class Parts(NamedTuple):
    """The names of a data set's arrays."""

    train: ArrayPair
    test: ArrayPair | None


class _Meaning(NamedTuple):
    """The meaning of a name."""

    group: tuple[str, ...]
    """Folder and the other words of the name, like `emnist letters`; the same in one data set."""
    part: PartName
    role: Role


_Group = dict[tuple[PartName, Role], str]


def choose_parts(where: str, names: Iterable[str], like: str | None = None) -> Parts:
    """Return the names of the training part and, if there is one, of the test part.

    Args:
        where: name of the file or folder in messages.
        names: of its arrays, with `/` between folders, preferred names first.
        like: one of the names; only its data set is used. None for any.

    Raises:
        DataError: no training part, half of a pair, or more than one data set.
    """
    names = tuple(names)
    groups: dict[tuple[str, ...], _Group] = {}
    for name in names:
        if meaning := _read(name):
            group = groups.setdefault(meaning.group, {})
            group.setdefault((meaning.part, meaning.role), name)
    if like is not None:
        meaning = _read(like)
        groups = {key: group for key, group in groups.items() if meaning and key == meaning.group}
    return _parts_of(where, _only_one(where, groups, names))


def _only_one(
    where: str, groups: dict[tuple[str, ...], _Group], names: Sequence[str]
) -> dict[tuple[PartName, Role], str]:
    whole = {
        key: group for key, group in groups.items()
        if ("train", "images") in group and ("train", "labels") in group
    }  # fmt: skip
    # Outer folders come first: archives that were unpacked twice hold the same files twice.
    depth = {key: key[0].count("/") if key[0] else -1 for key in whole or groups}
    outer = [group for key, group in (whole or groups).items() if depth[key] == min(depth.values())]
    if not outer:
        found = excerpt(", ".join(name.removesuffix(".npy") for name in names[:8]), 80)
        raise DataError(
            f"{where}: holds {found or 'nothing'}; expected images and labels under names such as"
            " train-images-idx3-ubyte and train-labels-idx1-ubyte, or x_train and y_train;"
            " rename them"
        )
    if len(whole) > 1 and len(outer) > 1:
        firsts = ", ".join(group["train", "images"] for group in outer[:4])
        raise DataError(
            f"{where}: holds {len(outer)} data sets; expected one; give --data the path of"
            f" one file of it: {excerpt(firsts, 240)}"
        )
    return outer[0]


def _parts_of(where: str, group: _Group) -> Parts:
    pairs: dict[PartName, ArrayPair] = {}
    for part in ("train", "test"):
        found = {role: name for (of, role), name in group.items() if of == part}
        if len(found) == 1:
            ((role, name),) = found.items()
            missing = "labels" if role == "images" else "images"
            raise DataError(
                f"{where}: the {missing} of {excerpt(name)} are missing;"
                f" expected images and labels beside each other; add {missing}, named alike"
            )
        if found:
            pairs[part] = ArrayPair(found["images"], found["labels"])
    if "train" not in pairs:
        raise DataError(
            f"{where}: only a test part, {excerpt(pairs['test'].images)}; expected a training part;"
            " add train-images and train-labels, or rename these"
        )
    return Parts(pairs["train"], pairs.get("test"))


def _read(name: str) -> _Meaning | None:
    path = PurePosixPath(name)
    words = _words(path.name)
    found = [_ROLES[word] for word in words if word in _ROLES]
    if not found or _OTHER_PARTS.intersection(words):
        return None
    parts: list[PartName] = [_PARTS[word] for word in words if word in _PARTS]
    rest = [w for w in words if w not in _ROLES and w not in _PARTS and not _NOISE.fullmatch(w)]
    folder = path.parent
    # Kaggle's MNIST has each file in a folder with the file's own name.
    if folder.name and _words(folder.name) == words:
        folder = folder.parent
    place = "" if folder == PurePosixPath() else folder.as_posix()
    # `image_labels` are labels.
    role: Role = "labels" if "labels" in found else "images"
    return _Meaning((place, *rest), parts[0] if parts else "train", role)


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case; a capital, as in `trainX`, begins a word."""
    parted = _WORDS.findall(name if name != name.upper() else name.lower())
    words = [word.lower() for word in parted]
    return [half for word in words for half in _JOINED.sub(r"\1 \2", word).split()]
