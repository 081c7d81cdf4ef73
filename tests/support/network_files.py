"""Writes network files as students do: right ones of many kinds, and each classic mistake."""

from dataclasses import dataclass, replace
from itertools import product

OUTPUT_OF = {"cross-entropy": "softmax", "mse": "sigmoid", "half-mse": "sigmoid", "bce": "sigmoid"}

ACTIVATION = {
    "relu": ("np.maximum(z, 0)", "(z > 0)"),
    "sigmoid": ("1 / (1 + np.exp(-z))", "a * (1 - a)"),
    "tanh": ("np.tanh(z)", "1 - a ** 2"),
    "leaky-relu": ("np.where(z > 0, z, 0.01 * z)", "np.where(z > 0, 1.0, 0.01)"),
    "gelu": (
        "z * (1 + ERF(z / np.sqrt(2))) / 2",
        "(1 + ERF(z / np.sqrt(2))) / 2 + z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)",
    ),
}

LOSS = {
    "cross-entropy": "-np.sum(y * np.log(np.maximum(p, 1e-12)))",
    "bce": "-np.sum(y * np.log(np.clip(p, 1e-12, 1)) + (1 - y) * np.log(np.clip(1 - p, 1e-12, 1)))",
    "mse": "np.sum((p - y) ** 2)",
    "half-mse": "np.sum((p - y) ** 2) / 2",
}

DELTA = {
    ("cross-entropy", "softmax"): "(p - y)",
    ("bce", "sigmoid"): "(p - y)",
    ("mse", "sigmoid"): "2 * (p - y) * p * (1 - p)",
    ("half-mse", "sigmoid"): "(p - y) * p * (1 - p)",
    ("mse", "linear"): "2 * (p - y)",
    ("mse", "softmax"): "SOFTMAX_BACK(2 * (p - y), p)",
}


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """What kind of file is written."""

    hidden: tuple[int, ...] = (16,)
    activation: str = "sigmoid"
    loss: str = "cross-entropy"
    layout: str = "rows"
    output: str = "probabilities"
    style: str = "class"
    """`class`, `functions`, `update` (its own update) or `train` (one whole step)."""
    targets: str = "one-hot"
    bias_shape: str = ""
    with_loss: bool = False
    output_activation: str = ""
    mistakes: tuple[tuple[str, str], ...] = ()
    """Texts of the right file, and what stands in their place."""

    @property
    def function(self) -> str:
        """The output activation."""
        return self.output_activation or OUTPUT_OF[self.loss]

    def source(self) -> str:
        """Return the file's text.

        Raises:
            AssertionError: a mistake's text does not stand in the right file.
        """
        text = _functions(self) if self.style == "functions" else _class(self)
        for old, new in self.mistakes:
            assert old in text, (old, text)
            text = text.replace(old, new)
        return text

    def wrong(self, *mistakes: tuple[str, str]) -> "NetworkFile":
        """Return the same file with mistakes."""
        return replace(self, mistakes=(*self.mistakes, *mistakes))


def _head(f: NetworkFile) -> str:
    axis = 1 if f.layout == "rows" else 0
    erf = "from math import erf\nERF = np.vectorize(erf, otypes=[float])\n"
    apply, derivative = ACTIVATION[f.activation]
    return (
        "import numpy as np\n"
        + (erf if f.activation == "gelu" else "")
        + f"""

def f(z):
    return {apply}


def f_derivative(z, a):
    return {derivative}


def softmax(z):
    e = np.exp(z - z.max(axis={axis}, keepdims=True))
    return e / e.sum(axis={axis}, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def linear(z):
    return z


def SOFTMAX_BACK(d, p):
    return p * (d - (d * p).sum(axis={axis}, keepdims=True))


def out(z):
    return {f.function}(z)

"""
    )


def _attributes(f: NetworkFile, indent: str) -> str:
    lines = [
        f"hidden = {f.hidden!r}",
        f"activation = {f.activation!r}",
        f"loss = {f.loss!r}",
        f"layout = {f.layout!r}",
        f"output = {f.output!r}",
        f"targets = {f.targets!r}",
    ]
    if f.output_activation:
        lines.append(f"output_activation = {f.output_activation!r}")
    if f.bias_shape:
        lines.append(f"bias_shape = {f.bias_shape!r}")
    return "".join(f"{indent}{line}\n" for line in lines)


