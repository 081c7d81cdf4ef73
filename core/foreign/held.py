"""What a user's network holds: weights, alone or with biases in one array; random generators."""

import pickle
import random
from collections.abc import Iterator, Sequence
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_ITEMS = 64
"""Of a list or dictionary that is searched for weights: a longer one holds images."""

DEEPEST = 4
"""Steps from a network to its weights, as in `net.layers[0].params["W"]`."""

Place = tuple[tuple[bool, Any], ...]
"""The way from a network to something it holds: (is an attribute, its name or key) by step."""


def things_in(owner: Any) -> Iterator[tuple[Place, Any]]:  # noqa: ANN401
    """Yield what a network holds in attributes, lists and dictionaries, with the way to it."""
    seen: set[int] = set()
    level: list[tuple[Place, Any]] = [((), owner)]
    for _ in range(DEEPEST + 1):
        deeper: list[tuple[Place, Any]] = []
        for way, thing in level:
            yield way, thing
            if not isinstance(thing, np.ndarray) and id(thing) not in seen:
                seen.add(id(thing))
                deeper += [((*way, step), value) for step, value in _parts(thing)]
        level = deeper


def places_of(owner: Any, arrays: Sequence[NDArray[Any]]) -> list[list[Place]]:  # noqa: ANN401
    """Return for each array where `owner` holds it: in attributes, lists and dictionaries.

    `W = W - step` puts a new array into the same place; so it is found there.
    """
    places: list[list[Place]] = [[] for _ in arrays]
    for way, thing in things_in(owner):
        for at, array in enumerate(arrays):
            if thing is array:
                places[at].append(way)
    return places


class Stack(NamedTuple):
    """Where a network keeps one array with a layer's weights and biases in it."""

    place: Place
    form: int
    """Which of `parted`'s."""


def parted(array: NDArray[Any]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Return the views (W, b) of an array whose biases are its first or last row or column."""
    return [
        (array[1:], array[0]),
        (array[:-1], array[-1]),
        (array[:, 1:], array[:, 0]),
        (array[:, :-1], array[:, -1]),
    ]


def stack_of(owner: Any, w: NDArray[Any], b: NDArray[Any]) -> Stack | None:  # noqa: ANN401
    """Return where `owner` holds these weights and biases in one array; None if nowhere."""
    for way, thing in things_in(owner):
        if isinstance(thing, np.ndarray) and thing.ndim == w.ndim == 2:  # noqa: PLR2004
            for form, (weights, biases) in enumerate(parted(thing)):
                if np.array_equal(weights, w) and np.array_equal(biases, b.reshape(-1)):
                    return Stack(way, form)
    return None


def _parts(thing: Any) -> list[tuple[tuple[bool, Any], Any]]:  # noqa: ANN401
    if isinstance(thing, (type, ModuleType, FunctionType)):
        return []
    if isinstance(thing, (list, tuple, dict)):
        pairs = thing.items() if isinstance(thing, dict) else enumerate(thing)
        return [((False, key), v) for key, v in pairs] if len(thing) <= MOST_ITEMS else []
    return [((True, name), value) for name, value in getattr(thing, "__dict__", {}).items()]


def at_place(owner: Any, place: Place) -> Any:  # noqa: ANN401
    """Return what stands in a place now, None if the way there is gone."""
    for is_attribute, key in place:
        try:
            owner = getattr(owner, key) if is_attribute else owner[key]
        except (AttributeError, LookupError, TypeError):
            return None
    return owner


class RandomState(NamedTuple):
    """The state of all random generators that a network may draw from, to be compared."""

    python: bytes
    numpy: bytes
    own: tuple[bytes, ...]
    """Of generators that the network, its class and its file hold."""


def random_state(network: Any, module: ModuleType) -> RandomState:  # noqa: ANN401
    """Return the state of the generators that a network of a module may draw from."""
    owners = [network, *vars(module).values()]
    owners += [v for o in owners if isinstance(o, type) for v in vars(o).values()]
    found = {id(t): t for owner in owners for _, t in things_in(owner)}
    generators = [t for t in found.values() if isinstance(t, _GENERATORS)]
    return RandomState(
        pickle.dumps(random.getstate()),
        pickle.dumps(np.random.get_state()),  # noqa: NPY002 - that of files that use it
        tuple(pickle.dumps(t) for t in generators),
    )


_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
