"""The file that `mlpwatch new` writes: the contract, runnable, its backward pass left to write."""

import os
from pathlib import Path

from mlpwatch.core.errors import InputError

_ROWS = {
    "shape_x": "(batch, features)",
    "shape_w": "(fan_in, fan_out)",
    "shape_b": "(fan_out,)",
    "z": "a @ w + b",
    "dw": "a.T @ delta",
    "db": "delta.sum(axis=0)",
    "back": "delta @ w.T",
    "classes_axis": "1",
    "y": "(batch, classes)",
}
_COLUMNS = {
    "shape_x": "(features, batch)",
    "shape_w": "(fan_out, fan_in)",
    "shape_b": "(fan_out, 1)",
    "z": "w @ a + b",
    "dw": "delta @ a.T",
    "db": "delta.sum(axis=1, keepdims=True)",
    "back": "w.T @ delta",
    "classes_axis": "0",
    "y": "(classes, batch)",
}

_NUMPY = '''"""A multi-layer perceptron by hand. Check it: mlpwatch check {name}"""

import numpy as np


class Network:
    # What this network is; mlpwatch builds its reference from these.
    hidden = (50,)
    activation = "sigmoid"  # relu, tanh, gelu; leaky-relu, with negative_slope = 0.01
    loss = "cross-entropy"  # mse, half-mse, bce: then one sigmoid per class makes the outputs
    output = "probabilities"
    layout = "{layout}"
    targets = "one-hot"

    def __init__(self, weights, biases):
        # Two lists of float64 arrays, input side first: W {shape_w}, b {shape_b}.
        self.weights = weights
        self.biases = biases

    def forward(self, x):
        """x {shape_x} -> outputs {y}; keeps what backward needs."""
        self.inputs = []
        a = x
        for k, (w, b) in enumerate(zip(self.weights, self.biases)):
            self.inputs.append(a)
            z = {z}
            last = k == len(self.weights) - 1
            a = self.softmax(z) if last else 1 / (1 + np.exp(-z))
        self.outputs = a
        return a

    def softmax(self, z):
        e = np.exp(z - z.max(axis={classes_axis}, keepdims=True))
        return e / e.sum(axis={classes_axis}, keepdims=True)

    def backward(self, y):
        """y {y}, one-hot -> (weight gradients, bias gradients), input side first."""
        weight_gradients = [np.zeros_like(w) for w in self.weights]
        bias_gradients = [np.zeros_like(b) for b in self.biases]
        # Yours to write. delta = dL/dz of the output layer; then, from the last layer back:
        #   dL/dW = {dw}
        #   dL/db = {db}
        #   delta = ({back}) * f'(z) of the layer before
        return weight_gradients, bias_gradients
'''

_TORCH = '''"""The same network in PyTorch. Check it: mlpwatch check {name}"""

from torch import nn, optim
from torch.nn import functional


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(64, 50)
        self.output = nn.Linear(50, 10)

    def forward(self, x):
        """x (batch, features) -> logits (batch, classes)."""
        return self.output(self.hidden(x).sigmoid())


def loss(outputs, labels):
    """outputs (batch, classes), labels (batch,) -> a number."""
    return functional.cross_entropy(outputs, labels)


def optimizer(parameters):
    return optim.SGD(parameters, lr=0.05)


def train_step(model, optimizer, x, labels):
    # Yours to write: zero_grad, forward, loss, backward, step.
    pass
'''


def write_starter(path: Path, layout: str, *, torch: bool) -> None:
    """Write a starter file; never over another one.

    Args:
        path: of the new file.
        layout: `rows` or `columns`; a PyTorch file has rows.
        torch: write an `nn.Module`.

    Raises:
        InputError: there is a file already, or it can't be written.
    """
    if torch:
        text = _TORCH.replace("{name}", path.name)
    else:
        text = _NUMPY.replace("{name}", path.name).replace("{layout}", layout)
        for key, value in (_COLUMNS if layout == "columns" else _ROWS).items():
            text = text.replace("{" + key + "}", value)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError as error:
        raise InputError(f"{str(path)!r}: there is a file already; choose another name") from error
    except OSError as error:
        raise InputError(f"{str(path)!r}: can't be written ({error.strerror})") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
