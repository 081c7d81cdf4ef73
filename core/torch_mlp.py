"""The same network in PyTorch: modules, autograd, PyTorch's own optimizers.

The only module that imports torch.
"""

import copy
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.config import Device, EngineName, LossMean, RunConfig
from core.dropout import DropoutMasks
from core.engine import EngineState, Floats, Labels, Rows, Tensors, check_tensors
from core.errors import ConfigError
from core.optimizers import ADAM_EPSILON, ADAM_MEAN_DECAY, ADAM_SQUARE_DECAY, MOMENTUM

_ACTIVATIONS = {"relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}
_DTYPES = {"float32": torch.float32, "float64": torch.float64}
_SLOTS = {"sgd": [], "momentum": ["momentum"], "adam": ["adam_mean", "adam_square"]}


class MLP(nn.Module):
    """Linear layers with one activation between them; the last one's output is the logits.

    Args:
        weights: initial `layers.K.weight` (fan_out, fan_in) and `layers.K.bias` (fan_out,).
        activation: name of the hidden layers' activation.
    """

    def __init__(self, weights: Tensors, activation: str) -> None:
        super().__init__()
        shapes = [array.shape for name, array in weights.items() if name.endswith(".weight")]
        self.layers = nn.ModuleList(nn.Linear(fan_in, fan_out) for fan_out, fan_in in shapes)
        self.activation = _ACTIVATIONS[activation]

    def forward(self, x: Tensor, masks: Sequence[Tensor | None] | None = None) -> Tensor:
        """Return logits (batch, classes) of images x (batch, features).

        Args:
            x: images.
            masks: dropout, one per layer's input (batch, fan_in); None for none. `nn.Dropout`
                draws its own, and the two networks would no longer be the same.
        """
        last = len(self.layers) - 1
        for k, layer in enumerate(self.layers):
            mask = masks[k] if masks else None
            x = layer(x if mask is None else x * mask)
            if k < last:
                x = self.activation(x)
        return x


class SquaredError(nn.Module):
    """Squared error of a sigmoid output on one-hot targets; `nn.MSELoss()` on request.

    Args:
        mean: `batch` sums over the classes; `element` is `nn.MSELoss()`, which averages.
    """

    def __init__(self, mean: LossMean) -> None:
        super().__init__()
        self.mean = mean
        self.squared_error = nn.MSELoss(reduction="mean" if mean == "element" else "sum")

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the scalar loss of logits (batch, classes) for labels (batch,)."""
        targets = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
        loss: Tensor = self.squared_error(torch.sigmoid(logits), targets)
        return loss if self.mean == "element" else loss / len(logits)


class FusedOptimizer:
    """The kernels of `torch.optim.SGD` and `torch.optim.Adam` with `fused=True`, called directly.

    The same kernels, so the same bits. What the two classes do around them (grouping tensors by
    device and dtype, hooks, a profiler's mark) takes 100 of 680 µs a step at 784-128-10, batch
    64, and holds the interpreter's lock, for which the other engine waits. Making either class
    also imports `torch._dynamo`: 70 MB, and 1.2 s in which the screen waits for that lock.

    Args:
        config: optimizer and learning rate are used.
        parameters: to be updated in place, all on one device and of one dtype.
    """

    def __init__(self, config: RunConfig, parameters: list[Tensor]) -> None:
        self.learning_rate = config.learning_rate
        self.updates = 0
        self.slots = {
            slot: [torch.zeros_like(p, requires_grad=False) for p in parameters]
            for slot in _SLOTS[config.optimizer]
        }
        self._parameters = parameters
        self._is_adam = config.optimizer == "adam"
        # Adam's kernel reads the number of updates from a tensor beside each parameter.
        self._count = torch.zeros((), device=parameters[0].device)
        self._counts = [self._count] * len(parameters)

    @torch.no_grad()
    def update(self, gradients: tuple[Tensor, ...]) -> None:
        """Change the parameters by one step along their negative gradients."""
        self.updates += 1
        if self._is_adam:
            self._adam(gradients)
        else:
            self._sgd(gradients)

    def _sgd(self, gradients: tuple[Tensor, ...]) -> None:
        velocities = self.slots.get("momentum", [])
        torch._fused_sgd_(
            self._parameters, gradients, velocities,
            lr=self.learning_rate, momentum=MOMENTUM if velocities else 0.0, dampening=0.0,
            nesterov=False, weight_decay=0.0, maximize=False, is_first_step=False,
        )  # fmt: skip

    def _adam(self, gradients: tuple[Tensor, ...]) -> None:
        self._count.fill_(self.updates)
        torch._fused_adam_(
            self._parameters, gradients, self.slots["adam_mean"], self.slots["adam_square"],
            [], self._counts, lr=self.learning_rate, beta1=ADAM_MEAN_DECAY,
            beta2=ADAM_SQUARE_DECAY, eps=ADAM_EPSILON, weight_decay=0.0, amsgrad=False,
            maximize=False,
        )  # fmt: skip


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
        self.device = find_device(config)
        self._dtype = _DTYPES[config.dtype]
        self._images = _share(images).to(self.device)
        self._labels = _share(labels).to(self.device)
        network = MLP(weights, config.activation).to(self._dtype)
        network.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})
        self._network = network.to(self.device)
        self._reader: MLP | None = None
        self._loss: nn.Module = nn.CrossEntropyLoss()
        if config.loss == "mse":
            self._loss = SquaredError(config.loss_mean("torch"))
        self._names = [name for name, _ in network.named_parameters()]
        self._parameters: list[Tensor] = [*self._network.parameters()]
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
        self._losses.append(loss.detach())

    def take_losses(self) -> list[float]:
        """Return the losses since the last call, oldest first; waits for the device."""
        losses, self._losses = self._losses, []
        return torch.stack(losses).tolist() if losses else []

    def loss_and_gradient(self, rows: Rows) -> tuple[float, dict[str, Floats]]:
        """Return the loss on `rows` (batch,) and its gradient by tensor name; no update."""
        loss, gradients = self._backward(rows)
        return float(loss.detach()), self._named(gradients)

    @torch.no_grad()
    def forward_pass(self, rows: Rows) -> list[Floats]:
        """Return A_0 … A_L-1 and the logits (batch, width) of the next step; copies."""
        x = self._images.index_select(0, torch.from_numpy(rows).to(self.device)).to(self._dtype)
        net, sums = self._network, list[Tensor]()
        hooks = [k.register_forward_hook(lambda *call: sums.append(call[2])) for k in net.layers]
        net(x, self._masks(len(rows)))
        for hook in hooks:
            hook.remove()
        return [_copy(tensor) for tensor in (x, *map(net.activation, sums[:-1]), sums[-1])]

    @torch.no_grad()
    def logits(self, images: Floats, weights: Tensors | None = None) -> Floats:
        """See `Engine.logits`."""
        network = self._network
        if weights is not None:
            # A network of its own: the other one is being trained meanwhile.
            network = self._reader = self._reader or copy.deepcopy(self._network)
            network.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})
        return _copy(network(_share(images).to(self.device, self._dtype)))

    def first_unsound_tensor(self) -> str | None:
        """Return the first weight array with a NaN or infinity, input side first."""
        for name, parameter in zip(self._names, self._parameters, strict=True):
            if not bool(torch.isfinite(parameter).all()):
                return name
        return None

    def weights(self) -> dict[str, Floats]:
        """Return a copy of the weights."""
        return self._named(self._parameters)

    def state(self) -> EngineState:
        """Return a copy of weights and optimizer slots."""
        slots = {
            f"{slot}.{name}": array
            for slot, tensors in self._optimizer.slots.items()
            for name, array in self._named(tensors).items()
        }
        return EngineState(self.weights(), slots, self._optimizer.updates)

    @torch.no_grad()
    def load_state(self, state: EngineState) -> None:
        """Take over weights and slots, from either engine.

        Raises:
            ValueError: a tensor is missing, or its shape or dtype differs.
        """
        own = self.state()
        check_tensors(state.weights, own.weights)
        check_tensors(state.slots, own.slots)
        for name, parameter in zip(self._names, self._parameters, strict=True):
            parameter.copy_(torch.from_numpy(state.weights[name]))
        for slot, tensors in self._optimizer.slots.items():
            for name, tensor in zip(self._names, tensors, strict=True):
                tensor.copy_(torch.from_numpy(state.slots[f"{slot}.{name}"]))
        self._optimizer.updates = state.updates

    def _backward(self, rows: Rows) -> tuple[Tensor, tuple[Tensor, ...]]:
        index = torch.from_numpy(rows).to(self.device)
        x = self._images.index_select(0, index).to(self._dtype)
        y = self._labels.index_select(0, index)
        loss: Tensor = self._loss(self._network(x, self._masks(len(rows))), y)
        return loss, torch.autograd.grad(loss, self._parameters)

    def _named(self, tensors: Sequence[Tensor]) -> dict[str, Floats]:
        return {name: _copy(tensor) for name, tensor in zip(self._names, tensors, strict=True)}

    def _masks(self, batch: int) -> list[Tensor | None] | None:
        if not self._dropout.active:
            return None
        masks = self._dropout.draw(self._optimizer.updates, batch)
        return [None if m is None else torch.from_numpy(m).to(self.device) for m in masks]


def find_device(config: RunConfig) -> torch.device:
    """Return the device that the config asks for.

    Raises:
        ConfigError: it is absent here, or can't compute in the config's dtype.
    """
    wanted: Device = config.device
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if wanted == "auto":
        mps_fits = has_mps and config.dtype == "float32"
        return torch.device("cuda" if has_cuda else "mps" if mps_fits else "cpu")
    if (wanted == "cuda" and not has_cuda) or (wanted == "mps" and not has_mps):
        raise ConfigError(f"device {wanted!r}: PyTorch finds none here; use --device cpu or auto")
    if wanted == "mps" and config.dtype == "float64":
        raise ConfigError("device 'mps' has no float64: use --dtype float32 or --device cpu")
    return torch.device(wanted)


def _share(array: Floats | Labels) -> Tensor:
    """Return a tensor on the array's own memory; nothing here writes to it."""
    with warnings.catch_warnings():
        # The data set's arrays are read-only, which PyTorch can't express and warns about.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def _copy(tensor: Tensor) -> Floats:
    array: Floats = tensor.detach().cpu().contiguous().clone().numpy()
    return array
