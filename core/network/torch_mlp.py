"""The same network in PyTorch: `nn.Module`, autograd, `torch.optim`.

With its losses, in `torch_losses`, the only module that imports torch. The optimizers are the
functions `torch.optim.sgd.sgd`, `torch.optim.adam.adam` and their like, which the classes
`torch.optim.SGD` and `Adam` call: the results are the same to the last bit. But making one of those
classes imports `torch._dynamo` and sympy, which takes 70 MB and 1.2 s; meanwhile the screen waits
for the interpreter's lock.
"""

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from mlpwatch.core.arrays import Floats, Labels, Rows, Tensors
from mlpwatch.core.config import (
    Activation,
    Dtype,
    EngineName,
    OptimizerName,
    RunConfig,
)
from mlpwatch.core.network.activations import activation_of
from mlpwatch.core.network.build import device_for
from mlpwatch.core.network.dropout import DropoutMasks
from mlpwatch.core.network.engine import EngineState, Exchange, check_state
from mlpwatch.core.network.optimizers import BETA_1, BETA_2, EPSILON, OPTIMIZERS, RHO
from mlpwatch.core.network.step_norms import LayerNorms
from mlpwatch.core.network.tables import complete
from mlpwatch.core.network.torch_losses import loss_function
from mlpwatch.core.specification import LEAK

_DTYPES = complete(Dtype, {"float32": torch.float32, "float64": torch.float64})

ACTIVATIONS: Mapping[Activation, Callable[..., Tensor]] = complete(
    Activation,
    {
        "relu": torch.relu,
        "leaky-relu": functional.leaky_relu,
        "gelu": functional.gelu,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
    },
)


class MLP(nn.Module):
    """Linear layers with an activation between them; the last layer gives the logits.

    Args:
        sizes: widths from input to output.
        activation: of the hidden layers.
        negative_slope: of the leaky ReLU.
        bias: whether the layers have biases.
    """

    def __init__(
        self, sizes: Sequence[int], activation: Activation, negative_slope: float = LEAK, *,
        bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Linear(fan_in, fan_out, bias=bias) for fan_in, fan_out in pairwise(sizes)
        )
        self.activation = ACTIVATIONS[activation]
        if activation == "leaky-relu":
            self.activation = partial(self.activation, negative_slope=negative_slope)

    def forward(self, x: Tensor, masks: Sequence[Tensor | None] | None = None) -> Tensor:
        """Return logits (batch, classes) of images x (batch, features); see `activations`."""
        return self.activations(x, masks)[-1]

    def activations(self, x: Tensor, masks: Sequence[Tensor | None] | None = None) -> list[Tensor]:
        """Return A_0 = x (batch, features), A_1 … A_L-1 (batch, width) and the logits.

        Args:
            x: images.
            masks: dropout, one per layer's input (batch, fan_in); None for none. `nn.Dropout` would
                draw its own masks, and the two networks would differ.
        """
        found, last = [x], len(self.layers) - 1
        for k, layer in enumerate(self.layers):
            if masks and (mask := masks[k]) is not None:
                x = x * mask
            z = layer(x)
            x = z if k == last else self.activation(z)
            found.append(x)
        return found


