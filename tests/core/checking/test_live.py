"""One step of both engines: what rounding can change in it, and what it cannot."""

from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpwatch.core.arrays import Floats
from mlpwatch.core.checking.live.difference import find_difference
from mlpwatch.core.checking.live.rounding import StepInput, bounded_step
from mlpwatch.core.checking.live.step_comparison import TakenStep, compare_step, knows_memory
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import batch_order
from mlpwatch.core.events import DifferenceFound, StepCompared
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.engine import Engine, EngineState
from mlpwatch.core.network.layers import Activation
from tests.support.network_files import NetworkFile
from tests.support.samples.scenes import digits
from tests.support.samples.user_networks import written

TWIN = RunConfig(data="digits", hidden=(16,), batch_size=50)
SEED = RunConfig(
    data="digits", hidden=(16,), batch_size=10, activation="sigmoid", loss="mse",
    torch_loss_mean="element", learning_rate=0.1, initialization="normal",
)  # fmt: skip

KINDS = {
    "relu": TWIN,
    "float64": replace(TWIN, dtype="float64"),
    "adam": replace(TWIN, optimizer="adam", learning_rate=0.002),
    "momentum, tanh, deep": replace(TWIN, hidden=(24, 16), activation="tanh", optimizer="momentum",
                                    learning_rate=0.03),
    "dropout": replace(TWIN, dropout=0.3, input_dropout=0.2),
    "seed-fixed": replace(SEED, torch_loss_mean="batch"),
    "no hidden layer": replace(TWIN, hidden=()),
    "gelu, adamw": replace(TWIN, activation="gelu", optimizer="adamw", weight_decay=0.1,
                           learning_rate=0.002),
    "leaky relu, nesterov": replace(TWIN, activation="leaky-relu", optimizer="nesterov",
                                    momentum=0.8, weight_decay=0.01, learning_rate=0.03),
    "rmsprop": replace(TWIN, optimizer="rmsprop", learning_rate=0.002),
    "half-mse of linear outputs": replace(SEED, torch_loss_mean="batch", loss="half-mse",
                                          output_activation="linear"),
    "bce": replace(TWIN, loss="bce", learning_rate=0.1),
    "bce of a softmax": replace(TWIN, loss="bce", output_activation="softmax", learning_rate=0.1),
    "no biases": replace(TWIN, bias=False, optimizer="momentum", learning_rate=0.03),
    "mse of a softmax": replace(TWIN, loss="mse", output_activation="softmax"),
    "cross-entropy of a sigmoid, slope": replace(
        TWIN, output_activation="sigmoid", activation="leaky-relu", negative_slope=0.2,
    ),
}  # fmt: skip


def engine(name: EngineName, config: RunConfig) -> Engine:
    data = digits()
    return build_engine(name, config, data.train_images, data.train_labels, data.classes)


def steps_of(config: RunConfig, count: int) -> list[TakenStep]:
    """Train NumPy's network, and return its steps."""
    trained, size, found = engine("numpy", config), config.batch_size, []
    order = batch_order(config.seed, 0, digits().train_count)
    for n in range(count):
        rows, before = order[n % 20 * size :][:size], trained.state()
        trained.train_batch(rows)
        found.append(
            TakenStep("numpy", n + 1, 0.0, rows, config.learning_rate, before, trained.weights())
        )
    return found


def compared(config: RunConfig, taken: TakenStep) -> StepCompared:
    found = compare_step(config, digits(), engine("torch", config), taken)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_twins_of_every_kind_take_the_same_step(kind: str) -> None:
    config = KINDS[kind]
    other = engine("torch", config)
    shares = []
    for taken in steps_of(config, 40):
        found = compare_step(config, digits(), other, taken)
        assert found is not None
        assert not found.is_outside, found
        assert found.difference < (1e-5 if config.dtype == "float32" else 1e-13)
        shares.append(found.share)
    assert max(shares) > 0, "they are not the same to the bit: something was compared"


