"""A user's PyTorch file as an engine. PyTorch is the one that the file has imported."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats, Labels, Tensors
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.foreign.loading import UserCodeError
from mlpwatch.core.foreign.user_module import UserModule
from mlpwatch.core.network.engine import EngineState
from mlpwatch.core.network.optimizers import OPTIMIZERS
from mlpwatch.core.network.users.base import UserEngine
from mlpwatch.core.specification import TORCH_OPTIMIZERS

STATE_OF_SLOT: Mapping[str, str] = {
    slot: torch_slot
    for rule in OPTIMIZERS.values()
    for slot, torch_slot in zip(rule.slot_names, rule.torch_slots, strict=True)
}
"""The names of our optimizer slots in the state of `torch.optim`."""


class UserTorchEngine(UserEngine):
    """An `nn.Module` with the file's own loss, optimizer and step, where it has them."""

    def __init__(
        self, name: EngineName, config: RunConfig, images: Floats, labels: Labels, weights: Tensors
    ) -> None:
        super().__init__(name, config, images, labels, weights)
        if self.file.kind != "module":
            raise UserCodeError(f"{self.file.file}: no PyTorch module; give it with --network")
        user = self.called("__init__", self.wrapped)
        self._user: UserModule = user
        self._user.precision = config.dtype
        self._torch = sys.modules["torch"]
        self._has_step = user.has("train_step")
        self.begin(EngineState(dict(weights)))

    def use_threads(self, threads: int) -> None:
        """Set PyTorch's OpenMP threads for the calling thread, the one that trains."""
        self._torch.set_num_threads(threads)

    def begin(self, state: EngineState) -> None:
        """See `UserEngine`."""
        arrays = list(state.weights.values())
        weights, biases = [w.T for w in arrays[::2]], arrays[1::2]
        self.called("__init__", self._user.start, weights, biases)
        self._optimizer = self.called("optimizer", self._user.file_optimizer)
        if self._optimizer is None:
            self._optimizer = self._usual_optimizer(list(self._user.model.parameters()))
        self._user.use_optimizer(self._optimizer)
        self._groups: list[dict[str, Any]] = getattr(self._optimizer, "param_groups", None) or []
        rates = [float(group.get("lr", 0.0)) for group in self._groups]
        self._shares = [rate / (rates[0] or 1.0) for rate in rates]
        """Learning rate of each group, as a share of the first one's."""
        if state.updates and self.file.keeps_slots:
            self._load_slots(state)

    def draws_at_random(self) -> bool:
        """See `UserEngine`; a module draws by the step, so that a resumed run draws the same."""
        few = np.arange(min(8, len(self._labels)))
        x = self._torch.from_numpy(self._gather(few)[0])
        self._user.train_mode()
        with self._torch.no_grad():
            one, other = (self._forward(x, len(few)) for _ in range(2))
        return bool((one != other).any())

    def take_step(self, images: Floats, labels: Labels) -> NDArray[Any]:
        """See `UserEngine`."""
        for group, share in zip(self._groups, self._shares, strict=True):
            group["lr"] = self.learning_rate * share
        if not self._groups and hasattr(self._optimizer, "lr"):
            self._optimizer.lr = self.learning_rate
        # The file's dropout draws by the step, so that a resumed run draws the same.
        self._torch.default_generator.manual_seed((self.config.seed << 32) + self.updates)
        x, y = self._torch.from_numpy(images), self._torch.from_numpy(labels)
        if self._has_step:
            outputs = self.outputs_of(images)
            self.called("train_step", self._user.train, x, y, self.learning_rate)
            return outputs
        self._user.train_mode()
        # An optimizer of the file's own may leave this to the module.
        self.called("zero_grad", getattr(self._optimizer, "zero_grad", self._user.model.zero_grad))
        outputs = self._forward(x, len(labels))
        self._backward(outputs, y)
        self.called("optimizer.step", self._optimizer.step)
        return np.asarray(outputs.detach().numpy())

    def gradient_left(self, before: Tensors, after: Tensors) -> Tensors:  # noqa: ARG002
        """See `UserEngine`; what the parameters' `grad` holds after the step."""
        by_weights, by_biases = self._user.gradients()
        if any(gradient is None for gradient in by_weights):
            return {}
        return self._named(by_weights, by_biases)

    def outputs_of(self, images: Floats) -> NDArray[Any]:
        """See `UserEngine`."""
        self._user.evaluate_mode()
        with self._torch.no_grad():
            outputs = self._forward(self._torch.from_numpy(images), len(images))
        return np.asarray(outputs.numpy())

    def gradient_of(self, images: Floats, labels: Labels) -> tuple[NDArray[Any], dict[str, Floats]]:
        """See `UserEngine`; by autograd, of the file's own loss."""
        self._user.evaluate_mode()
        for layer, _registered in self._user.linear_layers():
            layer.zero_grad()
        outputs = self._forward(self._torch.from_numpy(images), len(images))
        self._backward(outputs, self._torch.from_numpy(labels))
        by_weights, by_biases = self._user.gradients()
        return np.asarray(outputs.detach().numpy()), self._named(by_weights, by_biases)

    def weights(self) -> dict[str, Floats]:
        """See `UserEngine`."""
        return self._named(*self._user.parameters())

    def slots(self) -> dict[str, Floats]:
        """See `UserEngine`."""
        if not self.file.keeps_slots:
            return {}
        found: dict[str, Floats] = {}
        for slot in OPTIMIZERS[self.config.optimizer].slot_names:
            key = STATE_OF_SLOT[slot]
            for name, parameter in self._parameters().items():
                kept = self._optimizer.state.get(parameter, {}).get(key)
                found[f"{slot}.{name}"] = (
                    np.zeros(self.shapes[name], self.dtype)
                    if kept is None
                    else np.array(kept.detach().numpy(), self.dtype)
                )
        return {
            f"{slot}.{name}": found.get(f"{slot}.{name}", np.zeros(shape, self.dtype))
            for slot in OPTIMIZERS[self.config.optimizer].slot_names
            for name, shape in self.shapes.items()
        }

    def _usual_optimizer(self, parameters: list[Any]) -> Any:  # noqa: ANN401
        """Return the run's optimizer for a file that makes none."""
        config, rule = self.config, OPTIMIZERS[self.config.optimizer]
        settings = {"momentum": config.momentum} if rule.has_momentum() else {}
        kind = getattr(self._torch.optim, TORCH_OPTIMIZERS[config.optimizer])
        return kind(
            parameters, lr=self.learning_rate, weight_decay=config.weight_decay,
            **settings, **rule.torch_settings,
        )  # fmt: skip

    def _load_slots(self, state: EngineState) -> None:
        parameters = self._parameters()
        registered = {id(p) for group in self._optimizer.param_groups for p in group["params"]}
        for slot in OPTIMIZERS[self.config.optimizer].slot_names:
            for name, parameter in parameters.items():
                array = state.slots.get(f"{slot}.{name}")
                if array is None or id(parameter) not in registered:
                    continue
                own = self._optimizer.state[parameter]
                own[STATE_OF_SLOT[slot]] = self._torch.from_numpy(array.copy())
                if slot != "momentum":
                    own["step"] = self._torch.tensor(float(state.updates))

    def _forward(self, x: Any, batch: int) -> Any:  # noqa: ANN401 - tensors
        outputs = self.called("forward", self._user.forward, x)
        shape = tuple(getattr(outputs, "shape", ()))
        if not isinstance(outputs, self._torch.Tensor) or shape != (batch, self.classes):
            found = f"shape {shape}" if shape else f"a {type(outputs).__name__}"
            raise UserCodeError(
                f"{self.file.file}: forward returned {found}; expected a tensor of "
                f"{(batch, self.classes)}"
            )
        return outputs

    def _backward(self, outputs: Any, y: Any) -> None:  # noqa: ANN401
        loss = self.called("loss", self._user.loss_value, outputs, y)
        if not isinstance(loss, self._torch.Tensor) or loss.numel() != 1:
            raise UserCodeError(
                f"{self.file.file}: loss returned {type(loss).__name__}; expected a tensor of one "
                "number"
            )
        self.called("loss.backward", loss.backward)

    def _parameters(self) -> dict[str, Any]:
        """Return the linear layers' parameters by tensor name."""
        found: dict[str, Any] = {}
        for k, (layer, _registered) in enumerate(self._user.linear_layers()):
            found[f"layers.{k}.weight"] = layer.weight
            if getattr(layer, "bias", None) is not None:
                found[f"layers.{k}.bias"] = layer.bias
        return found

    def _named(self, by_weights: list[Any], by_biases: list[Any]) -> dict[str, Floats]:
        """Return arrays of the layers by tensor name; zeros where there is none."""
        given = {f"layers.{k}.weight": w for k, w in enumerate(by_weights)}
        given |= {f"layers.{k}.bias": b for k, b in enumerate(by_biases)}
        return {
            name: np.zeros(shape, self.dtype)
            if given.get(name) is None
            else np.array(self.checked(name, given[name], shape), self.dtype, order="C")
            for name, shape in self.shapes.items()
        }
