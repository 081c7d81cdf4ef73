"""The calls of a check, in order: batches, repeated calls, own loss, updates, training."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.checking.foreign.results import Results, Stopped
from mlpwatch.core.foreign.user_module import UserModule
from mlpwatch.core.foreign.user_network import (
    NotUnderstoodError,
    UserNetwork,
    split_gradients,
)
from mlpwatch.core.specification import Specification

User = UserNetwork | UserModule

FD_STEP = 1e-5
"""Of central differences in float64: rounding and curvature both cost about 1e-10."""


UNSEEN = (
    "a step changes the outputs, but none of the arrays that __init__ was given; expected it to "
    "keep these arrays themselves, not copies, or to show its own as self.weights and self.biases"
)


class Scenarios:
    """The calls of a check, in order; each scenario begins with a new network.

    Args:
        user: the network.
        job: arrays of the job: weights, biases, batches.
        settings: the job's other settings.
        results: where all goes.
    """

    def __init__(
        self, user: User, job: dict[str, NDArray[Any]], settings: dict[str, Any], results: Results
    ) -> None:
        self._user = user
        self._results = results
        self._settings = settings
        layers = settings["layers"]
        self._weights = [job[f"w{k}"] for k in range(layers)]
        self._biases = [job[f"b{k}"] for k in range(layers)]
        self._batches = [(job[f"x{i}"], job[f"y{i}"]) for i in range(settings["batches"])]
        self._classes = int(settings["classes"])
        self._rate = float(settings["learning_rate"])
        self._spec = Specification(**settings["spec"])

    def run(self) -> None:
        """Run all; one that fails does not end the others."""
        for i in range(len(self._batches)):
            self._attempt(f"batch {i}", lambda name, i=i: self._one(name, i))
        self._attempt("short batch", self._short)
        self._attempt("again", self._again)
        self._attempt("evaluation", self._evaluation)
        self._attempt("own loss", self._own_loss)
        self._attempt("updates", self._updates)
        self._attempt("training", self._training)
        self._results.send(kind="done")

    def _attempt(self, name: str, scenario: Any) -> None:  # noqa: ANN401
        try:
            scenario(name)
        except Stopped:
            return

    @property
    def _only_trains(self) -> bool:
        return isinstance(self._user, UserNetwork) and not self._user.has("backward")

    def _start(self, name: str) -> None:
        with self._results.calling(name, "__init__"):
            self._user.start(self._weights, self._biases)
        if isinstance(self._user, UserModule):
            self._user.evaluate_mode()

    def _forward(self, name: str, x: Any, batch: int) -> tuple[Any, NDArray[Any]]:  # noqa: ANN401
        with self._results.calling(name, f"forward on {_images(batch)}"):
            outputs = self._user.forward(x)
            if outputs is None:
                raise NotUnderstoodError("forward returned nothing; expected the outputs")
            rows = self._user.as_rows(outputs, batch, self._classes)
        return outputs, rows

    def _backward(self, name: str, y: Any, batch: int) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401
        with self._results.calling(name, f"backward on {_images(batch)}"):
            returned = self._user.backward(y)
            by_weights, by_biases = split_gradients(returned, self._spec)
        return returned, self._named(by_weights, by_biases)

    def _named(self, by_weights: list[Any], by_biases: list[Any]) -> dict[str, Any]:
        named: dict[str, Any] = {}
        for k, w in enumerate(self._weights):
            given = by_weights[k] if k < len(by_weights) else None
            named[f"w{k}"] = None if given is None else self._user.weight_rows(given, w.shape)
            if self._spec.bias:
                named[f"b{k}"] = by_biases[k] if k < len(by_biases) else None
        return {key: None if v is None else _copied(v) for key, v in named.items()}

    def _one(self, name: str, i: int) -> None:
        images, labels = self._batches[i]
        self._start(name)
        x, before = self._user.x_of(images), self._user.x_of(images)
        y = self._user.y_of(labels, self._classes)
        outputs, rows = self._forward(name, x, len(images))
        arrays: dict[str, Any] = {"outputs": _copied(rows)}
        flags = {"input_changed": not _same(x, before)}
        if self._user.has("loss_value") or isinstance(self._user, UserModule):
            try:
                with self._results.calling(name, f"loss_value on {_images(len(images))}"):
                    value = self._user.loss_value(outputs, self._user.y_of(labels, self._classes))
                    arrays["loss"] = np.float64(_number(value))
            except Stopped:
                pass
        self._results.record(name, arrays, **flags)
        if self._only_trains:
            with self._results.calling(name, f"train on {_images(len(images))}"):
                self._user.train(self._user.x_of(images), y, self._rate)
                weights, biases = self._user.parameters()
                named = self._named(
                    [_slope(self._given(k), w, self._rate) for k, w in enumerate(weights)],
                    # Without biases the network holds none; the reference's are 0.
                    [_slope(b, a, self._rate) for a, b in zip(biases, self._biases, strict=False)],
                )  # fmt: skip
            if not any(np.any(slope) for slope in named.values() if slope is not None):
                self._refuse_unseen(name, images, rows)
        else:
            _returned, named = self._backward(name, y, len(images))
        self._results.record(f"{name} gradients", named)

    def _refuse_unseen(self, name: str, images: NDArray[Any], before: NDArray[Any]) -> None:
        """End the check where a step has changed the outputs, but no array that is seen.

        A step that changes a copy by mistake changes no outputs.
        """
        after = [self._forward(name, self._user.x_of(images), len(images))[1] for _ in range(2)]
        if _same(after[0], after[1]) and not _same(after[0], before):
            self._results.send(kind="not understood", text=UNSEEN)
            raise Stopped

    def _given(self, k: int) -> NDArray[Any]:
        w = self._weights[k]
        return w.T if self._spec.columns_of_weights else w

    def _short(self, name: str) -> None:
        """A short batch after a whole one, by the same network."""
        if self._only_trains:
            return
        whole, short = self._settings["whole"], self._settings["short"]
        self._start(name)
        for i in (whole, short):
            images, labels = self._batches[i]
            _outputs, rows = self._forward(name, self._user.x_of(images), len(images))
            _returned, named = self._backward(
                name, self._user.y_of(labels, self._classes), len(images)
            )
        self._results.record(name, {"outputs": rows} | named)

    def _again(self, name: str) -> None:
        """Two batches of the same size by the same network: what the first left must not show."""
        if self._only_trains:
            return
        first, second = self._settings["first"], self._settings["second"]
        self._start(name)
        images, labels = self._batches[first]
        outputs, rows = self._forward(name, self._user.x_of(images), len(images))
        kept = _copied(rows)
        self._backward(name, self._user.y_of(labels, self._classes), len(images))
        changed_by = None if _same(rows, kept) else "backward"
        images, labels = self._batches[second]
        _second, rows_2 = self._forward(name, self._user.x_of(images), len(images))
        if changed_by is None and not _same(rows, kept):
            changed_by = "the next forward"
        _returned, named = self._backward(name, self._user.y_of(labels, self._classes), len(images))
        del outputs
        self._results.record(
            name, {"outputs": rows_2} | named, changed_by=changed_by,
        )  # fmt: skip

    def _evaluation(self, name: str) -> None:
        """The same images twice, also as in training: outputs that differ are drawn at random."""
        images, _labels = self._batches[self._settings["whole"]]
        self._start(name)
        _o, rows = self._forward(name, self._user.x_of(images), len(images))
        first = _copied(rows)
        _o, rows = self._forward(name, self._user.x_of(images), len(images))
        arrays = {"first": first, "second": rows}
        if isinstance(self._user, UserModule):
            self._user.train_mode()
            for key in ("training first", "training second"):
                _o, rows = self._forward(name, self._user.x_of(images), len(images))
                arrays[key] = _copied(rows)
        self._results.record(name, arrays)

    def _own_loss(self, name: str) -> None:
        """Slopes of the user's own loss by central differences, at a few weights."""
        if isinstance(self._user, UserModule) or not self._user.has("loss_value"):
            return
        images, labels = self._batches[self._settings["first"]]
        slopes = []
        for tensor, at in self._settings["coordinates"]:
            ends = []
            for step in (FD_STEP, -FD_STEP):
                weights = [w.copy() for w in self._weights]
                biases = [b.copy() for b in self._biases]
                (weights if tensor[0] == "w" else biases)[int(tensor[1:])][tuple(at)] += step
                with self._results.calling(name, "loss_value"):
                    self._user.start(weights, biases)
                    outputs = self._user.forward(self._user.x_of(images))
                    y = self._user.y_of(labels, self._classes)
                    ends.append(_number(self._user.loss_value(outputs, y)))
            slopes.append((ends[0] - ends[1]) / (2 * FD_STEP))
        self._results.record(name, {"slopes": np.array(slopes)})

    def _updates(self, name: str) -> None:
        self._start(name)
        for number, i in enumerate(self._settings["update_batches"], 1):
            images, _labels = self._batches[i]
            is_first = number == 1 and isinstance(self._user, UserNetwork)
            if is_first:
                begun = self._user.parameters()
                before = _copied(self._forward(name, self._user.x_of(images), len(images))[1])
            gradients = self._step(name, i)
            weights, biases = self._user.parameters()
            if is_first and all(map(_same, [*begun[0], *begun[1]], [*weights, *biases])):
                self._refuse_unseen(name, images, before)
            arrays = {
                f"w{k}": self._user.weight_rows(w, self._weights[k].shape)
                for k, w in enumerate(weights)
            } | {f"b{k}": np.ravel(b) for k, b in enumerate(biases)}
            self._results.record(f"update {number}", arrays)
            if gradients is not None:
                self._results.record(f"update {number} gradients", gradients)

    def _step(self, name: str, i: int) -> dict[str, Any] | None:
        images, labels = self._batches[i]
        x, y = self._user.x_of(images), self._user.y_of(labels, self._classes)
        if isinstance(self._user, UserModule) or self._only_trains:
            with self._results.calling(name, f"train on {_images(len(images))}"):
                self._user.train(x, y, self._rate)
            return None
        self._forward(name, x, len(images))
        returned, named = self._backward(name, y, len(images))
        with self._results.calling(name, "update"):
            self._user.update(returned, self._rate)
        return named

    def _training(self, name: str) -> None:
        self._start(name)
        batches = self._settings["training_batches"]
        for step in range(self._settings["training_steps"]):
            self._step(name, batches[step % len(batches)])
        images, _labels = self._batches[self._settings["whole"]]
        if isinstance(self._user, UserModule):
            self._user.evaluate_mode()
        _outputs, rows = self._forward(name, self._user.x_of(images), len(images))
        self._results.record(name, {"outputs": rows})


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _number(value: Any) -> float:  # noqa: ANN401
    """Return a loss as a number.

    Raises:
        NotUnderstoodError: it is an array of several.
    """
    shape = tuple(np.shape(value))
    if int(np.prod(shape)) != 1:
        raise NotUnderstoodError(f"loss_value returned shape {shape}; expected one number")
    return float(np.ravel(value)[0]) if isinstance(value, np.ndarray) else float(value)


def _slope(before: Any, after: Any, learning_rate: float) -> Any:  # noqa: ANN401
    """Return (before - after) ÷ η; the array itself where its size has changed."""
    a, b = np.asarray(before), np.asarray(after)
    if a.size == b.size:
        return (a.reshape(b.shape) - b) / learning_rate
    return b


def _copied(value: Any) -> Any:  # noqa: ANN401
    return np.array(value, copy=True) if isinstance(value, np.ndarray) else value


def _same(a: Any, b: Any) -> bool:  # noqa: ANN401
    return bool(np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True))
