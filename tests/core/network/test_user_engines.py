"""A right network of the user's trains as ours does; a failing one is named by its line."""

from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any, get_args

import numpy as np
import pytest

from mlpwatch.core.config import EngineName, OptimizerName, RunConfig
from mlpwatch.core.foreign.loading import UserCodeError
from tests.support.network_files import NetworkFile
from tests.support.samples.engines import (
    SAMPLES,
    assert_close,
    assert_same_bits,
    batches,
    build,
    small_config,
    small_images,
    train_steps,
)
from tests.support.samples.user_networks import TORCH_FILE, config_for, torch_config, written

ORDER = np.random.default_rng(3).permutation(SAMPLES)
STEPS = batches(ORDER, 4) * 5
"""Four and three images at a time, 15 steps."""

KINDS = [
    NetworkFile((4,), "relu"),
    NetworkFile((4,), "sigmoid", "mse", layout="columns"),
    NetworkFile((4, 3), "tanh", output="logits", style="functions"),
    NetworkFile((4,), "relu", layout="columns", output="logits", targets="labels"),
    NetworkFile((), "sigmoid", bias_shape="row"),
    NetworkFile((4,), "tanh", style="update", layout="columns", bias_shape="flat"),
    NetworkFile((4,), "tanh", style="train"),
    NetworkFile((4,), "tanh", "half-mse", layout="columns"),
    NetworkFile((4,), "sigmoid", "bce"),
    NetworkFile((4,), "sigmoid", "bce", output="logits"),
    NetworkFile((4,), "tanh", "mse", output_activation="linear"),
    NetworkFile((4,), "tanh", "mse", output_activation="softmax"),
]


DROPPING = (
    TORCH_FILE.format(features=5)
    .replace("torch.tanh(self.first(x))", "self.drop(torch.tanh(self.first(x)))")
    .replace("        self.first =", "        self.drop = nn.Dropout(0.5)\n        self.first =")
    + """

def optimizer(parameters):
    return torch.optim.Adam(parameters, lr=0.05)
"""
)


def ours(config: RunConfig) -> RunConfig:
    """Return the settings without the user's networks."""
    return replace(config, network=None, network_torch=None)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.style}-{kind.layout}")
def test_a_right_network_trains_as_ours(kind: NetworkFile, tmp_path: Path) -> None:
    config, images = config_for(kind, tmp_path), small_images()
    user, own = build("numpy", config, images), build("numpy", ours(config), images)
    losses = [train_steps(engine, STEPS) for engine in (user, own)]
    np.testing.assert_allclose(losses[0], losses[1], 1e-12)
    assert_close(user.weights(), own.weights(), 1e-12)
    np.testing.assert_allclose(
        user.logits(images.pixels).argmax(1), own.logits(images.pixels).argmax(1)
    )
    (loss, gradient), (own_loss, own_gradient) = (
        engine.loss_and_gradient(ORDER[:5]) for engine in (user, own)
    )
    assert loss == pytest.approx(own_loss, rel=1e-12)
    assert_close(gradient, own_gradient, 1e-10)
    for found, expected in zip(
        user.forward_pass(ORDER[:5]), own.forward_pass(ORDER[:5]), strict=True
    ):
        np.testing.assert_allclose(found, expected, 1e-12, 1e-12)
    # Neither question has changed what is trained.
    assert_close(user.weights(), own.weights(), 1e-12)


WITHOUT_BIAS = """
import numpy as np


class Network:
    hidden, activation, bias, layout = (4,), "tanh", False, "columns"

    def __init__(self, weights, biases):
        self.W1, self.W2 = weights

    def forward(self, x):
        self.x, self.a = x, np.tanh(self.W1 @ x)
        e = np.exp(self.W2 @ self.a)
        self.p = e / e.sum(axis=0)
        return self.p

    def backward(self, y):
        d = (self.p - y) / y.shape[1]
        before = self.W2.T @ d * (1 - self.a**2)
        return [before @ self.x.T, d @ self.a.T]
"""


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_a_network_without_biases_trains_as_ours(name: EngineName, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"optimizer": "adam", "bias": False, "activation": "tanh"}
    if name == "torch":
        source = TORCH_FILE.format(features=5)
        for widths in ("5, 4", "4, 3"):
            source = source.replace(f"Linear({widths})", f"Linear({widths}, bias=False)")
        config = torch_config(tmp_path, source, **settings)
    else:
        config = replace(small_config(**settings), network=written(WITHOUT_BIAS, tmp_path))
    images = small_images()
    user, own = build(name, config, images), build(name, ours(config), images)
    losses = [train_steps(engine, STEPS) for engine in (user, own)]
    np.testing.assert_allclose(losses[0], losses[1], 1e-12)
    assert_close(user.weights(), own.weights(), 1e-11)
    assert_close(user.state().slots, own.state().slots, 1e-11)
    own.load_state(user.state())
    user.load_state(own.state())
    assert_same_bits(user.weights(), own.weights())


@pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_without_an_update_of_its_own_the_runs_optimizer_makes_it(
    layout: str, optimizer: str, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"optimizer": optimizer, "weight_decay": 0.01, "momentum": 0.8}
    config = config_for(NetworkFile((4,), "tanh", layout=layout), tmp_path, **settings)
    images = small_images()
    user, own = build("numpy", config, images), build("numpy", ours(config), images)
    for engine in (user, own):
        train_steps(engine, STEPS)
    assert_close(user.state().slots, own.state().slots, 1e-12)
    assert_close(user.weights(), own.weights(), 1e-12)
    # Either opens the other's state.
    own.load_state(user.state())
    user.load_state(own.state())
    assert_same_bits(user.state().slots, own.state().slots)
    for engine in (user, own):
        train_steps(engine, STEPS[:3])
    assert_close(user.weights(), own.weights(), 1e-12)


@pytest.mark.parametrize("config_of", [
    lambda folder: config_for(NetworkFile((4,), "relu"), folder, optimizer="adam"),
    lambda folder: config_for(NetworkFile((4,), "relu", layout="columns"), folder),
    lambda folder: torch_config(folder, optimizer="momentum"),
    lambda folder: torch_config(folder, DROPPING, optimizer="adam"),
])  # fmt: skip
def test_a_loaded_state_goes_on_with_the_same_bits(config_of: Any, tmp_path: Path) -> None:  # noqa: ANN401
    config, images = config_of(tmp_path), small_images()
    name: EngineName = "numpy" if config.network else "torch"
    whole, stopped, resumed = (build(name, config, images) for _ in range(3))
    train_steps(whole, STEPS)
    train_steps(stopped, STEPS[:7])
    resumed.load_state(stopped.state())
    train_steps(resumed, STEPS[7:])
    assert_same_bits(resumed.weights(), whole.weights())
    assert_same_bits(resumed.state().slots, whole.state().slots)
    assert config.network_file(name).is_exact


@pytest.mark.parametrize("optimizer", get_args(OptimizerName))
def test_a_module_trains_as_ours(optimizer: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"optimizer": optimizer, "weight_decay": 0.01, "momentum": 0.8}
    config = torch_config(tmp_path, **settings)
    images = small_images()
    user, own = build("torch", config, images), build("torch", ours(config), images)
    losses = [train_steps(engine, STEPS) for engine in (user, own)]
    np.testing.assert_allclose(losses[0], losses[1], 1e-12)
    assert_close(user.weights(), own.weights(), 1e-11)
    assert_close(user.state().slots, own.state().slots, 1e-11)
    np.testing.assert_allclose(user.logits(images.pixels), own.logits(images.pixels), 1e-11)


def test_a_modules_own_step_and_loss_are_used(tmp_path: Path) -> None:
    source = (
        TORCH_FILE.format(features=5)
        + """

def loss(outputs, labels):
    return nn.functional.cross_entropy(outputs, labels)


def train_step(model, optimizer, x, labels):
    optimizer.zero_grad()
    (2 * loss(model(x), labels)).backward()
    optimizer.step()
"""
    )
    config, images = torch_config(tmp_path, source), small_images()
    user = build("torch", config, images)
    own = build("torch", replace(ours(config), learning_rate=2 * config.learning_rate), images)
    for engine in (user, own):
        train_steps(engine, STEPS)
    assert_close(user.weights(), own.weights(), 1e-11)
    assert config.network_torch is not None
    assert not config.network_torch.is_exact


def wrong(old: str, new: str, style: str = "class") -> NetworkFile:
    return NetworkFile((4,), "relu", style=style).wrong((old, new))