def test_a_difference_far_below_any_accuracy_is_outside() -> None:
    taken = steps_of(TWIN, 1)[0]
    after = dict(taken.after)
    changed = after["layers.1.weight"].copy()
    changed[3, 7] *= np.float32(1.001)
    found = compared(TWIN, replace(taken, after=after | {"layers.1.weight": changed}))
    assert found.is_outside
    assert found.difference == pytest.approx(abs(changed[3, 7]) * 1e-3, rel=0.05)
    after["layers.1.bias"] = np.full(10, np.nan, np.float32)
    lost = compared(TWIN, replace(taken, after=after))
    assert isnan(lost.share)
    assert lost.is_outside


def test_weights_that_are_not_finite_are_not_compared() -> None:
    taken = steps_of(TWIN, 1)[0]
    weights = {name: np.full_like(w, np.inf) for name, w in taken.before.weights.items()}
    before = EngineState(weights, taken.before.slots, 0)
    assert (
        compare_step(TWIN, digits(), engine("torch", TWIN), replace(taken, before=before)) is None
    )


def test_a_sum_at_relus_kink_may_round_to_either_side() -> None:
    """Unit 0 gets z = 0.1 + 0.2 - 0.3: 0 in exact arithmetic, and one rounding in any other."""
    config = RunConfig(hidden=(2,), batch_size=1)
    images, labels = np.array([[1.0, 1.0, 1.0]], np.float32), np.array([0])
    weights: dict[str, Floats] = {
        "layers.0.weight": np.array([[0.1, 0.2, -0.3], [0.1, 0.2, 0.3]], np.float32),
        "layers.0.bias": np.zeros(2, np.float32),
        "layers.1.weight": np.array([[1.0, 0.5], [-1.0, 0.5]], np.float32),
        "layers.1.bias": np.zeros(2, np.float32),
    }
    step = StepInput(EngineState(weights), images, labels, 0.3, 2)
    errors = bounded_step(config, step).gradients["layers.0.weight"].error
    assert errors[0].min() > 0.1, "all of the unit's gradient, or none"
    assert errors[1].max() < 1e-5
    smooth = bounded_step(replace(config, activation="tanh"), step)
    assert smooth.gradients["layers.0.weight"].error.max() < 1e-5


def found_in(config: RunConfig) -> DifferenceFound:
    taken = steps_of(config, 1)[0]
    assert compared(config, taken).is_outside
    return find_difference(config, digits(), taken)


def test_the_mean_over_the_classes_is_named_with_its_factor() -> None:
    found = found_in(SEED)
    assert (found.engine, found.differs, found.step) == ("numpy", "torch", 1)
    assert (found.tensor, found.code) == ("loss", "loss-mean-over-classes")
    assert found.factor == pytest.approx(0.1)
    assert "PyTorch's is NumPy's divided by 10, the number of classes" in found.text
    names = [pair.name for pair in found.tensors]
    assert names[:5] == [
        "outputs", "loss", "weight gradient 1", "bias gradient 1", "weight gradient 0",
    ]  # fmt: skip
    passed = {pair.name: pair.passed for pair in found.tensors}
    assert passed["outputs"]
    assert not passed["loss"]
    loss, gradient = found.tensors[1], found.tensors[2]
    assert loss.numpy == pytest.approx(10 * loss.torch, rel=1e-5)
    assert gradient.numpy == pytest.approx(10 * gradient.torch, rel=1e-4)
    assert gradient.rounding < abs(gradient.numpy) / 100


def test_without_biases_it_is_named_too_and_no_bias_is_blamed() -> None:
    found = found_in(replace(SEED, bias=False))
    assert (found.tensor, found.code) == ("loss", "loss-mean-over-classes")
    assert all(pair.passed for pair in found.tensors if "bias" in pair.name)


def test_a_mistake_in_numpys_backward_pass_is_named_at_its_tensor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Activation, "backward", lambda _self, gradient: gradient)
    found = found_in(replace(TWIN, activation="tanh"))
    assert (found.differs, found.tensor) == ("numpy", "weight gradient 0")
    assert found.code == "activation-derivative-missing"
    assert "NumPy's has no f'(z)" in found.text