class TorchOptimizer:
    """An optimizer's function of `torch.optim`, and its memory.

    Args:
        config: optimizer, learning rate, momentum and weight decay are used.
        parameters: updated in place; all on one device, of one dtype.
    """

    def __init__(self, config: RunConfig, parameters: Sequence[Tensor]) -> None:
        self.learning_rate = config.learning_rate
        self.momentum, self.weight_decay = config.momentum, config.weight_decay
        self.updates = 0
        self.parameters = list(parameters)
        self.slots = {
            slot: [torch.zeros_like(p, requires_grad=False) for p in parameters]
            for slot in OPTIMIZERS[config.optimizer].slot_names
        }
        self._apply = UPDATES[config.optimizer]

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters by one step along their negative gradients."""
        self._apply(self, [p.grad for p in self.parameters if p.grad is not None])
        self.updates += 1

    def counts(self) -> list[Tensor]:
        """Return an update counter for each parameter: the functions want them, and add 1."""
        count = torch.tensor(float(self.updates), device=self.parameters[0].device)
        return [count.clone() for _ in self.parameters]


def _sgd(
    own: TorchOptimizer, gradients: list[Tensor], momentum: float = 0.0, *, nesterov: bool = False
) -> None:
    velocities: list[Tensor | None] = [*own.slots.get("momentum", [None] * len(gradients))]
    sgd(
        own.parameters, gradients, velocities, lr=own.learning_rate, momentum=momentum,
        dampening=0.0, weight_decay=own.weight_decay, nesterov=nesterov, maximize=False, fused=True,
    )  # fmt: skip


def _momentum(own: TorchOptimizer, gradients: list[Tensor]) -> None:
    _sgd(own, gradients, own.momentum)


def _nesterov(own: TorchOptimizer, gradients: list[Tensor]) -> None:
    _sgd(own, gradients, own.momentum, nesterov=True)


def _rmsprop(own: TorchOptimizer, gradients: list[Tensor]) -> None:
    rmsprop(
        own.parameters, gradients, own.slots["rmsprop_square"], [], [], own.counts(),
        lr=own.learning_rate, alpha=RHO, eps=EPSILON, weight_decay=own.weight_decay,
        momentum=0.0, centered=False,
    )  # fmt: skip


def _adam(own: TorchOptimizer, gradients: list[Tensor], rule: Callable[..., None] = adam) -> None:
    rule(
        own.parameters, gradients, own.slots["adam_mean"], own.slots["adam_square"], [],
        own.counts(), lr=own.learning_rate, beta1=BETA_1, beta2=BETA_2, eps=EPSILON,
        weight_decay=own.weight_decay, amsgrad=False, maximize=False, fused=True,
    )  # fmt: skip


def _adamw(own: TorchOptimizer, gradients: list[Tensor]) -> None:
    _adam(own, gradients, adamw)


UPDATES: Mapping[OptimizerName, Callable[[TorchOptimizer, list[Tensor]], None]] = complete(
    OptimizerName,
    {
        "sgd": _sgd,
        "momentum": _momentum,
        "nesterov": _nesterov,
        "rmsprop": _rmsprop,
        "adam": _adam,
        "adamw": _adamw,
    },
)


class TorchMLP:
    """Satisfies `core.network.engine.Engine`.

    Args:
        config: network, loss, optimizer, dtype, device, dropout are used.
        images: training images (samples, features), float32; shared, not copied, on the CPU.
        labels: (samples,) true classes.
        weights: the initial weights, `layers.K.weight` and `layers.K.bias`.

    Raises:
        ConfigError: the device is absent, or can't hold the dtype.
    """

    name: EngineName = "torch"

    def __init__(self, config: RunConfig, images: Floats, labels: Labels, weights: Tensors) -> None:
        self.activation = activation_of(config)
        present = torch.cuda.is_available(), torch.backends.mps.is_available()
        self.device = torch.device(device_for(config, *present))
        self._dtype, self._numpy_dtype = _DTYPES[config.dtype], np.dtype(config.dtype)
        self._images = _share(images).to(self.device)
        self._labels = _share(labels).to(self.device)
        matrices = [w for name, w in weights.items() if name.endswith(".weight")]
        fan_ins = [w.shape[1] for w in matrices]
        sizes, slope = [*fan_ins, len(matrices[-1])], config.negative_slope
        self._network = MLP(sizes, config.activation, slope, bias=config.bias)
        self._shapes = {name: array.shape for name, array in weights.items()}
        self._network.to(self.device, self._dtype)
        self._load(self._network, weights)
        self._predictor: MLP | None = None
        self._loss = loss_function(config)
        self._output, self._mean = config.output_function, config.loss_mean("torch")
        self._weights: dict[str, Tensor] = dict(self._network.named_parameters())
        self._optimizer = TorchOptimizer(config, tuple(self._weights.values()))
        self._dropout = DropoutMasks(config, fan_ins)
        self._losses: list[Tensor] = []
        self._exchange: Exchange | None = None

    def use_threads(self, threads: int) -> None:
        """Set PyTorch's OpenMP threads for the calling thread, the one that trains."""
        torch.set_num_threads(threads)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the next updates."""
        self._optimizer.learning_rate = learning_rate

    def train_batch(self, rows: Rows, *, measured: bool = False) -> tuple[LayerNorms, ...]:
        """See `Engine.train_batch`."""
        # Kept as a tensor: reading its value would wait for the device at each step.
        if self._exchange is None:
            self._losses.append(self._forward_and_backward(rows).detach())
        else:
            loss = self._shared_gradient(rows, self._exchange)
            self._losses.append(torch.tensor(loss, dtype=self._dtype))
        if measured:
            return self._measured_update()
        self._optimizer.step()
        return ()

    def exchange_with(self, exchange: Exchange) -> Tensor:
        """See `SharedEngine.exchange_with`.

        One flat sum instead of `DistributedDataParallel`: that takes the mean over the processes,
        which is not the mean over the batch where their numbers of rows differ (digits, batch 100,
        3 processes: 0.004 in a weight after 12 steps). It has no room for the learning rate, which
        would need a second sum, and making one imports `torch._dynamo`, 1.8 s.
        """
        self._exchange = exchange
        count = sum(p.numel() for p in self._weights.values())
        self._summed = torch.zeros(count + exchange.spare, dtype=self._dtype, device=self.device)
        ends = accumulate(p.numel() for p in self._weights.values())
        self._views = [
            self._summed[end - p.numel() : end].view_as(p)
            for end, p in zip(ends, self._weights.values(), strict=True)
        ]
        return self._summed

    def take_losses(self) -> list[float]:
        """Return the losses since the last call, oldest first; waits for the device."""
        losses, self._losses = self._losses, []
        return torch.stack(losses).tolist() if losses else []

    def loss_and_gradient(self, rows: Rows) -> tuple[float, dict[str, Floats]]:
        """Return the loss on `rows` (batch,) and its gradient by tensor name; no update."""
        loss = self._forward_and_backward(rows)
        gradient = {n: p.grad for n, p in self._weights.items() if p.grad is not None}
        return float(loss.detach()), self._copies(gradient)

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
            # A separate network, because the engine's own is being trained.
            network = self._predictor = self._predictor or copy.deepcopy(self._network)
            self._load(network, weights)
        return _copy(network(_share(images).to(self.device, self._dtype)))

    def first_nonfinite_tensor(self) -> str | None:
        """Return the first weight array with a NaN or infinity, input side first."""
        nonfinite = (n for n, p in self._weights.items() if not bool(torch.isfinite(p).all()))
        return next(nonfinite, None)

    def weights(self) -> dict[str, Floats]:
        """Return a copy of the weights."""
        return self._copies(self._weights)

    def state(self) -> EngineState:
        """Return a copy of weights and optimizer slots."""
        slots = {
            f"{slot}.{name}": array
            for slot, tensors in self._optimizer.slots.items()
            for name, array in self._copies(dict(zip(self._weights, tensors, strict=True))).items()
        }
        return EngineState(self.weights(), slots, self._optimizer.updates)

    def load_state(self, state: EngineState) -> None:
        """Load weights and slots of either engine.

        Raises:
            ValueError: a tensor is missing, or its shape or dtype differs.
        """
        check_state(state, self.state())
        self._load(self._network, state.weights)
        for name, slot in self._slots().items():
            slot.copy_(torch.from_numpy(state.slots[name]))
        self._optimizer.updates = state.updates

    def _forward_and_backward(self, rows: Rows) -> Tensor:
        x, y = self._gather(rows)
        logits = self._network(x, self._masks(len(rows)))
        loss = self._loss(logits, y, self._output, self._mean)
        self._network.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def _shared_gradient(self, rows: Rows, exchange: Exchange) -> float:
        """Compute the gradient of a batch together with other processes; return its loss."""
        share, part = exchange.share(len(rows)), 0.0
        self._summed.zero_()
        # Where p.grad is a view, `backward` adds to it in place.
        for p, view in zip(self._weights.values(), self._views, strict=True):
            p.grad = view
        if own := len(rows[share]):
            x, y = self._gather(rows[share])
            logits = self._network(x, self._masks(len(rows), share))
            # The loss is a mean over the batch: of its B rows, b own ones have b/B of it.
            loss = self._loss(logits, y, self._output, self._mean) * (own / len(rows))
            loss.backward()  # type: ignore[no-untyped-call]
            part = float(loss.detach())
        total, self._optimizer.learning_rate = exchange.sum(part, self._optimizer.learning_rate)
        return total

    @torch.no_grad()
    def _measured_update(self) -> tuple[LayerNorms, ...]:
        matrices = [p for name, p in self._weights.items() if name.endswith(".weight")]
        gradients = [p.grad for p in matrices if p.grad is not None]
        before = [p.clone() for p in matrices]
        # ‖∂L/∂W‖ and ‖W‖, then ‖ΔW‖
        norms = [torch.linalg.vector_norm(tensor) for tensor in (*gradients, *before)]
        self._optimizer.step()
        changes = zip(matrices, before, strict=True)
        norms += [torch.linalg.vector_norm(w - old) for w, old in changes]
        # One list, because reading a value waits for the device.
        values: list[float] = torch.stack(norms).tolist()
        count = len(matrices)
        return tuple(LayerNorms(*values[k::count]) for k in range(count))

    def _gather(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return images (batch, features) and labels (batch,)."""
        index = torch.from_numpy(rows).to(self.device)
        return self._images[index].to(self._dtype), self._labels[index]

    @staticmethod
    def _load(network: MLP, weights: Tensors) -> None:
        names = network.state_dict().keys()
        network.load_state_dict({name: torch.from_numpy(weights[name]) for name in names})

    def _copies(self, tensors: Mapping[str, Tensor]) -> dict[str, Floats]:
        """Return copies by name; zeros for the biases of a network without."""
        return {
            name: _copy(tensors[name]) if name in tensors else np.zeros(shape, self._numpy_dtype)
            for name, shape in self._shapes.items()
        }

    def _slots(self) -> dict[str, Tensor]:
        return {
            f"{slot}.{name}": tensor
            for slot, tensors in self._optimizer.slots.items()
            for name, tensor in zip(self._weights, tensors, strict=True)
        }

    def _masks(self, batch: int, share: slice | None = None) -> Sequence[Tensor | None] | None:
        if not self._dropout.active:
            return None
        masks = self._dropout.draw(self._optimizer.updates, batch, share)
        return [None if m is None else torch.from_numpy(m).to(self.device) for m in masks]


def _share(array: Floats | Labels) -> Tensor:
    """Return a tensor on the array's memory; nothing here writes to it."""
    with warnings.catch_warnings():
        # PyTorch warns about read-only arrays, which it can't represent.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def _copy(tensor: Tensor) -> Floats:
    copied: Floats = tensor.detach().cpu().numpy().copy()
    return copied
