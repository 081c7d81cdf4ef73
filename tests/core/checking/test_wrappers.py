"""`mlpwatch check` on the ways in which people wrap networks that they have already."""

from pathlib import Path

import pytest

from mlpwatch.core.errors import InputError
from tests.support.checking import checked, first_code
from tests.support.network_files import NetworkFile

THEIRS = """import numpy as np


class Net:
    def forward(self, x):
        self.a = 1 / (1 + np.exp(-(x @ self.W1 + self.b1)))
        z = self.a @ self.W2 + self.b2
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def gradients(self, x, y):
        d = (self.forward(x) - y) / len(y)
        h = (d @ self.W2.T) * self.a * (1 - self.a)
        return x.T @ h, self.a.T @ d, h.sum(axis=0), d.sum(axis=0)

    def step(self, x, y, rate):
        g = self.gradients(x, y)
        self.W1, self.W2 = self.W1 - rate * g[0], self.W2 - rate * g[1]
        self.b1, self.b2 = self.b1 - rate * g[2], self.b2 - rate * g[3]
"""

TRAINS = """

class Network:
    hidden, activation, loss = (12,), "sigmoid", "cross-entropy"

    def __init__(self, weights, biases):
        self.net = Net()
        self.net.W1, self.net.W2 = weights
        self.net.b1, self.net.b2 = biases

    def forward(self, x):
        return self.net.forward(x)

    def train(self, x, y, learning_rate):
        self.net.step(x, y, learning_rate)
"""

INSIDE = """import numpy as np


def ones(x):
    return np.c_[np.ones(len(x)), x]


class Network:
    hidden, activation, loss = (12,), "tanh", "cross-entropy"

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
        g = ones(self.x).T @ h, ones(self.a).T @ d
        return [t[1:] for t in g], [t[0] for t in g]
"""

COLUMNS = """from theirs import step


class Network:
    hidden, activation, loss = (12,), "relu", "cross-entropy"
    layout, targets = "columns", "labels"

    def __init__(self, weights, biases):
        self.p = [*weights, *biases]

    def forward(self, x):
        self.x = x
        return step(self.p, x)[0]

    def backward(self, y):
        return step(self.p, self.x, y)[1]
"""

NOTEBOOK = """import numpy as np


def one_hot(y):
    h = np.zeros((y.size, y.max() + 1))
    h[np.arange(y.size), y] = 1
    return h.T


def step(p, x, y=None):
    W1, W2, b1, b2 = p
    z = W1 @ x + b1
    a = np.maximum(z, 0)
    e = np.exp(W2 @ a + b2 - np.max(W2 @ a + b2, axis=0))
    p = e / e.sum(axis=0)
    if y is None:
        return p, None
    d = p - one_hot(y)
    h = (W2.T @ d) * (z > 0)
    m = y.size
    return p, ([h @ x.T / m, d @ a.T / m], [np.sum(h) / m, np.sum(d) / m])
"""


def test_a_step_that_puts_new_arrays_in_their_places_is_followed(tmp_path: Path) -> None:
    report = checked(THEIRS + TRAINS, tmp_path)
    assert report.passed, report.findings
    assert "50 steps of training" in {check.name for check in report.checks}


def test_a_mistake_of_such_a_step_is_named(tmp_path: Path) -> None:
    wrong = THEIRS.replace("(d @ self.W2.T) * self.a * (1 - self.a)", "d @ self.W2.T")
    assert first_code(checked(wrong + TRAINS, tmp_path)) == "activation-derivative-missing"


def test_weights_that_cannot_be_seen_are_no_mistake_of_the_gradient(tmp_path: Path) -> None:
    copies = TRAINS.replace("= weights", "= (w.copy() for w in weights)").replace(
        "= biases", "= (b.copy() for b in biases)"
    )
    with pytest.raises(InputError, match=r"net\.py: a step changes the outputs, but none"):
        checked(THEIRS + copies, tmp_path)


def test_biases_inside_the_weights_pass(tmp_path: Path) -> None:
    report = checked(INSIDE, tmp_path)
    assert report.passed, report.findings


