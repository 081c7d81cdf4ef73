"""A user's network file in NumPy as an engine."""

import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats, Labels, Tensors, aligned_empty
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.foreign.held import RandomState, random_state
from mlpwatch.core.foreign.loading import UserCodeError
from mlpwatch.core.foreign.user_network import UserNetwork, split_gradients
from mlpwatch.core.network.engine import EngineState
from mlpwatch.core.network.optimizers import Optimizer, optimizer_for
from mlpwatch.core.network.users.base import UserEngine
from mlpwatch.core.scheduling import set_numpy_threads


class UserNumpyEngine(UserEngine):
    """A class or two functions in NumPy, trained as the file says.

    Where the file has no update of its own, the run's optimizer makes it with the file's gradient,
    on one flat vector θ in the file's layout; the file's arrays are views into it.
    """

    def __init__(
        self, name: EngineName, config: RunConfig, images: Floats, labels: Labels, weights: Tensors
    ) -> None:
        super().__init__(name, config, images, labels, weights)
        user = self.wrapped()
        if not isinstance(user, UserNetwork):
            raise UserCodeError(f"{self.file.file}: a PyTorch module; give it with --torch")
        self._user: UserNetwork = user
        self._trains = not user.has("backward")
        self._updates_itself = self.file.kind == "class" and user.has("update")
        self._hot = np.eye(self.classes, dtype=self.dtype)
        self._draws: bool | None = None
        self._is_new = True
        """Whether no step has been taken, after which it is seen whether the network learns."""
        self.begin(EngineState(dict(weights)))

    def use_threads(self, threads: int) -> None:
        """Set the number of threads of NumPy's BLAS."""
        set_numpy_threads(threads)

    def begin(self, state: EngineState) -> None:
        """See `UserEngine`."""
        arrays = list(state.weights.values())
        by_weights, by_biases = self._user.arranged([w.T for w in arrays[::2]], arrays[1::2])
        own = [*by_weights, *by_biases]
        self._theta = aligned_empty(sum(a.size for a in own), self.dtype)
        self._gradient = aligned_empty(self._theta.size, self.dtype)
        self._layout = [a.shape for a in own]
        views = self._views(self._theta)
        for view, array in zip(views, own, strict=True):
            np.copyto(view, array)
        layers = len(by_weights)
        self._gradients = self._views(self._gradient)
        self.called("__init__", self._user.hold, views[:layers], views[layers:])
        held = self._held()
        self._copies = [
            (at, view) for at, (view, array) in enumerate(zip(views, held, strict=True))
            if not _is_same(view, array)
        ]  # fmt: skip
        """Places and views where the file keeps arrays of its own instead of those it was given."""
        self._is_made_again = self.file.kind == "class" and not self._user.shares
        """Whether the file keeps something that is made of its weights, as a transposed copy."""
        self._optimizer: Optimizer | None = None
        if self.file.keeps_slots:
            self._optimizer = optimizer_for(self.config, self._theta)
            self._optimizer.updates = state.updates
            for slot, vector in self._optimizer.slots.items():
                for name, view in self._by_name(self._views(vector)).items():
                    if (kept := state.slots.get(f"{slot}.{name}")) is not None:
                        np.copyto(view, kept)
        self._noted: Tensors = {}
        """The gradient of the last measured step; see `gradient_left`."""
        self._is_new = True

    def take_step(self, images: Floats, labels: Labels) -> NDArray[Any]:
        """See `UserEngine`."""
        user = self._user
        x, y = self._x_of(images), self._y_of(labels)
        outputs = self._forward(x, len(labels))
        if self._is_new:
            # A copy: the update may overwrite the array that forward returned.
            outputs, before = np.array(outputs), self._copied()
        if self._trains:
            self.called("train", user.train, x, y, self.learning_rate)
        else:
            gradients = self.called("backward", user.backward, y)
            self._update(gradients)
        if self._is_new:
            self._is_new = False
            self._check_learning(images, outputs, before)
        return outputs

    def gradient_left(self, before: Tensors, after: Tensors) -> Tensors:
        """See `UserEngine`; of a file with `train` only, (before - after) / η."""
        if self._trains and self.learning_rate:
            return {name: (a - after[name]) / self.learning_rate for name, a in before.items()}
        return self._noted

    def _note(self, gradients: Any) -> None:  # noqa: ANN401
        """Copy what backward returned, if it is lists of arrays: the update may overwrite them."""
        self._noted = {}
        is_read_twice = isinstance(gradients, (tuple, list)) and all(
            isinstance(part, (tuple, list, np.ndarray)) for part in gradients
        )
        if is_read_twice:
            with suppress(UserCodeError):
                self._take_gradients(gradients)
                self._noted = self._tensors(self._gradients)

    def _update(self, gradients: Any) -> None:  # noqa: ANN401 - whatever backward returned
        if self.is_measured:
            self._note(gradients)
        if self._updates_itself or self._optimizer is None:
            self.called("update", self._user.update, gradients, self.learning_rate)
            return
        self._take_gradients(gradients)
        self._optimizer.learning_rate = self.learning_rate
        self._optimizer.update(self._theta, self._gradient)
        if self._copies:
            held = self._held()
            for at, view in self._copies:
                np.copyto(held[at], view.reshape(held[at].shape))
        if self._is_made_again:
            self.called("__init__", self._user.renew)

    def draws_at_random(self) -> bool:
        """See `UserEngine`; a step is taken twice from the same weights, and generators looked at.

        Neither changes what trains: the copy that predicts takes them.
        """
        if self._draws is None:
            python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
            try:
                self._draws = self._has_drawn()
            except UserCodeError:
                # The first step meets the same, and says it.
                self._draws = False
            finally:
                random.setstate(python)
                np.random.set_state(numpy)  # noqa: NPY002
        return self._draws

    def _has_drawn(self) -> bool:
        images, labels = self._gather(np.arange(min(8, len(self._labels))))
        found: list[list[NDArray[Any]]] = []
        for _ in range(2):
            with self._lock, np.errstate(all="ignore"):
                apart = self._copy(self.weights())
                assert isinstance(apart, UserNumpyEngine)
                before = apart.random_state()
                outputs = np.array(apart.take_step(images.copy(), labels))
                if apart.random_state() != before:
                    return True
                found.append([outputs, *apart.weights().values()])
        return not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(*found, strict=True))

    def random_state(self) -> RandomState:
        """Return the state of the random generators that the file may draw from."""
        return random_state(self._user.network, self.code.module)

    def outputs_of(self, images: Floats) -> NDArray[Any]:
        """See `UserEngine`."""
        return self._forward(self._x_of(images), len(images))

    def gradient_of(self, images: Floats, labels: Labels) -> tuple[NDArray[Any], dict[str, Floats]]:
        """See `UserEngine`; of a file with `train` only, (before - after) / η."""
        x, y = self._x_of(images), self._y_of(labels)
        outputs = np.array(self._forward(x, len(labels)))
        if self._trains:
            before = self.weights()
            self.called("train", self._user.train, x, y, self.learning_rate)
            after = self.weights()
            return outputs, {n: (a - after[n]) / self.learning_rate for n, a in before.items()}
        self._take_gradients(self.called("backward", self._user.backward, y))
        return outputs, self._tensors(self._gradients)

    def weights(self) -> dict[str, Floats]:
        """See `UserEngine`."""
        return self._tensors(self._held())

    def slots(self) -> dict[str, Floats]:
        """See `UserEngine`."""
        vectors = self._optimizer.slots if self._optimizer else {}
        return {
            f"{slot}.{name}": array
            for slot, vector in vectors.items()
            for name, array in self._tensors(self._views(vector)).items()
        }

    def _forward(self, x: Any, batch: int) -> NDArray[Any]:  # noqa: ANN401
        outputs = self.called("forward", self._user.forward, x)
        if outputs is None:
            raise UserCodeError(f"{self.file.file}: forward returned nothing; expected the outputs")
        rows = self._user.as_rows(outputs, batch, self.classes)
        return self.checked("what forward returned", rows, (batch, self.classes))

    def _x_of(self, images: Floats) -> NDArray[Any]:
        """Return images (batch, features), already a copy, in the file's layout."""
        is_columns = self.file.spec.layout == "columns"
        return np.ascontiguousarray(images.T) if is_columns else images

    def _y_of(self, labels: Labels) -> NDArray[Any]:
        """Return labels (batch,) as the file wants them; a copy."""
        if self.file.spec.targets == "labels":
            return labels.copy()
        y = self._hot.take(labels, axis=0)
        return np.ascontiguousarray(y.T) if self.file.spec.layout == "columns" else y

    def _take_gradients(self, returned: Any) -> None:  # noqa: ANN401
        """Copy the file's gradients into the flat one.

        Raises:
            UserCodeError: one is missing, or of the wrong shape.
        """
        lists = self.called("backward", split_gradients, returned, self.file.spec)
        layers = len(self.shapes) // 2
        found = [*lists[0], *lists[1]]
        if len(found) != len(self._gradients):
            raise UserCodeError(
                f"{self.file.file}: backward returned {len(lists[0])} weight gradients and "
                f"{len(lists[1])} bias gradients; expected {layers} of each"
            )
        for at, (view, gradient) in enumerate(zip(self._gradients, found, strict=True)):
            shape = getattr(gradient, "shape", None)
            if shape == view.shape:
                np.copyto(view, gradient)
            elif at >= layers and np.size(gradient) == view.size:
                np.copyto(view, np.reshape(gradient, view.shape))
            else:
                kind, layer = ("weight", at) if at < layers else ("bias", at - layers)
                self.checked(f"{kind} gradient {layer}", gradient, view.shape)
                np.copyto(view, np.asarray(gradient))

    def _check_learning(
        self, images: Floats, outputs: NDArray[Any], before: list[NDArray[Any]]
    ) -> None:
        """Check after the first step that the arrays that are saved are those that forward uses.

        Raises:
            UserCodeError: one changed without the other.
        """
        held = self._copied()
        has_moved = any((a != b).any() for a, b in zip(before, held, strict=True))
        again = [self.outputs_of(images.copy()) for _ in range(2)]
        is_random = bool((again[0] != again[1]).any())
        has_learned = not is_random and bool((again[0] != outputs).any())
        if has_learned and not has_moved:
            raise UserCodeError(
                f"{self.file.file}: a step changed its outputs, but none of the weights that it "
                "was given; expected it to change these arrays in place, or to keep its own in "
                "self.weights and self.biases"
            )
        if has_moved and not is_random and not has_learned and not self._uses_weights(images):
            raise UserCodeError(
                f"{self.file.file}: its weights were updated, but its outputs stay the same; "
                "expected forward to use the arrays that it was given, or self.weights and "
                "self.biases"
            )

    def _uses_weights(self, images: Floats) -> bool:
        """Whether other weights give other outputs: those of a saturated network hardly change."""
        held = [a for a in self._held() if isinstance(a, np.ndarray)]
        kept, drawn = [a.copy() for a in held], np.random.default_rng(0)
        before = np.array(self.outputs_of(images.copy()))
        for array in held:
            array[...] = drawn.normal(0, 0.1, array.shape)
        after = np.array(self.outputs_of(images.copy()))
        for array, values in zip(held, kept, strict=True):
            np.copyto(array, values)
        return bool((before != after).any())

    def _held(self) -> list[Any]:
        """Return the arrays that the file keeps: weights, then biases."""
        weights, biases = self.called("self.weights", self._user.held)
        arrays = [*weights, *biases]
        if len(arrays) != len(self._layout):
            raise UserCodeError(
                f"{self.file.file}: it keeps {len(weights)} weights and {len(biases)} biases; "
                f"expected {len(self.shapes) // 2} of each"
            )
        return arrays

    def _copied(self) -> list[NDArray[Any]]:
        return [np.array(a) for a in self._held()]

    def _views(self, vector: Floats) -> list[Floats]:
        """Return the weights, then the biases in a vector like θ, in the file's layout."""
        views, start = [], 0
        for shape in self._layout:
            size = int(np.prod(shape))
            views.append(vector[start : start + size].reshape(shape))
            start += size
        return views

    def _by_name(self, arrays: Sequence[Any]) -> dict[str, NDArray[Any]]:
        """Return arrays of the file's, by tensor name, as views (fan_out, fan_in) and (fan_out,).

        Raises:
            UserCodeError: one has another size.
        """
        layers = len(self.shapes) // 2
        turned = self.file.spec.columns_of_weights
        found: dict[str, NDArray[Any]] = {}
        for at, (given, shape) in enumerate(zip(arrays, self._layout, strict=True)):
            array = np.asarray(given)
            is_weight, layer = at < layers, at % layers
            name = f"layers.{layer}.{'weight' if is_weight else 'bias'}"
            if array.shape != shape and (is_weight or array.size != np.prod(shape)):
                kind = "weights" if is_weight else "biases"
                array = self.checked(f"self.{kind}[{layer}]", given, shape)
            found[name] = (array if turned else array.T) if is_weight else array.reshape(-1)
        return found

    def _tensors(self, arrays: Sequence[Any]) -> dict[str, Floats]:
        """Return copies of arrays of the file's in the form of `EngineState.weights`."""
        found = self._by_name(arrays)
        return {
            name: np.array(found[name], self.dtype, order="C")
            if name in found
            else np.zeros(shape, self.dtype)
            for name, shape in self.shapes.items()
        }


def _is_same(view: NDArray[Any], array: object) -> bool:
    """Whether an array is the view itself: what changes in one changes in the other."""
    return (
        isinstance(array, np.ndarray)
        and array.dtype == view.dtype
        and array.size == view.size
        and array.ctypes.data == view.ctypes.data
    )