@pytest.mark.parametrize(("file", "words"), [
    (wrong("A = [x]", "A = [x @ x]"), ["net.py line", "in forward", "ValueError", "(A = [x @ x])"]),
    (wrong("dW[k] = A", "raise SystemExit(3)\n            dW[k] = A"),
     ["net.py line", "in backward", "SystemExit: 3"]),
    (wrong("return dW, db", "return None"), ["net.py: backward returned nothing"]),
    (wrong("return dW, db", "return dW, [g[:1] for g in db]"),
     ["net.py: bias gradient 0 has shape (1,); expected an array (4,)"]),
    (wrong("return A[-1]", "return A[-1].T"), ["what forward returned", "an array (4, 3)"]),
    (wrong("return A[-1]", "return None"), ["forward returned nothing"]),
    (wrong("        self.weights = weights\n",
           "        self.weights = weights\n        self.own = [w.copy() for w in weights]\n")
     .wrong(("W, b = self.weights, self.biases\n        A = [x]",
             "W, b = self.own, [np.zeros_like(c) for c in self.biases]\n        A = [x]")),
     ["outputs stay the same"]),
    (NetworkFile((4,), "relu", style="update").wrong(
        ("self.weights = weights\n        self.biases = biases",
         "self.w = [w.copy() for w in weights]\n        self.c = [b.copy() for b in biases]"),
        ("self.weights", "self.w"), ("self.biases", "self.c")),
     ["a step changed its outputs, but none of the weights"]),
])  # fmt: skip
def test_what_the_users_code_gets_wrong_is_one_sentence(
    file: NetworkFile, words: list[str], tmp_path: Path
) -> None:
    engine = build("numpy", config_for(file, tmp_path), small_images())
    with pytest.raises(UserCodeError) as caught:
        train_steps(engine, STEPS)
    text = str(caught.value)
    assert all(word in text for word in words), text
    assert "\n" not in text


def test_layers_are_not_shown_where_the_outputs_are_others(tmp_path: Path) -> None:
    file = NetworkFile((4,), "relu").wrong(("np.maximum(z, 0)", "np.maximum(z, 0.5)"))
    engine = build("numpy", config_for(file, tmp_path), small_images())
    with pytest.raises(UserCodeError, match=r"mlpwatch check net\.py says what differs"):
        engine.forward_pass(ORDER[:4])


def test_arrays_that_the_file_copies_or_replaces_are_followed(tmp_path: Path) -> None:
    copying = NetworkFile((4,), "tanh").wrong(
        ("self.weights = weights", "self.weights = [w.copy() for w in weights]")
    )
    replacing = NetworkFile((4,), "tanh", style="update").wrong(
        ("self.weights[k] -= learning_rate * self.dW[k]",
         "self.weights[k] = self.weights[k] - learning_rate * self.dW[k]")
    )  # fmt: skip
    images, found = small_images(), []
    for file in (copying, replacing, NetworkFile((4,), "tanh")):
        engine = build("numpy", config_for(file, tmp_path), images)
        train_steps(engine, STEPS)
        found.append(engine.weights())
    assert_close(found[0], found[2], 1e-12)
    assert_close(found[1], found[2], 1e-12)


def test_another_thread_predicts_while_it_trains(tmp_path: Path) -> None:
    # The file keeps what backward needs in a global: two threads in one module would mix it up.
    file = NetworkFile((4,), "tanh").wrong(
        ("        self.A, self.Z = A, Z\n", "        global KEPT\n        KEPT = A, Z\n"),
        ("W, b, A, Z = self.weights, self.biases, self.A, self.Z",
         "W, b, (A, Z) = self.weights, self.biases, KEPT"),
    )  # fmt: skip
    images, config = small_images(), config_for(file, tmp_path)
    alone, engine = build("numpy", config, images), build("numpy", config, images)
    weights = engine.weights()
    engine.logits(images.pixels, weights)

    def predict() -> None:
        for _ in range(300):
            engine.logits(images.pixels, weights)

    thread = Thread(target=predict)
    thread.start()
    steps = STEPS * 20
    train_steps(engine, steps)
    thread.join()
    train_steps(alone, steps)
    assert_same_bits(engine.weights(), alone.weights())


@pytest.mark.parametrize("pixels", ["0..255", "-1..1"])
def test_images_come_in_the_range_that_the_file_wants(pixels: str, tmp_path: Path) -> None:
    turned = {"0..255": "x / 255", "-1..1": "(x + 1) / 2"}[pixels]
    file = NetworkFile((4,), "tanh").wrong(
        ("    hidden =", f"    pixels = {pixels!r}\n    hidden ="), ("A = [x]", f"A = [{turned}]")
    )
    images = small_images()
    config = config_for(file, tmp_path)
    user, own = build("numpy", config, images), build("numpy", ours(config), images)
    for engine in (user, own):
        train_steps(engine, STEPS)
    assert_close(user.weights(), own.weights(), 1e-10)