def test_biases_inside_the_weights_of_a_network_that_trains_itself_pass(tmp_path: Path) -> None:
    text = INSIDE.replace("        return [t[1:] for t in g], [t[0] for t in g]\n", "")
    text = text.replace("def backward(self, y)", "def train(self, x, y, learning_rate)")
    text += """        self.W1 = self.W1 - learning_rate * g[0]
        self.W2 -= learning_rate * g[1]
"""
    text = text.replace("        d = (self.p", "        self.forward(x)\n        d = (self.p")
    report = checked(text, tmp_path)
    assert report.passed, report.findings
    wrong = checked(text.replace(" * (1 - self.a ** 2)", ""), tmp_path)
    assert wrong.findings[0].code == "activation-derivative-missing"


def test_a_slope_that_the_file_declares_passes_and_another_one_is_named(tmp_path: Path) -> None:
    file = NetworkFile((12,), "leaky-relu").source().replace("0.01", "0.2")
    report = checked(file, tmp_path)
    assert report.findings[0].code == "activation-mismatch"
    assert "If that is meant, say negative_slope = 0.2." in report.findings[0].text
    declared = file.replace("    hidden", "    negative_slope = 0.2\n    hidden", 1)
    assert checked(declared, tmp_path).passed
    wrong = declared.replace("np.where(z > 0, 1.0, 0.2)", "np.where(z > 0, 1.0, 0.0)")
    assert checked(wrong, tmp_path).findings[0].code == "relu-mask-wrong"


def test_a_whole_step_without_biases_passes(tmp_path: Path) -> None:
    text = THEIRS.replace(" + self.b1", "").replace(" + self.b2", "")
    text = text.replace(
        "        self.b1, self.b2 = self.b1 - rate * g[2], self.b2 - rate * g[3]\n", ""
    )
    text += TRAINS.replace(
        "hidden, activation, loss = (12,)", "bias = False\n    hidden, activation, loss = (12,)"
    )
    report = checked(text.replace("        self.net.b1, self.net.b2 = biases\n", ""), tmp_path)
    assert report.passed, report.findings


def test_one_number_for_all_biases_and_classes_from_the_labels_are_named(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(NOTEBOOK)
    report = checked(COLUMNS, tmp_path)
    assert [f.code for f in report.findings] == ["bias-gradient-not-summed", "exception"]
    assert "δ summed over images and units" in report.findings[0].text
    assert {c.name for c in report.checks if not c.passed} == {"bias gradient 0", "bias gradient 1"}
    # The line is that of the mistake, not the wrapper's.
    assert "theirs.py line 18, in step: d = p - one_hot(y)" in report.findings[1].text
    assert "on each batch without an image of the last class" in report.findings[1].text


def test_a_bias_gradient_may_have_what_the_weight_gradient_lacks(tmp_path: Path) -> None:
    wrong = THEIRS.replace("return x.T @ h,", "return x.T @ (d @ self.W2.T),").replace(
        "h.sum(axis=0)", "h.mean(axis=0)"
    )
    codes = [f.code for f in checked(wrong + TRAINS, tmp_path).findings]
    assert codes == ["activation-derivative-missing", "bias-gradient-averaged"]


def test_a_missing_module_is_said_with_the_place_where_it_is_missing(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text("import no_such_module_anywhere\n")
    text = checked(COLUMNS, tmp_path).findings[0].text
    assert "No module named 'no_such_module_anywhere' in mlpwatch's Python" in text
    assert "theirs.py line 1" in text


def test_a_part_in_float32_is_said_where_it_does_no_harm(tmp_path: Path) -> None:
    text = THEIRS.replace("self.a = 1 /", "self.a = np.float32(1) /").replace(
        "(-(x @ self.W1 + self.b1))", "(-(x @ self.W1 + self.b1).astype(np.float32))"
    )
    report = checked(text + TRAINS, tmp_path)
    assert report.passed, report.findings
    assert "more than rounding in float64" in report.notes[0]
    assert not checked(THEIRS + TRAINS, tmp_path).notes
