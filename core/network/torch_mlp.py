"""The same network in PyTorch: a module, autograd, the kernels of PyTorch's own optimizers.

The only module that imports torch.
"""

import copy
import warnings
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mlpwatch.core.arrays import Floats, Labels, Rows, Tensors
from mlpwatch.core.config import EngineName, LossMean, RunConfig
from mlpwatch.core.network.devices import device_for
from mlpwatch.core.network.dropout import DropoutMasks
from mlpwatch.core.network.engine import EngineState, check_state
from mlpwatch.core.network.optimizers import (
    ADAM_EPSILON,
    ADAM_MEAN_DECAY,
    ADAM_SQUARE_DECAY,
    MOMENTUM,
    SLOTS,
)

_ACTIVATIONS = {"relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}
_DTYPES = {"float32": torch.float32, "float64": torch.float64}
_Masks = Sequence[Tensor | None] | None
_run_backward = torch.autograd.Variable._execution_engine.run_backward


class MLP(nn.Module):
    """Linear layers with one activation between them; the last one's output is the logits.

    Args:
        weights: initial `layers.K.weight` (fan_out, fan_in) and `layers.K.bias` (fan_out,).
        activation: name of the hidden layers' activation.
        device: of the parameters; None for the CPU.
    """

    def __init__(
        self, weights: Tensors, activation: str, device: torch.device | None = None
    ) -> None:
        super().__init__()
        found = {name: torch.from_numpy(array) for name, array in weights.items()}
        self.layers = nn.ModuleList(
            nn.Linear(w.shape[1], w.shape[0], device=device, dtype=w.dtype)
            for name, w in found.items()
            if name.endswith(".weight")
        )
        self.load_state_dict(found)
        self.activation = _ACTIVATIONS[activation]
        tensors = [*self.layers.parameters()]
        self._affine = list(zip(tensors[::2], tensors[1::2], strict=True))

    def forward(self, x: Tensor, masks: _Masks = None) -> Tensor:
        """Return logits (batch, classes) of images x (batch, features); see `activations`."""
        return self.activations(x, masks)[-1]

    def activations(self, x: Tensor, masks: _Masks = None) -> list[Tensor]:
        """Return A_0 = x (batch, features), A_1 … A_L-1 (batch, width) and the logits.

        Args:
            x: images.
            masks: dropout, one per layer's input (batch, fan_in); None for none. `nn.Dropout`
                draws its own, and the two networks would no longer be the same.
        """
        found, last = [x], len(self._affine) - 1
        for k, (weight, bias) in enumerate(self._affine):
            if masks and (mask := masks[k]) is not None:
                x = x * mask
            # What nn.Linear does when it is called, without 4 µs of looking for hooks.
            z = functional.linear(x, weight, bias)
            x = z if k == last else self.activation(z)
            found.append(x)
        return found


def squared_error(logits: Tensor, labels: Tensor, mean: LossMean) -> Tensor:
    """Return the scalar squared error of a sigmoid output on one-hot targets.

    Args:
        logits: (batch, classes).
        labels: (batch,) true classes.
        mean: `batch` sums over the classes; `element` is `nn.MSELoss()`, which averages.
    """
    targets = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    if mean == "element":
        return functional.mse_loss(torch.sigmoid(logits), targets)
    return functional.mse_loss(torch.sigmoid(logits), targets, reduction="sum") / len(logits)


class FusedOptimizer:
    """The kernels of `torch.optim.SGD` and `torch.optim.Adam` with `fused=True`, called directly.

    So the same bits. What those classes do around them takes 100 of 680 µs a step at 784-128-10,
    batch 64, and holds the interpreter's lock, for which the other engine waits; and making one
    imports `torch._dynamo`: 70 MB, and 1.2 s in which the screen waits for that lock.

    Args:
        config: optimizer and learning rate are used.
        parameters: to be updated in place; all on one device, of one dtype.
    """

    def __init__(self, config: RunConfig, parameters: Sequence[Tensor]) -> None:
        self.learning_rate = config.learning_rate
        self.updates = 0
        # The same memory, but nothing that autograd follows.
        self._parameters = [p.detach() for p in parameters]
        names, zeros_like = SLOTS[config.optimizer], torch.zeros_like
        self.slots = {name: [zeros_like(p) for p in self._parameters] for name in names}
        self._is_adam = config.optimizer == "adam"
        # Adam's kernel reads the number of updates from a tensor beside each parameter.
        self._count = torch.zeros((), device=parameters[0].device)
        self._counts = [self._count] * len(parameters)

    def update(self, gradients: tuple[Tensor, ...]) -> None:
        """Change the parameters by one step along their negative gradients."""
        self.updates += 1
        if self._is_adam:
            self._count.fill_(self.updates)
            torch._fused_adam_(
                self._parameters, gradients, self.slots["adam_mean"], self.slots["adam_square"],
                [], self._counts, lr=self.learning_rate, beta1=ADAM_MEAN_DECAY,
                beta2=ADAM_SQUARE_DECAY, eps=ADAM_EPSILON, weight_decay=0.0, amsgrad=False,
                maximize=False,
            )  # fmt: skip
            return
        velocities = self.slots.get("momentum", [])
        torch._fused_sgd_(
            self._parameters, gradients, velocities, lr=self.learning_rate, dampening=0.0,
            momentum=MOMENTUM if velocities else 0.0, nesterov=False, weight_decay=0.0,
            maximize=False, is_first_step=False,
        )  # fmt: skip


class _Batch(NamedTuple):
    """Memory for one batch size, made once and filled at each step."""

    rows: NDArray[np.int64]  # (batch,) shared with `row_tensor`
    row_tensor: Tensor  # (batch,) on the CPU
    images: Tensor  # (batch, features)
    labels: Tensor  # (batch,)


class TorchMLP:
    """Satisfies `core.engine.Engine`.

    Args:
        config: activation, loss, optimizer, learning rate, dtype, device are used.
        images: training images (samples, features), float32; shared, not copied, on the CPU.
        labels: (samples,) true classes.
        weights: the initial weights, `layers.K.weight` and `layers.K.bias`.

    Raises:
        ConfigError: the device is absent, or can't hold the dtype.
    """

    name: EngineName = "torch"

    def __init__(self, config: RunConfig, images: Floats, labels: Labels, weights: Tensors) -> None:
        present = torch.cuda.is_available(), torch.backends.mps.is_available()
        self.device = torch.device(device_for(config, *present))
        self._batches: dict[int, _Batch] = {}
        self._owners: list[Tensor] = []
        self._dtype = _DTYPES[config.dtype]
        # ∂L/∂L, which autograd would make anew at each step.
        self._one = torch.ones((), dtype=self._dtype, device=self.device)
        self._images = _share(images).to(self.device)
        self._labels = _share(labels).to(self.device)
        self._network = MLP(weights, config.activation, self.device)
        self._reader: MLP | None = None
        squared = partial(squared_error, mean=config.loss_mean("torch"))
        self._loss = squared if config.loss == "mse" else functional.cross_entropy
        self._weights: dict[str, Tensor] = dict(self._network.named_parameters())
        self._parameters = tuple(self._weights.values())
        self._optimizer = FusedOptimizer(config, self._parameters)
        fan_ins = [w.shape[1] for name, w in weights.items() if name.endswith(".weight")]
        self._dropout = DropoutMasks(config, fan_ins)
        self._losses: list[Tensor] = []

    def use_threads(self, threads: int) -> None:
        """Set PyTorch's OpenMP threads for the calling thread, the one that trains."""
        torch.set_num_threads(threads)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the next updates."""
        self._optimizer.learning_rate = learning_rate

    def train_batch(self, rows: Rows) -> None:
        """Forward, backward and update on the training images of `rows` (batch,)."""
        loss, gradients = self._backward(rows)
        self._optimizer.update(gradients)
        # Kept as a tensor: reading its value would wait for the device at each step.
        self._losses.append(loss)

    @torch.no_grad()
    def take_losses(self) -> list[float]:
        """Return the losses since the last call, oldest first; waits for the device."""
        losses, self._losses = self._losses, []
        return torch.stack(losses).tolist() if losses else []

    def loss_and_gradient(self, rows: Rows) -> tuple[float, dict[str, Floats]]:
        """Return the loss on `rows` (batch,) and its gradient by tensor name; no update."""
        loss, gradients = self._backward(rows)
        named = zip(self._weights, gradients, strict=True)
        return float(loss.detach()), {name: _copy(g) for name, g in named}

    @torch.no_grad()
    def forward_pass(self, rows: Rows) -> list[Floats]:
        """Return A_0 … A_L-1 and the logits (batch, width) of the next step; copies."""
        x, _ = self._gather(rows)
        return [_copy(a) for a in self._network.activations(x, self._masks(len(rows)))]

    @torch.no_grad()
    def logits(self, images: Floats, weights: Tensors | None = None) -> Floats:
        """See `Engine.logits`."""
        network = self._network
        if weights is not None:
            # A network of its own: the other one is being trained meanwhile.
            network = self._reader = self._reader or copy.deepcopy(self._network)
            network.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})
        return _copy(network(_share(images).to(self.device, self._dtype)))

    def first_nonfinite_tensor(self) -> str | None:
        """Return the first weight array with a NaN or infinity, input side first."""
        unsound = (n for n, p in self._weights.items() if not bool(torch.isfinite(p).all()))
        return next(unsound, None)

    def weights(self) -> dict[str, Floats]:
        """Return a copy of the weights."""
        return {name: _copy(p) for name, p in self._weights.items()}

    def state(self) -> EngineState:
        """Return a copy of weights and optimizer slots."""
        slots = {name: _copy(slot) for name, slot in self._slots().items()}
        return EngineState(self.weights(), slots, self._optimizer.updates)

    @torch.no_grad()
    def load_state(self, state: EngineState) -> None:
        """Take over weights and slots, from either engine.

        Raises:
            ValueError: a tensor is missing, or its shape or dtype differs.
        """
        check_state(state, self.state())
        for name, parameter in self._weights.items():
            parameter.copy_(torch.from_numpy(state.weights[name]))
        for name, slot in self._slots().items():
            slot.copy_(torch.from_numpy(state.slots[name]))
        self._optimizer.updates = state.updates

    def _backward(self, rows: Rows) -> tuple[Tensor, tuple[Tensor, ...]]:
        x, y = self._gather(rows)
        loss: Tensor = self._loss(self._network.forward(x, self._masks(len(rows))), y)
        # torch.autograd.grad without its checks: 40 of 400 µs that hold the interpreter's lock.
        return loss, _run_backward((loss,), (self._one,), False, False, self._parameters)

    def _gather(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return images (batch, features) and labels (batch,)."""
        batch = self._batches.get(len(rows)) or self._make_batch(len(rows))
        np.copyto(batch.rows, rows)
        index = batch.row_tensor if self.device.type == "cpu" else batch.row_tensor.to(self.device)
        torch.index_select(self._images, 0, index, out=batch.images)
        torch.index_select(self._labels, 0, index, out=batch.labels)
        same = batch.images.dtype == self._dtype
        return batch.images if same else batch.images.to(self._dtype), batch.labels

    def _make_batch(self, size: int) -> _Batch:
        rows = np.empty(size, np.int64)
        images = self._images.new_empty(size, self._images.shape[1])
        labels = self._labels.new_empty(size)
        # Second owners for good: PyTorch takes the interpreter's lock to add or drop one.
        self._owners += [images.view_as(images), labels.view_as(labels)]
        self._batches[size] = _Batch(rows, torch.from_numpy(rows), images, labels)
        return self._batches[size]

    def _slots(self) -> dict[str, Tensor]:
        return {
            f"{slot}.{name}": tensor
            for slot, tensors in self._optimizer.slots.items()
            for name, tensor in zip(self._weights, tensors, strict=True)
        }

    def _masks(self, batch: int) -> _Masks:
        if not self._dropout.active:
            return None
        masks = self._dropout.draw(self._optimizer.updates, batch)
        return [None if m is None else torch.from_numpy(m).to(self.device) for m in masks]


def _share(array: Floats | Labels) -> Tensor:
    """Return a tensor on the array's own memory; nothing here writes to it."""
    with warnings.catch_warnings():
        # The data set's arrays are read-only, which PyTorch can't express and warns about.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def _copy(tensor: Tensor) -> Floats:
    copied: Floats = tensor.detach().cpu().numpy().copy()
    return copied
