"""The same network in PyTorch: modules, autograd, PyTorch's own optimizers.

The only module that imports torch.
"""

import copy
import inspect
import warnings
from collections.abc import Callable, Sequence

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
_SLOT_KEYS = {
    "sgd": {},
    "momentum": {"momentum": "momentum_buffer"},
    "adam": {"adam_mean": "exp_avg", "adam_square": "exp_avg_sq"},
}

_MakeOptimizer = Callable[..., torch.optim.Optimizer]


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
        self._optimizer = _optimizer(config, self._network)
        self._slot_keys = _SLOT_KEYS[config.optimizer]
        self._updates = 0
        fan_ins = [w.shape[1] for name, w in weights.items() if name.endswith(".weight")]
        self._dropout = DropoutMasks(config, fan_ins)
        self._losses: list[Tensor] = []

    def use_threads(self, threads: int) -> None:
        """Set PyTorch's OpenMP threads for the calling thread, the one that trains."""
        torch.set_num_threads(threads)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the next updates."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate

    def train_batch(self, rows: Rows) -> None:
        """Forward, backward and update on the training images of `rows` (batch,)."""
        loss = self._backward(rows)
        self._optimizer.step()
        self._updates += 1
        # Kept as a tensor: reading its value would wait for the device at each step.
        self._losses.append(loss.detach())

    def take_losses(self) -> list[float]:
        """Return the losses since the last call, oldest first; waits for the device."""
        losses, self._losses = self._losses, []
        return torch.stack(losses).tolist() if losses else []

    def loss_and_gradient(self, rows: Rows) -> tuple[float, dict[str, Floats]]:
        """Return the loss on `rows` (batch,) and its gradient by tensor name; no update."""
        loss = float(self._backward(rows).detach())
        named = self._network.named_parameters()
        return loss, {name: _copy(p.grad) for name, p in named if p.grad is not None}

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
        for name, parameter in self._network.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                return name
        return None

    def weights(self) -> dict[str, Floats]:
        """Return a copy of the weights."""
        return {name: _copy(parameter) for name, parameter in self._network.named_parameters()}

    def state(self) -> EngineState:
        """Return a copy of weights and optimizer slots."""
        parameters = dict(self._network.named_parameters())
        slots = {
            f"{slot}.{name}": _copy(self._slot(parameter, key))
            for slot, key in self._slot_keys.items()
            for name, parameter in parameters.items()
        }
        return EngineState(self.weights(), slots, self._updates)

    def load_state(self, state: EngineState) -> None:
        """Take over weights and slots, from either engine.

        Raises:
            ValueError: a tensor is missing, or its shape or dtype differs.
        """
        own = self.state()
        check_tensors(state.weights, own.weights)
        check_tensors(state.slots, own.slots)
        parameters = dict(self._network.named_parameters())
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(torch.from_numpy(state.weights[name]))
        for name, parameter in parameters.items():
            self._load_slots(name, parameter, state)
        self._updates = state.updates

    def _backward(self, rows: Rows) -> Tensor:
        index = torch.from_numpy(rows).to(self.device)
        x = self._images.index_select(0, index).to(self._dtype)
        y = self._labels.index_select(0, index)
        self._optimizer.zero_grad(set_to_none=True)
        loss: Tensor = self._loss(self._network(x, self._masks(len(rows))), y)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def _masks(self, batch: int) -> list[Tensor | None] | None:
        if not self._dropout.active:
            return None
        masks = self._dropout.draw(self._updates, batch)
        return [None if m is None else torch.from_numpy(m).to(self.device) for m in masks]

    def _slot(self, parameter: nn.Parameter, key: str) -> Tensor:
        # PyTorch makes its slots at the first update; before it they are zero.
        slot = self._optimizer.state[parameter].get(key)
        return torch.zeros_like(parameter) if slot is None else slot

    def _load_slots(self, name: str, parameter: nn.Parameter, state: EngineState) -> None:
        if not self._slot_keys or state.updates == 0:
            self._optimizer.state[parameter] = {}
            return
        slots = {
            key: torch.tensor(state.slots[f"{slot}.{name}"], device=self.device)
            for slot, key in self._slot_keys.items()
        }
        if "exp_avg" in slots:
            # torch.optim.Adam counts its updates in a float32 tensor on the CPU.
            slots["step"] = torch.tensor(float(state.updates))
        self._optimizer.state[parameter] = slots


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


def _optimizer(config: RunConfig, network: nn.Module) -> torch.optim.Optimizer:
    parameters = network.parameters()
    if config.optimizer == "adam":
        return _without_compiler(torch.optim.Adam)(
            parameters,
            lr=config.learning_rate,
            betas=(ADAM_MEAN_DECAY, ADAM_SQUARE_DECAY),
            eps=ADAM_EPSILON,
        )
    # One kernel for all parameters: 15 % of a step at 784-128-10, batch 64, and the same bits.
    # (Adam's fused kernel is slower on the CPU.)
    return _without_compiler(torch.optim.SGD)(
        parameters,
        lr=config.learning_rate,
        momentum=MOMENTUM if config.optimizer == "momentum" else 0.0,
        fused=next(network.parameters()).device.type in ("cpu", "cuda"),
    )


def _without_compiler(optimizer: type[torch.optim.Optimizer]) -> _MakeOptimizer:
    """Return PyTorch's optimizer without the decorators that speak to `torch.compile`.

    Nothing here is compiled, and the first call of any of them imports `torch._dynamo`: 70 MB,
    and 1.2 s in which the screen and NumPy wait for the interpreter. What they wrap is the same
    code, so the weights are the same bits.
    """
    plain = {
        name: inspect.unwrap(getattr(torch.optim.Optimizer, name))
        for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    }
    # One of step's decorators also turned gradients off.
    plain["step"] = torch.no_grad()(inspect.unwrap(optimizer.step))
    return type(optimizer.__name__, (optimizer,), plain)


def _share(array: Floats | Labels) -> Tensor:
    """Return a tensor on the array's own memory; nothing here writes to it."""
    with warnings.catch_warnings():
        # The data set's arrays are read-only, which PyTorch can't express and warns about.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def _copy(tensor: Tensor) -> Floats:
    array: Floats = tensor.detach().cpu().contiguous().clone().numpy()
    return array
