"""A network that somebody else wrote in NumPy: found in its file, given arrays, called."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.foreign.held import Place, Stack, at_place, parted, places_of, stack_of
from mlpwatch.core.network_file import Kind
from mlpwatch.core.specification import Specification

FORMS = (
    "expected a class with __init__(weights, biases), forward(x) and backward(y); or functions "
    "forward(weights, biases, x) and backward(weights, biases, x, y); or an nn.Module class "
    "without arguments"
)
"""What an error says of a file that is not understood."""


class NotUnderstoodError(Exception):
    """The file has no network, or several; the message names the accepted forms."""


class Found(NamedTuple):
    """What a file has."""

    kind: Kind
    name: str
    target: Any
    """The class, or the module itself."""


def find_network(module: ModuleType, name: str | None) -> Found:
    """Return the network of a user's module.

    Args:
        module: the imported file.
        name: which class of several; None for the only one.

    Raises:
        NotUnderstoodError: there is none, or there are several.
    """
    classes = {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__
    }
    usable = {key: value for key, value in classes.items() if _kind_of(value) is not None}
    if name is not None:
        if name not in usable:
            found = ", ".join(usable) or "none"
            raise NotUnderstoodError(f"no network class {name!r} (found: {found}); {FORMS}")
        return _found(usable, name)
    if _has(module, "forward") and _has(module, "backward") and not usable:
        return Found("functions", module.__name__, module)
    if "Network" in usable:
        return _found(usable, "Network")
    chosen = _outermost(usable)
    if len(chosen) > 1:
        raise NotUnderstoodError(
            f"several network classes ({', '.join(chosen)}): choose one as FILE:{chosen[0]}"
        )
    if not chosen:
        raise NotUnderstoodError(f"no network found; {FORMS}")
    return _found(usable, chosen[0])


def _found(usable: dict[str, type], name: str) -> Found:
    return Found(_kind_of(usable[name]) or "class", name, usable[name])


def _has(owner: Any, name: str) -> bool:  # noqa: ANN401 - a class or a module
    return callable(getattr(owner, name, None))


def _kind_of(value: type) -> Kind | None:
    if any(base.__module__.startswith("torch.nn.modules.module") for base in value.__mro__):
        return "module"
    is_network = _has(value, "forward") and (_has(value, "backward") or _has(value, "train"))
    return "class" if is_network and _takes_two(value) else None


def _takes_two(value: type) -> bool:
    """Whether __init__ takes weights and biases: a class for one layer takes other things."""
    import inspect  # noqa: PLC0415 - only here

    try:
        inspect.signature(value).bind(None, None)
    except (TypeError, ValueError):
        return False
    return True


def _outermost(usable: dict[str, type]) -> list[str]:
    """Leave out base classes of others."""
    return [
        key
        for key, value in usable.items()
        if not any(other is not value and issubclass(other, value) for other in usable.values())
    ]


class UserNetwork:
    """A class or two functions in NumPy, called in the file's own layout.

    Args:
        found: what the file has.
        spec: what it says of itself.
    """

    def __init__(self, found: Found, spec: Specification) -> None:
        self._found = found
        self._spec = spec
        self._net: Any = None
        self._weights: list[NDArray[Any]] = []
        self._biases: list[NDArray[Any]] = []
        self._places: list[list[Place]] = []
        """Of each array, weights first: where the network keeps it."""
        self._stacks: list[Stack | None] | None = None
        """Of each layer: where the network keeps its weights and biases in one array."""
        self._x: Any = None

    @property
    def network(self) -> Any:  # noqa: ANN401
        """The class's instance; None of plain functions."""
        return self._net

    def has(self, name: str) -> bool:
        """Whether the file has this optional method."""
        return _has(self._found.target, name)

    def start(self, weights: Sequence[NDArray[Any]], biases: Sequence[NDArray[Any]]) -> None:
        """Make a network with copies of W_k (fan_in, fan_out) and b_k (fan_out,)."""
        self.hold(*self.arranged(weights, biases))

    def arranged(
        self, weights: Sequence[NDArray[Any]], biases: Sequence[NDArray[Any]]
    ) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Return copies of W_k (fan_in, fan_out) and b_k (fan_out,) in the file's own layout."""
        turned = self._spec.columns_of_weights
        shape = {"flat": (-1,), "row": (1, -1), "column": (-1, 1)}[self._spec.shape_of_bias]
        return (
            [np.array(w.T if turned else w, order="C") for w in weights],
            [b.reshape(shape).copy() for b in biases] if self._spec.bias else [],
        )

    def hold(self, weights: list[NDArray[Any]], biases: list[NDArray[Any]]) -> None:
        """Make a network on these arrays themselves, in the file's own layout."""
        self._weights, self._biases = weights, biases
        if self._found.kind == "class":
            self._net = self._found.target(list(self._weights), list(self._biases))
            self._places = places_of(self._net, [*weights, *biases])
            if self._stacks is None and biases and not self.shares:
                self._stacks = self._found_stacks()

    def _found_stacks(self) -> list[Stack | None]:
        """Look for stacked arrays in a network with random numbers: weights of 0 hide them."""
        random = np.random.default_rng(0)
        arrays = [[random.normal(size=a.shape) for a in own] for own in self._given]
        net = self._found.target(list(arrays[0]), list(arrays[1]))
        return [stack_of(net, w, b) for w, b in zip(*arrays, strict=True)]

    @property
    def _given(self) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        return self._weights, self._biases

    def x_of(self, images: NDArray[Any]) -> NDArray[Any]:
        """Return images (batch, features) as `forward` gets them; a copy."""
        return np.array(images.T if self._spec.layout == "columns" else images, order="C")

    def y_of(self, labels: NDArray[np.int64], classes: int) -> NDArray[Any]:
        """Return labels (batch,) as `backward` gets them; a copy."""
        if self._spec.targets == "labels":
            return labels.copy()
        y = np.eye(classes)[labels]
        return np.array(y.T if self._spec.layout == "columns" else y, order="C")

    def forward(self, x: Any) -> Any:  # noqa: ANN401 - the user's arrays
        """Call the file's forward pass."""
        self._x = x
        if self._found.kind == "functions":
            return self._found.target.forward(self._weights, self._biases, x)
        return self._net.forward(x)

    def backward(self, y: Any) -> Any:  # noqa: ANN401
        """Call the file's backward pass."""
        if self._found.kind == "functions":
            return self._found.target.backward(self._weights, self._biases, self._x, y)
        return self._net.backward(y)

    def loss_value(self, outputs: Any, y: Any) -> Any:  # noqa: ANN401
        """Call the file's loss."""
        owner = self._found.target if self._found.kind == "functions" else self._net
        return owner.loss_value(outputs, y)

    def update(self, gradients: Any, learning_rate: float) -> None:  # noqa: ANN401
        """Call the file's update, or make the plain one with the file's own gradients."""
        if self._found.kind == "class" and self.has("update"):
            self._net.update(learning_rate)
            return
        by_weights, by_biases = split_gradients(gradients, self._spec)
        held_weights, held_biases = self.held()
        for array, gradient in zip(
            [*held_weights, *held_biases], [*by_weights, *by_biases], strict=True
        ):
            slope = np.asarray(gradient)
            # One number for all biases is broadcast, as `b - η db` does it.
            step = learning_rate * slope.reshape(array.shape if slope.size > 1 else ())
            np.subtract(array, step, out=array)
        self.renew()

    def renew(self) -> None:
        """Make the network again from its arrays, where it keeps something that is made of them."""
        if self._found.kind == "class" and not self.shares:
            self.hold(self._weights, self._biases)

    @property
    def shares(self) -> bool:
        """Whether a change of the arrays that `held` returns is one of the network."""
        if self._stacks is not None and all(self._stacks):
            return True
        own = {name: getattr(self._net, name, None) is not None for name in ("weights", "biases")}
        given = [own["weights"]] * len(self._weights) + [own["biases"]] * len(self._biases)
        return all(has or bool(places) for has, places in zip(given, self._places, strict=True))

    def train(self, x: Any, y: Any, learning_rate: float) -> None:  # noqa: ANN401
        """Call the file's whole step."""
        self._net.train(x, y, learning_rate)

    def parameters(self) -> tuple[list[Any], list[Any]]:
        """Return copies of its weights and biases as it holds them now."""
        weights, biases = self.held()
        return [np.array(w) for w in weights], [np.array(b) for b in biases]

    def held(self) -> tuple[list[Any], list[Any]]:
        """Return its weights and biases as it holds them now, or else the arrays it was given.

        They are `self.weights` and `self.biases`, or what is now in the place of the given arrays.
        """
        if self._found.kind == "functions":
            return self._weights, self._biases
        layers = len(self._weights)
        if self._stacks is not None and all(self._stacks):
            return self._unstacked()
        return (
            self._now("weights", self._weights, self._places[:layers]),
            self._now("biases", self._biases, self._places[layers:]) if self._spec.bias else [],
        )

    def _unstacked(self) -> tuple[list[Any], list[Any]]:
        """Return views into the arrays that hold weights and biases of a layer in one."""
        pairs = [
            parted(np.asarray(at_place(self._net, stack.place)))[stack.form]
            for stack in self._stacks or []
            if stack is not None
        ]
        return [w for w, _ in pairs], [b for _, b in pairs]

    def _now(self, name: str, given: list[NDArray[Any]], places: list[list[Place]]) -> list[Any]:
        own = getattr(self._net, name, None)
        kept = list(given if own is None else own)
        if len(kept) != len(given):
            return kept
        for k, (array, ways) in enumerate(zip(given, places, strict=True)):
            standing = (at_place(self._net, way) for way in ways if kept[k] is array)
            new = (a for a in standing if isinstance(a, np.ndarray) and a is not array)
            kept[k] = next(new, kept[k])
        return kept

    def as_rows(self, outputs: Any, batch: int, classes: int) -> NDArray[Any]:  # noqa: ANN401
        """Return outputs as (batch, classes) where they have the right shape, else as they are."""
        array = np.asarray(outputs)
        expected = (classes, batch) if self._spec.layout == "columns" else (batch, classes)
        if self._spec.layout == "columns" and array.shape == expected:
            return array.T
        return array

    def weight_rows(self, gradient: Any, shape: tuple[int, ...]) -> NDArray[Any]:  # noqa: ANN401
        """Return ∂L/∂W turned to rows; (fan_in, fan_out) if it was right."""
        array = np.asarray(gradient)
        return array.T if self._spec.columns_of_weights and array.ndim == len(shape) else array


def split_gradients(
    returned: Any,  # noqa: ANN401 - whatever the file returns
    spec: Specification,
) -> tuple[list[Any], list[Any]]:
    """Return the two lists that `backward` returned.

    Raises:
        NotUnderstoodError: it returned something else.
    """
    expected = "backward returned {}; expected two lists: weight gradients, bias gradients"
    if returned is None:
        raise NotUnderstoodError(expected.format("nothing"))
    if not spec.bias and isinstance(returned, list):
        return list(returned), []
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:  # noqa: PLR2004
        if not spec.bias and isinstance(returned, tuple):
            return list(returned), []
        raise NotUnderstoodError(expected.format(f"a {type(returned).__name__}"))
    by_weights, by_biases = returned
    return _listed(by_weights), [] if not spec.bias else _listed(by_biases)


def _listed(values: Any) -> list[Any]:  # noqa: ANN401
    if values is None:
        return []
    if isinstance(values, dict):
        return list(values.values())
    if isinstance(values, np.ndarray) and values.dtype != object:
        return [values]
    return list(values)
