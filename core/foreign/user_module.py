"""An `nn.Module` that somebody else wrote: its linear layers, its loss, its optimizer.

PyTorch is the one that the user's file has imported; here it is only called.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from inspect import signature
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.foreign.torch_optimizers import described
from mlpwatch.core.foreign.user_network import Found, NotUnderstoodError
from mlpwatch.core.specification import LEAK, Specification

_CRITERIA = ("criterion", "loss_fn", "loss_func", "loss_function")
"""Names of a script's loss, where it has no `loss`."""


class UserModule:
    """A PyTorch module, called as a training loop calls it.

    Args:
        found: the module's class.
        owner: the user's file, for `loss`, `optimizer` and `train_step`.
    """

    def __init__(self, found: Found, owner: ModuleType) -> None:
        self._found = found
        self._owner = owner
        self._torch = sys.modules["torch"]
        self._order: list[int] | None = None
        self._slopes: list[float] = []
        self.model: Any = self._made()
        self._drawn = [(w.copy(), b) for w, b in self._arrays()]
        self._optimizer: Any = None
        self._outputs: Any = None
        self.precision = "float64"

    def _made(self) -> Any:  # noqa: ANN401
        try:
            return self._found.target()
        except TypeError as error:
            raise NotUnderstoodError(
                f"{self._found.name}() failed: {error}; expected an nn.Module class whose "
                "__init__ takes no argument"
            ) from error

    def linear_layers(self) -> list[tuple[Any, bool]]:
        """Return each `nn.Linear` in the order of its use, and whether `parameters()` has it."""
        registered = {id(p) for p in self.model.parameters()}
        found: list[Any] = []
        for layer in self._walk(self.model, set()):
            if self._is_linear(layer) and layer not in found:
                found.append(layer)
        if self._order is None:
            self._order = self._order_of_use(found)
        ordered = [found[i] for i in self._order if i < len(found)]
        return [(layer, id(layer.weight) in registered) for layer in ordered]

    def _is_linear(self, layer: Any) -> bool:  # noqa: ANN401 - any module
        """Whether it is an `nn.Linear`, or a layer of the user's own with a weight (out, in)."""
        if isinstance(layer, self._torch.nn.Linear):
            return True
        weight = getattr(layer, "weight", None)
        is_own = not type(layer).__module__.startswith("torch.")
        return is_own and isinstance(weight, self._torch.nn.Parameter) and weight.ndim == 2  # noqa: PLR2004

    def _order_of_use(self, layers: list[Any]) -> list[int]:
        """Return the places of the layers in the order in which a forward pass calls them."""
        for first in {layer.weight.shape[1] for layer in layers}:
            used: list[int] = []
            hooks = [
                layer.register_forward_hook(partial(_note_use, used, i))
                for i, layer in enumerate(layers)
            ]
            try:
                with self._torch.no_grad(), self._watched():
                    self.model(self._torch.zeros(2, first, dtype=layers[0].weight.dtype))
            except Exception:  # the user's code, with a width that may be wrong
                used = []
            finally:
                for hook in hooks:
                    hook.remove()
            if used:
                each = list(dict.fromkeys(used))
                return each + [i for i in range(len(layers)) if i not in each]
        return list(range(len(layers)))

    def _watched(self) -> Any:  # noqa: ANN401 - a context of PyTorch
        """Return a context that notes the slopes of leaky ReLUs, of modules and of functions."""
        torch, slopes = self._torch, self._slopes

        def note(
            _mode: object, function: Callable[..., Any], _types: object,
            args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None,
        ) -> Any:  # fmt: skip # noqa: ANN401
            given = kwargs or {}
            if function is torch.nn.functional.leaky_relu:
                slopes.append(float([*args, given.get("negative_slope", LEAK)][1]))
            return function(*args, **given)

        base = torch.overrides.TorchFunctionMode
        return type("Watched", (base,), {"__torch_function__": note})()

    def _walk(self, owner: Any, seen: set[int]) -> Iterator[Any]:  # noqa: ANN401
        """Yield modules wherever they are: attributes, lists and dicts, registered or not."""
        if id(owner) in seen:
            return
        seen.add(id(owner))
        if isinstance(owner, self._torch.nn.Module):
            yield owner
            inside = [*vars(owner).get("_modules", {}).values()]
            inside += [v for k, v in vars(owner).items() if not k.startswith("_")]
        elif isinstance(owner, dict):
            inside = list(owner.values())
        elif isinstance(owner, (list, tuple)):
            inside = list(owner)
        else:
            return
        for value in inside:
            yield from self._walk(value, seen)

    def _arrays(self) -> list[tuple[NDArray[Any], NDArray[Any] | None]]:
        return [
            (
                layer.weight.detach().cpu().numpy(),
                None if (b := _bias_of(layer)) is None else b.detach().cpu().numpy().copy(),
            )
            for layer, _trains in self.linear_layers()
        ]

    def facts(self) -> dict[str, Any]:
        """Return widths, biases, and how the layers start."""
        self._file_loss()
        layers = self.linear_layers()
        if not layers:
            bare = ", ".join(name for name, _p in self.model.named_parameters())
            raise NotUnderstoodError(
                f"{self._found.name} has no linear layer{f', only {bare}' if bare else ''}; "
                "expected an nn.Linear, or a module of your own with a weight (out, in)"
            )
        return {
            "linear": [[*layer.weight.shape][::-1] for layer, _t in layers],
            "negative_slope": self._slopes[0] if len({*self._slopes}) == 1 else None,
            "with_bias": [_bias_of(layer) is not None for layer, _t in layers],
            "registered": [trains for _layer, trains in layers],
            "start": [
                {
                    "mean": float(w.mean()),
                    "std": float(w.std()),
                    "bias_std": 0.0 if b is None else float(b.std()),
                    "largest": float(np.abs(w).max()),
                }
                for w, b in self._drawn
            ],
            "optimizer": self._described_optimizer(),
        }

    def _described_optimizer(self) -> dict[str, Any] | None:
        made = self.file_optimizer()
        return None if made is None else described(made)

    def has(self, name: str) -> bool:
        """Whether the file has this optional function."""
        if name == "loss_value":
            return self._file_loss() is not None
        return callable(getattr(self._owner, name, None))

    def _file_loss(self) -> Any:  # noqa: ANN401 - a function, or a loss of PyTorch
        """Return the file's `loss`, or the criterion of a script that calls it something else.

        Raises:
            NotUnderstoodError: the criterion takes other targets than class numbers.
        """
        if callable(own := getattr(self._owner, "loss", None)):
            return own
        nn = self._torch.nn
        named = {name: getattr(self._owner, name, None) for name in _CRITERIA}
        found = {name: one for name, one in named.items() if isinstance(one, nn.Module)}
        for name, one in found.items():
            if not isinstance(one, (nn.CrossEntropyLoss, nn.NLLLoss)):
                raise NotUnderstoodError(
                    f"{name} = {type(one).__name__}() takes other targets than class numbers; "
                    "expected a function loss(outputs, labels), which makes them of the labels"
                )
        return next(iter(found.values()), None)

    def use_double(self) -> None:
        """Calculate in float64, so that only mistakes differ."""
        for layer in [self.model, *(layer for layer, _t in self.linear_layers())]:
            layer.double()

    def start(self, weights: Sequence[NDArray[Any]], biases: Sequence[NDArray[Any]]) -> None:
        """Make a module with these W_k (fan_in, fan_out) and b_k (fan_out,)."""
        self._torch.manual_seed(0)
        self.model = self._made()
        self._optimizer = None
        if self.precision == "float64":
            self.use_double()
        with self._torch.no_grad():
            for (layer, _t), w, b in zip(self.linear_layers(), weights, biases, strict=True):
                layer.weight.copy_(self._torch.from_numpy(np.ascontiguousarray(w.T)))
                if (own := _bias_of(layer)) is not None:
                    own.copy_(self._torch.from_numpy(b.copy()))

    def x_of(self, images: NDArray[Any]) -> Any:  # noqa: ANN401
        """Return images (batch, features) as a tensor."""
        made = self._torch.from_numpy(np.ascontiguousarray(images))
        return made if self.precision == "float64" else made.float()

    def y_of(self, labels: NDArray[np.int64], classes: int) -> Any:  # noqa: ANN401, ARG002
        """Return labels (batch,) as a tensor of class numbers."""
        return self._torch.from_numpy(labels.copy())

    def forward(self, x: Any) -> Any:  # noqa: ANN401
        """Call the module."""
        self._outputs = self.model(x)
        return self._outputs

    def loss_value(self, outputs: Any, y: Any) -> Any:  # noqa: ANN401
        """Call the file's loss, by default cross-entropy of logits."""
        make = self._file_loss()
        if make is None:
            return self._torch.nn.functional.cross_entropy(outputs, y)
        return make(outputs, y)

    def backward(self, y: Any) -> Any:  # noqa: ANN401
        """Return the gradients that autograd finds for the file's loss."""
        self.model.zero_grad()
        for layer, _t in self.linear_layers():
            layer.zero_grad()
        self.loss_value(self._outputs, y).backward()
        return self._gradients()

    def _gradients(self) -> tuple[list[Any], list[Any]]:
        layers = [layer for layer, _t in self.linear_layers()]
        biases = [_bias_of(layer) for layer in layers]
        by_biases = [
            np.zeros(len(layer.weight)) if own is None else _array(own.grad)
            for layer, own in zip(layers, biases, strict=True)
            if any(b is not None for b in biases)
        ]
        return [_array(layer.weight.grad) for layer in layers], by_biases

    def update(self, gradients: Any, learning_rate: float) -> None:  # noqa: ANN401, ARG002
        """Step the file's optimizer on the gradients of the last `backward`."""
        self._ensure_optimizer(learning_rate).step()

    def use_optimizer(self, optimizer: Any) -> None:  # noqa: ANN401
        """Step this optimizer instead of the file's own, or the plain one."""
        self._optimizer = optimizer

    def file_optimizer(self) -> Any:  # noqa: ANN401
        """Return what the file's `optimizer(parameters)` makes; None if it has none.

        A script's own optimizer, which trains its own model, is made again for this one.
        """
        make, parameters = getattr(self._owner, "optimizer", None), list(self.model.parameters())
        if isinstance(make, self._torch.optim.Optimizer):
            known = signature(type(make)).parameters
            settings = {name: value for name, value in make.defaults.items() if name in known}
            return type(make)(parameters, **settings)
        return make(parameters) if callable(make) else None

    def other_parameters(self) -> list[str]:
        """Return the names of parameters and buffers that belong to no linear layer."""
        own = {
            id(p)
            for layer, _t in self.linear_layers()
            for p in (layer.weight, _bias_of(layer))
            if p is not None
        }
        named = [*self.model.named_parameters(), *self.model.named_buffers()]
        return [name for name, p in named if id(p) not in own]

    def gradients(self) -> tuple[list[Any], list[Any]]:
        """Return the gradients of the last backward pass: W_k (fan_out, fan_in), b_k."""
        return self._gradients()

    def _ensure_optimizer(self, learning_rate: float) -> Any:  # noqa: ANN401
        if self._optimizer is None:
            self._optimizer = self.file_optimizer()
        if self._optimizer is None:
            parameters = list(self.model.parameters())
            self._optimizer = self._torch.optim.SGD(parameters, lr=learning_rate)
        return self._optimizer

    def train(self, x: Any, y: Any, learning_rate: float) -> None:  # noqa: ANN401
        """Call the file's own step, or the usual one."""
        optimizer = self._ensure_optimizer(learning_rate)
        step = getattr(self._owner, "train_step", None)
        self.model.train()
        if callable(step):
            step(self.model, optimizer, x, y)
            return
        optimizer.zero_grad()
        self.loss_value(self.model(x), y).backward()
        optimizer.step()

    def evaluate_mode(self) -> None:
        """Switch off the dropout that the module knows of."""
        self.model.eval()

    def train_mode(self) -> None:
        """Switch dropout on."""
        self.model.train()

    def parameters(self) -> tuple[list[Any], list[Any]]:
        """Return copies of W_k (fan_out, fan_in) and b_k (fan_out,).

        Where only some layers have biases, the others' are 0.
        """
        arrays = self._arrays()
        has_any = any(b is not None for _w, b in arrays)
        biases = [np.zeros(len(w), w.dtype) if b is None else b for w, b in arrays if has_any]
        return [w.copy() for w, _b in arrays], biases

    def as_rows(self, outputs: Any, batch: int, classes: int) -> NDArray[Any]:  # noqa: ANN401, ARG002
        """Return outputs as an array."""
        return np.asarray(outputs.detach().cpu().numpy())

    def weight_rows(self, gradient: Any, shape: tuple[int, ...]) -> NDArray[Any]:  # noqa: ANN401
        """Return ∂L/∂W as (fan_in, fan_out)."""
        array = np.asarray(gradient)
        return array.T if array.ndim == len(shape) else array