def test_an_optimizer_that_moves_half_as_far_shows_in_the_updates_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlpwatch.core.network.numpy_mlp import NumpyMLP

    right = NumpyMLP.set_learning_rate
    monkeypatch.setattr(NumpyMLP, "set_learning_rate", lambda self, rate: right(self, rate / 2))
    taken = steps_of(TWIN, 1)[0]
    half = {n: (w + taken.before.weights[n]) / 2 for n, w in taken.after.items()}
    taken = replace(taken, after=half)
    assert compared(TWIN, taken).is_outside
    found = find_difference(TWIN, digits(), taken)
    assert (found.differs, found.tensor) == ("numpy", "update of weight 1")
    assert all(pair.passed for pair in found.tensors if not pair.name.startswith("update"))


def with_file(kind: NetworkFile, folder: Path) -> RunConfig:
    said: dict[str, Any] = {
        "hidden": kind.hidden, "activation": kind.activation, "loss": kind.loss,
        "output_activation": kind.output_activation or None,
    }  # fmt: skip
    return replace(TWIN, **said, network=written(kind.source(), folder))


@pytest.mark.parametrize(
    "kind",
    [
        NetworkFile((16,), "relu"),
        NetworkFile((16, 12), "gelu", layout="columns", style="train"),
        NetworkFile((16,), "sigmoid", "mse", style="update"),
        NetworkFile((16,), "relu", "bce", style="functions"),
    ],
    ids=lambda kind: kind.style,
)
def test_a_right_network_of_the_users_takes_the_same_step(
    kind: NetworkFile, tmp_path: Path
) -> None:
    config = with_file(kind, tmp_path)
    for taken in steps_of(config, 8):
        found = compared(config, taken)
        assert not found.is_outside, found


WRONG = {
    "loss-mean-over-classes": (
        NetworkFile((16,), "sigmoid", "mse").wrong(("delta = 2 *", "delta = 2 / 10 *")),
        "weight gradient 1",
        0.1,
    ),
    "activation-derivative-missing": (
        NetworkFile((16,), "tanh").wrong((" * f_derivative(Z[k - 1], A[k])", "")),
        "weight gradient 0",
        None,
    ),
    "gradient-sign": (
        NetworkFile((16,), "relu").wrong(("delta = (p - y)", "delta = (y - p)")),
        "weight gradient 1",
        -1.0,
    ),
}


@pytest.mark.parametrize("code", WRONG)
def test_a_wrong_network_of_the_users_is_named_at_its_first_step(code: str, tmp_path: Path) -> None:
    kind, tensor, factor = WRONG[code]
    config = with_file(kind, tmp_path)
    taken = steps_of(config, 1)[0]
    assert compared(config, taken).is_outside
    found = find_difference(config, digits(), taken)
    assert (found.differs, found.code, found.tensor) == ("numpy", code, tensor)
    assert factor is None or found.factor == pytest.approx(factor)
    assert "yours" in found.text


def test_memory_that_a_network_keeps_to_itself_is_known_before_the_first_update_only(
    tmp_path: Path,
) -> None:
    config = replace(with_file(NetworkFile((16,), style="update"), tmp_path), optimizer="momentum")
    first, second = steps_of(config, 2)
    assert knows_memory(config, first)
    assert not knows_memory(config, second)
    assert knows_memory(replace(config, optimizer="sgd"), second)
    assert knows_memory(TWIN, second)


def test_gradients_that_add_up_are_named_though_the_first_step_is_right(tmp_path: Path) -> None:
    kind = NetworkFile((16,), "relu").wrong(
        (
            "        self.biases = biases\n",
            "        self.biases = biases\n        self.old = None\n",
        ),
        (
            "        self.dW, self.db = dW, db\n",
            "        if self.old:\n"
            "            dW = [g + h for g, h in zip(dW, self.old)]\n"
            "        self.old = dW\n",
        ),
    )
    config = with_file(kind, tmp_path)
    first, second = steps_of(config, 2)
    assert not compared(config, first).is_outside
    assert compared(config, second).is_outside
    found = find_difference(config, digits(), second)
    assert (found.differs, found.code) == ("numpy", "gradient-accumulates")
    # Without the file two updates of the engine that runs here show it.
    (tmp_path / "net.py").unlink()
    assert find_difference(config, digits(), second).code == "zero-grad-missing"