def _body(f: NetworkFile) -> tuple[str, str]:
    """Return the lines of forward and backward, with W, b, x, y as plain names."""
    rows = f.layout == "rows"
    bias = "b[k]"
    if (f.bias_shape or ("flat" if rows else "column")) == "flat" and not rows:
        bias = "b[k][:, None]"
    if f.bias_shape == "column" and rows:
        bias = "b[k].T"
    if f.bias_shape == "row" and not rows:
        bias = "b[k].T"
    product_ = f"a @ W[k] + {bias}" if rows else f"W[k] @ a + {bias}"
    forward = f"""A = [x]
Z = []
for k in range(len(W)):
    a = A[-1]
    z = {product_}
    Z.append(z)
    A.append(f(z) if k < len(W) - 1 else out(z))
"""
    classes_axis = 1 if rows else 0
    targets = ""
    if f.targets == "labels":
        hot = "np.eye(p.shape[1])[y]" if rows else "np.eye(p.shape[0])[y].T"
        targets = f"y = {hot}\n"
    dw = "A[k].T @ delta" if rows else "delta @ A[k].T"
    kept = f.bias_shape in ("row", "column") or not rows
    db = f"delta.sum(axis={1 - classes_axis}, keepdims={kept})"
    back = "delta @ W[k].T" if rows else "W[k].T @ delta"
    backward = f"""p = A[-1]
m = p.shape[{1 - classes_axis}]
{targets}delta = {DELTA[f.loss, f.function]} / m
dW, db = [None] * len(W), [None] * len(W)
for k in reversed(range(len(W))):
    dW[k] = {dw}
    db[k] = {db}
    if k > 0:
        delta = ({back}) * f_derivative(Z[k - 1], A[k])
"""
    return forward, backward


def _indented(text: str, by: int) -> str:
    return "".join(" " * by + line + "\n" if line else "\n" for line in text.splitlines())


def _class(f: NetworkFile) -> str:
    forward, backward = _body(f)
    shown = "A[-1]" if f.output == "probabilities" else "Z[-1]"
    text = _head(f) + "\nclass Network:\n" + _attributes(f, "    ")
    text += """
    def __init__(self, weights, biases):
        self.weights = weights
        self.biases = biases

    def forward(self, x):
        W, b = self.weights, self.biases
"""
    text += _indented(forward, 8)
    text += f"        self.A, self.Z = A, Z\n        return {shown}\n\n"
    if f.style == "train":
        text += "    def train(self, x, y, learning_rate):\n        self.forward(x)\n"
    else:
        text += "    def backward(self, y):\n"
    text += "        W, b, A, Z = self.weights, self.biases, self.A, self.Z\n"
    text += _indented(backward, 8)
    if f.style == "train":
        text += """        for k in range(len(W)):
            W[k] -= learning_rate * dW[k]
            b[k] -= learning_rate * db[k].reshape(b[k].shape)
"""
    else:
        text += "        self.dW, self.db = dW, db\n        return dW, db\n"
    if f.style == "update":
        text += """
    def update(self, learning_rate):
        for k in range(len(self.weights)):
            self.weights[k] -= learning_rate * self.dW[k]
            self.biases[k] -= learning_rate * self.db[k].reshape(self.biases[k].shape)
"""
    if f.with_loss:
        axis = 0 if f.layout == "rows" else 1
        softened = "softmax(outputs)" if f.function == "softmax" else f"{f.function}(outputs)"
        p = "outputs" if f.output == "probabilities" else softened
        hot = ""
        if f.targets == "labels":
            eye = "np.eye(p.shape[1])[y]" if f.layout == "rows" else "np.eye(p.shape[0])[y].T"
            hot = f"        y = {eye}\n"
        text += f"""
    def loss_value(self, outputs, y):
        p = {p}
{hot}        return {LOSS[f.loss]} / p.shape[{axis}]
"""
    return text


def _functions(f: NetworkFile) -> str:
    forward, backward = _body(f)
    shown = "A[-1]" if f.output == "probabilities" else "Z[-1]"
    text = _head(f) + "\n" + _attributes(f, "")
    text += "\n\ndef passes(W, b, x):\n" + _indented(forward, 4) + "    return A, Z\n"
    text += "\n\ndef forward(weights, biases, x):\n    A, Z = passes(weights, biases, x)\n"
    text += f"    return {shown}\n"
    text += "\n\ndef backward(weights, biases, x, y):\n    W, b = weights, biases\n"
    text += "    A, Z = passes(W, b, x)\n" + _indented(backward, 4) + "    return dW, db\n"
    return text


def right_files() -> list[NetworkFile]:
    """Return right files: depths, activations, losses, layouts, kinds of output, styles."""
    return [
        NetworkFile(hidden=hidden, activation=activation, loss=loss, layout=layout,
                    output=output, style=style)
        for hidden, activation, loss, layout, output, style in product(
            ((), (16,), (16, 12)), ("relu", "sigmoid", "tanh"), ("cross-entropy", "mse"),
            ("rows", "columns"), ("probabilities", "logits"), ("class", "functions"),
        )
    ]  # fmt: skip
