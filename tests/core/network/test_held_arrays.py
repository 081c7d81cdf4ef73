"""What a user's file keeps: biases inside W, copies made of its weights, random generators."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.config import RunConfig
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
from tests.support.samples.user_networks import config_for, written

STEPS = batches(np.random.default_rng(3).permutation(SAMPLES), 4) * 5

INSIDE = """import numpy as np


def ones(x):
    return np.c_[np.ones(len(x)), x]


class Network:
    hidden, activation, loss = (4,), "tanh", "cross-entropy"

    def __init__(self, weights, biases):
        self.W1, self.W2 = (np.vstack([b, w]) for w, b in zip(weights, biases))

    def forward(self, x):
        self.x, self.a = x, np.tanh(ones(x) @ self.W1)
        e = np.exp(ones(self.a) @ self.W2)
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p

    def backward(self, y):
        d = (self.p - y) / len(y)
        h = (d @ self.W2[1:].T) * (1 - self.a ** 2)
        self.g = ones(self.x).T @ h, ones(self.a).T @ d
        return [t[1:] for t in self.g], [t[0] for t in self.g]
"""

COLUMNS = """import numpy as np


def ones(x):
    return np.r_[x, np.ones((1, x.shape[1]))]


class Network:
    hidden, activation, loss, layout = (4,), "tanh", "cross-entropy", "columns"

    def __init__(self, weights, biases):
        self.layers = [{"W": np.hstack([w, b])} for w, b in zip(weights, biases)]

    def forward(self, x):
        self.x, self.a = x, np.tanh(self.layers[0]["W"] @ ones(x))
        e = np.exp(self.layers[1]["W"] @ ones(self.a))
        self.p = e / e.sum(axis=0)
        return self.p

    def backward(self, y):
        d = (self.p - y) / y.shape[1]
        h = (self.layers[1]["W"][:, :-1].T @ d) * (1 - self.a ** 2)
        self.g = h @ ones(self.x).T, d @ ones(self.a).T
        return [t[:, :-1] for t in self.g], [t[:, -1:] for t in self.g]
"""

UPDATES = """
    def update(self, learning_rate):
        self.W1 = self.W1 - learning_rate * self.g[0]
        self.W2 -= learning_rate * self.g[1]
"""

TURNED = NetworkFile((4,), "tanh").wrong(
    ("        self.weights = weights\n", "        self.turned = [w.T.copy() for w in weights]\n"),
    ("W, b = self.weights, self.biases\n", "W, b = [w.T for w in self.turned], self.biases\n"),
    ("W, b, A, Z = self.weights,", "W, b, A, Z = [w.T for w in self.turned],"),
)


def config_of(text: str, folder: Path, **settings: object) -> RunConfig:
    return replace(small_config(activation="tanh", **settings), network=written(text, folder))


@pytest.mark.parametrize("initialization", ["scaled", "zeros"])
@pytest.mark.parametrize(
    "text",
    [INSIDE, COLUMNS, INSIDE + UPDATES, TURNED.source()],
    ids=["first row", "last column", "own update", "turned"],
)
def test_weights_that_are_kept_in_other_arrays_train_as_ours(
    text: str, initialization: str, tmp_path: Path
) -> None:
    optimizer = "sgd" if text.endswith(UPDATES) else "momentum"
    config = config_of(text, tmp_path, optimizer=optimizer, initialization=initialization)
    images = small_images()
    user, own = (
        build("numpy", config, images),
        build("numpy", replace(config, network=None), images),
    )
    for engine in (user, own):
        train_steps(engine, STEPS)
    # The usual tensors.
    assert_close(user.weights(), own.weights(), 1e-12)
    np.testing.assert_allclose(
        user.logits(images.pixels).argmax(1), own.logits(images.pixels).argmax(1)
    )
    resumed = build("numpy", config, images)
    resumed.load_state(user.state())
    for engine in (user, resumed):
        train_steps(engine, STEPS[:4])
    assert_same_bits(resumed.weights(), user.weights())


DROPS = "A.append((f(z) if k < len(W) - 1 else out(z)) * ({}))"
KEPT = "A.append(f(z) if k < len(W) - 1 else out(z))"
DRAWN = {
    "global": "(np.random.rand() > 0.2) + 0.5",
    "python": "(__import__('random').random() > 0.2) + 0.5",
    "fresh": "1 + np.random.default_rng().random() / 9",
    "own": "(RNG.random() > -1)",
    "of the class": "(Network.rng.random() > -1)",
}


def drawing(how: str) -> NetworkFile:
    file = NetworkFile((4,), "tanh").wrong((KEPT, DROPS.format(DRAWN[how])))
    if how == "own":
        return file.wrong(
            ("import numpy as np\n", "import numpy as np\nRNG = np.random.default_rng(3)\n")
        )
    return file.wrong(("    hidden", "    rng = np.random.RandomState(2)\n    hidden"))


@pytest.mark.parametrize("how", DRAWN)
def test_random_numbers_of_a_file_are_noticed(how: str, tmp_path: Path) -> None:
    engine = build("numpy", config_for(drawing(how), tmp_path), small_images())
    before, weights = np.random.get_state()[1].tobytes(), engine.weights()  # type: ignore[index]  # noqa: NPY002
    assert engine.draws_at_random()  # type: ignore[attr-defined]
    assert np.random.get_state()[1].tobytes() == before  # type: ignore[index]  # noqa: NPY002
    assert_same_bits(engine.weights(), weights)


@pytest.mark.parametrize("style", ["class", "functions", "update", "train"])
def test_a_file_that_draws_none_is_not_said_to(style: str, tmp_path: Path) -> None:
    file = NetworkFile((4,), "tanh", style=style)
    if style != "functions":
        # Numbers that are drawn before the first step are no matter.
        file = file.wrong(
            ("self.weights = weights", "self.weights = weights\n        np.random.rand()")
        )
    engine = build("numpy", config_for(file, tmp_path), small_images())
    assert not engine.draws_at_random()  # type: ignore[attr-defined]
    train_steps(engine, STEPS)