def _bias_of(layer: Any) -> Any:  # noqa: ANN401
    return getattr(layer, "bias", None)


def _note_use(used: list[int], place: int, *_: object) -> None:
    used.append(place)


def _array(gradient: Any) -> Any:  # noqa: ANN401
    return None if gradient is None else gradient.detach().cpu().numpy().copy()


def module_specification(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what an `nn.Module` says of itself, as a specification's fields."""
    linear, slope = facts["linear"], facts["negative_slope"]
    return ({} if slope is None else {"negative_slope": slope}) | {
        "hidden": [out for _in, out in linear[:-1]],
        "bias": any(facts["with_bias"]),
        "layout": "rows",
        "weights_layout": "columns",
        "bias_shape": "flat",
        "targets": "labels",
    }


def is_fit(spec: Specification, facts: dict[str, Any], classes: int) -> str | None:
    """Return what does not fit: the number of outputs, or layers that do not follow each other."""
    widths = facts["linear"]
    if widths[-1][1] != classes:
        return f"the last nn.Linear has {widths[-1][1]} outputs; the data has {classes} classes"
    if tuple(out for _in, out in widths[:-1]) != spec.hidden:
        return f"hidden layers {spec.hidden}: the module has {[out for _in, out in widths[:-1]]}"
    return None
