"""Engines whose network is the user's own code: what the two kinds of files have in common."""

from abc import ABC, abstractmethod
from contextvars import copy_context
from math import nan
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats, Labels, Rows, Tensors
from mlpwatch.core.config import ENDS_OF_RANGE, EngineName, RunConfig
from mlpwatch.core.foreign.loading import UserCodeError, load
from mlpwatch.core.foreign.user_module import UserModule
from mlpwatch.core.foreign.user_network import NotUnderstoodError, UserNetwork
from mlpwatch.core.network.activations import ActivationRule, activation_of
from mlpwatch.core.network.engine import EngineState
from mlpwatch.core.network.layers import PREDICT_CHUNK, Parameters, predict_chunks
from mlpwatch.core.network.losses import Loss, loss_for
from mlpwatch.core.network.step_norms import LayerNorms, norm_of
from mlpwatch.core.network_file import NetworkFile

_ROUNDING = {"float32": 1e-4, "float64": 1e-9}
"""Largest difference of two probabilities that rounding explains."""


class UserEngine(ABC):
    """Satisfies `core.network.engine.Engine` with a network that somebody else wrote.

    Predictions come from a second copy of the file, imported apart, so that another thread may
    ask for them while this one trains.

    Args:
        name: of the engine in whose place it trains.
        config: its settings, and its network file.
        images: training images (samples, features), float32, scaled; shared, not copied.
        labels: (samples,) true classes.
        weights: the initial weights, `layers.K.weight` and `layers.K.bias`.

    Raises:
        UserCodeError: the user's code raises.
        InputError: the file has no network.
    """

    def __init__(
        self, name: EngineName, config: RunConfig, images: Floats, labels: Labels, weights: Tensors
    ) -> None:
        file = config.network_file(name)
        if file is None:
            raise ValueError(f"the run has no network file in the place of {name}")
        self.name = name
        # What the file does between its weights and its outputs can't be looked into.
        self.activation: ActivationRule | None = None
        self.file: NetworkFile = file
        self.config = config
        self.dtype = np.dtype(config.dtype)
        self.shapes = {tensor: array.shape for tensor, array in weights.items()}
        self.classes = len(weights[f"layers.{len(weights) // 2 - 1}.weight"])
        self.loss: Loss = loss_for(config, name)
        self.updates = 0
        self.is_measured = False
        """Whether the present step is measured; see `Engine.train_batch`."""
        self.learning_rate = config.learning_rate
        self._images, self._labels = images, labels
        self._losses: list[float] = []
        self._context = copy_context()
        self._context.run(np.seterr, all="ignore")
        self.code = load(file)
        self._lock = Lock()
        self._apart: UserEngine | None = None

    @abstractmethod
    def begin(self, state: EngineState) -> None:
        """Make the user's network again, from weights and slots in our form."""

    @abstractmethod
    def take_step(self, images: Floats, labels: Labels) -> NDArray[Any]:
        """Train on images (batch, features) as the file wants them; return its outputs.

        Returns:
            (batch, classes) outputs before the update.
        """

    @abstractmethod
    def gradient_left(self, before: Tensors, after: Tensors) -> Tensors:
        """Return the gradient that the last step left behind; empty if there is none.

        The user's code is not called again: that might change its training.

        Args:
            before: the weights before the step.
            after: the weights after it.
        """

    @abstractmethod
    def outputs_of(self, images: Floats) -> NDArray[Any]:
        """Return the outputs (batch, classes) for images (batch, features); no dropout."""

    @abstractmethod
    def gradient_of(self, images: Floats, labels: Labels) -> tuple[NDArray[Any], dict[str, Floats]]:
        """Return outputs (batch, classes), and the file's gradient by tensor name; no update."""

    @abstractmethod
    def weights(self) -> dict[str, Floats]:
        """Return a copy of the weights, in the form of `EngineState.weights`."""

    @abstractmethod
    def slots(self) -> dict[str, Floats]:
        """Return a copy of the optimizer's memory that mlpwatch sees."""

    @abstractmethod
    def draws_at_random(self) -> bool:
        """Return whether a step draws random numbers of its own (dropout).

        No other engine repeats such a step.
        """

    @abstractmethod
    def use_threads(self, threads: int) -> None:
        """Set the number of threads of the matrix products."""

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set η of the next updates."""
        self.learning_rate = learning_rate

    def train_batch(self, rows: Rows, *, measured: bool = False) -> tuple[LayerNorms, ...]:
        """Have the user's code train on the training images of `rows` (batch,).

        Returns:
            See `Engine.train_batch`. A gradient that the file leaves nowhere has the norm NaN.

        Raises:
            UserCodeError: it raises, or gives something of the wrong shape.
        """
        images, labels = self._gather(rows)
        self.is_measured = measured
        before = self.weights() if measured else {}
        outputs = self._context.run(self.take_step, images, labels)
        self.updates += 1
        self._losses.append(self._context.run(self._loss_of, outputs, labels))
        return self._context.run(self._norms, before) if measured else ()

    def take_losses(self) -> list[float]:
        """Return the losses since the last call, oldest first: the run's loss of its outputs."""
        losses, self._losses = self._losses, []
        return losses

    def loss_and_gradient(self, rows: Rows) -> tuple[float, dict[str, Floats]]:
        """Return the loss on `rows` (batch,) and the file's own gradient; no update."""
        images, labels = self._gather(rows)
        with self._lock, np.errstate(all="ignore"):
            apart = self._copy(self.weights())
            outputs, gradient = apart.gradient_of(images, labels)
            return self._loss_of(outputs, labels), gradient

    def forward_pass(self, rows: Rows) -> list[Floats]:
        """Return A_0 … A_L-1 and the logits (batch, width), by mlpwatch's own layers.

        A user's file shows only its outputs. Where those are what its weights give in a network
        with the run's settings, so are its layers.

        Raises:
            UserCodeError: its outputs are others.
        """
        weights, images = self.weights(), self._images[rows].astype(self.dtype)
        (found,) = predict_chunks(
            Parameters(weights), activation_of(self.config), images,
            lambda net, z: [*(layer.output.copy() for layer in net.activations), z.copy()],
        )  # fmt: skip
        with np.errstate(all="ignore"):
            own = self.loss.outputs(self.logits(self._images[rows], weights))
            difference = np.abs(own - self.loss.outputs(found[-1])).max()
        if not difference <= _ROUNDING[self.config.dtype]:
            raise UserCodeError(
                f"{self.file.file}: its outputs are not those of its weights in a network with "
                f"{self.config.activation} and {self.config.output_function} outputs, so its "
                f"layers can't be shown; mlpwatch check {self.file.file} says what differs"
            )
        return [images, *found]

    def logits(self, images: Floats, weights: Tensors | None = None) -> Floats:
        """Return the user's outputs as the logits (samples, classes) that the loss takes.

        Where the file returns probabilities, these are the logits that give them: log p, or
        log p / (1 - p) of a sigmoid.
        """
        chunks = []
        with self._lock, np.errstate(all="ignore"):
            apart = self._copy(self.weights() if weights is None else weights)
            for start in range(0, len(images), PREDICT_CHUNK):
                x = self.pixels(images[start : start + PREDICT_CHUNK])
                chunks.append(self._as_logits(apart.outputs_of(x), len(x)))
        return np.concatenate(chunks) if chunks else np.empty((0, self.classes), self.dtype)

    def first_nonfinite_tensor(self) -> str | None:
        """Return the first weight array with a NaN or infinity, input side first."""
        weights = self.weights().items()
        return next((name for name, a in weights if not np.isfinite(a).all()), None)

    def state(self) -> EngineState:
        """Return a copy of the weights, and of the slots that mlpwatch sees."""
        return EngineState(self.weights(), self.slots(), self.updates)

    def load_state(self, state: EngineState) -> None:
        """Make the user's network again with these weights; what else it remembered is gone.

        Raises:
            ValueError: a tensor is missing, or its shape or dtype differs.
            UserCodeError: the user's code raises.
        """
        for name, shape in self.shapes.items():
            array = state.weights.get(name)
            if array is None or array.shape != shape or array.dtype != self.dtype:
                found = None if array is None else (array.dtype.name, array.shape)
                raise ValueError(f"tensor {name!r} is {found}: expected {self.dtype} {shape}")
        self.begin(state)
        self.updates = state.updates

    def called(self, name: str, function: Any, *arguments: Any) -> Any:  # noqa: ANN401
        """Call the user's code; see `LoadedFile.call`."""
        return self.code.call(name, function, *arguments)

    def checked(self, what: str, value: Any, shape: tuple[int, ...]) -> NDArray[Any]:  # noqa: ANN401
        """Return an array of the user's if its shape is right.

        Raises:
            UserCodeError: it has another shape, or is no array of numbers.
        """
        try:
            array = np.asarray(value)
        except (ValueError, TypeError):
            array = np.empty(0, object)
        if array.dtype.kind not in "fiub" or array.shape != shape:
            is_array = array.dtype.kind in "fiub"
            found = f"has shape {array.shape}" if is_array else f"is a {type(value).__name__}"
            raise UserCodeError(f"{self.file.file}: {what} {found}; expected an array {shape}")
        return array

    def wrapped(self) -> UserNetwork | UserModule:
        """Return the caller of the file's network.

        Raises:
            UserCodeError: the file can't be used.
        """
        try:
            if self.file.kind == "module":
                return UserModule(self.code.found, self.code.module)
            return UserNetwork(self.code.found, self.file.spec)
        except NotUnderstoodError as error:
            raise UserCodeError(f"{self.file.file}: {error}") from None

    def _norms(self, before: Tensors) -> tuple[LayerNorms, ...]:
        after = self.weights()
        gradient = self.gradient_left(before, after)
        names = [name for name in before if name.endswith(".weight")]
        return tuple(
            LayerNorms(
                gradient=norm_of(gradient[name]) if name in gradient else nan,
                weights=norm_of(before[name]),
                update=norm_of(after[name] - before[name]),
            )
            for name in names
        )

    def _copy(self, weights: Tensors) -> "UserEngine":
        """Return the copy that only predicts, with these weights."""
        if self._apart is None:
            given = dict(weights)
            self._apart = type(self)(self.name, self.config, self._images, self._labels, given)
        else:
            self._apart.begin(EngineState(dict(weights)))
        return self._apart

    def _gather(self, rows: Rows) -> tuple[Floats, Labels]:
        return self.pixels(self._images[rows]), self._labels[rows]

    def pixels(self, images: Floats) -> Floats:
        """Return images (batch, features) in the file's own range, of the run's dtype; a copy."""
        x = images.astype(self.dtype)
        low, high = ENDS_OF_RANGE[self.config.pixel_range]
        black, white = ENDS_OF_RANGE[self.file.spec.pixels]
        if (low, high) != (black, white):
            x = (x - low) * ((white - black) / (high - low)) + black
        return x

    def _loss_of(self, outputs: NDArray[Any], labels: Labels) -> float:
        logits = self._as_logits(outputs, len(labels))
        return float(self.loss.per_image(logits, labels).mean())

    def _as_logits(self, outputs: NDArray[Any], batch: int) -> Floats:
        shown = self.checked("what forward returned", outputs, (batch, self.classes))
        a = shown.astype(self.dtype, copy=False)
        if self.file.spec.output == "logits":
            return a
        function, smallest = self.config.output_function, np.finfo(self.dtype).tiny
        if function == "linear":
            return a
        if function == "softmax":
            # z = log p: softmax(z) = p where the rows of p sum to 1
            logits: Floats = np.log(np.maximum(a, smallest))
            return logits
        # z = log (a / (1 - a)): σ(z) = a
        inside = np.clip(a, smallest, 1 - np.finfo(self.dtype).epsneg)
        logits = np.log(inside)
        logits -= np.log1p(-inside)
        return logits
