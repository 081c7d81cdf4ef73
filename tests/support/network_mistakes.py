"""The catalogue of mistakes, each written into a right file: which code must be named first."""

from collections.abc import Iterator

from tests.support.network_files import NetworkFile

Mistake = tuple[str, NetworkFile]
"""The code that must be named first, and the file."""

Change = tuple[str, str]
Row = tuple[str, str, tuple[Change, ...]]
"""Code, the right file that it is written into, and what changes in it."""

STORED = "        self.weights = weights\n        self.biases = biases\n"
RETURN = "        return dW, db"
KEPT = "        self.dW, self.db = dW, db\n"


def right_files_for(layout: str, hidden: tuple[int, ...]) -> dict[str, NetworkFile]:
    """Return the right files that mistakes are written into."""
    common = {"hidden": hidden, "layout": layout, "style": "update"}
    return {
        "sigmoid": NetworkFile(**common, activation="sigmoid", loss="mse", with_loss=True),  # type: ignore[arg-type]
        "relu": NetworkFile(**common, activation="relu", with_loss=True),  # type: ignore[arg-type]
        "tanh": NetworkFile(**common, activation="tanh"),  # type: ignore[arg-type]
        "leaky-relu": NetworkFile(hidden, "leaky-relu", layout=layout, style="update"),
        "square": NetworkFile(
            tuple(10 for _ in hidden), layout=layout, activation="tanh", style="update"
        ),
        "step": NetworkFile(hidden, layout=layout, activation="tanh", style="train"),
        "labels": NetworkFile(
            hidden, layout=layout, activation="relu", style="update", targets="labels"
        ),
    }


def _gradient_rows(layout: str) -> tuple[Row, ...]:
    rows = layout == "rows"
    axis = 1 if rows else 0
    weights = "A[k].T @ delta" if rows else "delta @ A[k].T"
    turned = "delta.T @ A[k]" if rows else "A[k] @ delta.T"
    back = "delta @ W[k].T" if rows else "W[k].T @ delta"
    forth = "delta @ W[k]" if rows else "W[k] @ delta"
    bias = f"db[k] = delta.sum(axis={1 - axis}, keepdims={not rows})"
    stepped = f"dW[k] = {weights}\n            W[k] -= learning_rate * dW[k]"
    own_step = "            W[k] -= learning_rate * dW[k]\n            b[k] -="
    derivative = "f_derivative(Z[k - 1], A[k])"
    adds = (
        "        if self.acc is not None:\n"
        "            dW = [g + h for g, h in zip(dW, self.acc)]\n"
        "        self.acc = dW\n"
    )
    penalty = "        dW = [g + 0.001 * w for g, w in zip(dW, W)]\n"
    missing = "        dW[0] = np.zeros_like(dW[0])\n"
    return (
        ("loss-mean-over-classes", "sigmoid", (("delta = 2 *", "delta = 2 / 10 *"),)),
        ("loss-sum-over-batch", "sigmoid", (("p * (1 - p) / m", "p * (1 - p)"),)),
        ("loss-factor-two", "sigmoid", (("delta = 2 * (p", "delta = (p"),)),
        ("gradient-sign", "relu", (("delta = (p - y)", "delta = (y - p)"),)),
        ("own-loss-differs", "relu", (("delta = (p - y)", "delta = (Z[-1] - y)"),)),
        ("activation-mismatch", "leaky-relu", (("0.01 * z", "0.2 * z"), ("1.0, 0.01", "1.0, 0.2"))),
        ("bias-gradient-not-summed", "relu", ((bias, "db[k] = delta"),)),
        ("bias-gradient-averaged", "relu", (("db[k] = delta.sum", "db[k] = delta.mean"),)),
        ("bias-gradient-not-summed", "relu", ((bias, "db[k] = np.full(b[k].shape, delta.sum())"),)),
        ("relu-mask-wrong", "relu", (("return (z > 0)", "return (z < 0)"),)),
        ("relu-mask-wrong", "relu", (("return (z > 0)", "return np.maximum(z, 0)"),)),
        ("relu-mask-wrong", "relu", ((f"({back}) * {derivative}", f"np.maximum({back}, 0)"),)),
        ("sigmoid-derivative-of-activation", "sigmoid",
         ((derivative, "f_derivative(0, sigmoid(A[k]))"),)),
        ("tanh-derivative-of-sum", "tanh", (("return 1 - a ** 2", "return 1 - z ** 2"),)),
        ("activation-derivative-missing", "tanh", ((f" * {derivative}", ""),)),
        ("output-derivative-missing", "sigmoid", ((" * p * (1 - p) / m", " / m"),)),
        ("output-derivative-doubled", "relu", (("(p - y) / m", "(p - y) * p * (1 - p) / m"),)),
        ("weights-updated-before-delta", "step",
         ((f"dW[k] = {weights}", stepped), (own_step, "            b[k] -="))),
        ("transposed", "square", ((back, forth),)),
        ("transposed", "relu", ((weights, turned),)),
        ("short-batch", "relu", ((") / m\n", ") / 32\n"),)),
        ("gradient-accumulates", "relu",
         ((STORED, STORED + "        self.acc = None\n"), (KEPT, adds + KEPT))),
        ("gradient-missing", "relu", ((RETURN, missing + RETURN),)),
        ("one-hot-shifted", "labels", (("[y]", "[(y + 1) % 10]"),)),
        ("regularisation-differs", "relu", ((KEPT, penalty + KEPT),)),
    )  # fmt: skip


def _other_rows(layout: str) -> tuple[Row, ...]:
    axis = 1 if layout == "rows" else 0
    logistic = "return 1 / (1 + np.exp(-z))"
    turned = ((f"z.max(axis={axis}", f"z.max(axis={1 - axis}"),
              (f"e.sum(axis={axis}", f"e.sum(axis={1 - axis}"))  # fmt: skip
    shifted = f"np.exp(z - z.max(axis={axis}, keepdims=True))"
    cubed = "np.sum(np.abs(p - y) ** 3)"
    cubed_slope = "3 * (p - y) * np.abs(p - y) * p"
    still = (("self.weights[k] -=", "w = self.weights[k] -"), ("self.biases[k] -=", "b = -"))

    def cast(kind: str) -> tuple[Change, ...]:
        stored = "".join(
            f"        self.{name} = [v.astype(np.{kind}) for v in {name}]\n"
            for name in ("weights", "biases")
        )
        return (("A = [x]", f"A = [x.astype(np.{kind})]"), (STORED, stored))

    return (
        ("gradient-sign", "relu",
         (("self.weights[k] -=", "self.weights[k] +="),
          ("self.biases[k] -=", "self.biases[k] +="))),
        ("bias-missing", "relu", ((" + b[k]", ""),)),
        ("activation-mismatch", "relu", (("return np.maximum(z, 0)", logistic),)),
        ("activation-mismatch", "relu",
         (("return np.maximum(z, 0)", logistic), ("return (z > 0)", "return a * (1 - a)"))),
        ("softmax-wrong-axis", "relu", turned),
        ("softmax-global-sum", "relu", ((f"e.sum(axis={axis}, keepdims=True)", "e.sum()"),)),
        ("softmax-overflow", "relu", ((shifted, "np.exp(z)"),)),
        ("double-softmax", "relu", (("    return softmax(z)", "    return softmax(softmax(z))"),)),
        ("log-of-zero", "relu", (("np.log(np.maximum(p, 1e-12))", "np.log(p)"),)),
        ("input-changed", "relu", (("A = [x]", "x *= 1.0000001; A = [x]"),)),
        ("outputs-overwritten", "relu", (("delta = (p - y) / m", "p -= y; p /= m; delta = p"),)),
        ("integer-arithmetic", "relu", (("A = [x]", "A = [x.astype(int)]"),)),
        ("low-precision", "relu", cast("float32")),
        ("low-precision", "relu", cast("float16")),
        ("learning-rate-twice", "relu",
         (("-= learning_rate * self", "-= learning_rate ** 2 * self"),)),
        ("nothing-updated", "relu", still),
        ("biases-not-updated", "relu", still[1:]),
        ("own-loss-differs", "sigmoid",
         (("np.sum((p - y) ** 2)", cubed), ("2 * (p - y) * p", cubed_slope))),
        ("exception", "relu", (("m = p.shape", "m = undefined.shape"),)),
        ("timeout", "relu", (("A = [x]", "A = [x]\n        while True: pass"),)),
        ("not-finite", "relu", (("A = [x]", "A = [x * np.nan]"),)),
    )  # fmt: skip


def numpy_mistakes(layout: str, hidden: tuple[int, ...]) -> Iterator[Mistake]:
    """Yield each mistake of a NumPy file in one layout and one depth."""
    files = right_files_for(layout, hidden)
    for code, name, changes in (*_gradient_rows(layout), *_other_rows(layout)):
        yield code, files[name].wrong(*changes)


TORCH_FILE = """import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(64, 20)
        self.b = nn.Linear(20, 10)
        self.drop = nn.Identity()

    def forward(self, x):
        h = self.drop(torch.relu(self.a(x)))
        return self.b(h)


def loss(outputs, labels):
    return F.cross_entropy(outputs, labels)


def optimizer(p):
    return torch.optim.SGD(p, lr=0.1)


def train_step(model, optimizer, x, labels):
    optimizer.zero_grad()
    l = loss(model(x), labels)
    l.backward()
    optimizer.step()
"""

_HOT = "F.one_hot(labels, 10).to(outputs.dtype)"
_LOSS = "F.cross_entropy(outputs, labels)"
_HIDDEN = "h = self.drop(torch.relu(self.a(x)))"

TORCH_MISTAKES: tuple[tuple[str, tuple[Change, ...]], ...] = (
    ("double-softmax", (("return self.b(h)", "return self.b(h).softmax(1)"),)),
    ("zero-grad-missing", (("    optimizer.zero_grad()\n", ""),)),
    ("loss-sum-over-batch", ((_LOSS, 'F.cross_entropy(outputs, labels, reduction="sum")'),)),
    ("dropout-while-evaluating", ((_HIDDEN, "h = F.dropout(torch.relu(self.a(x)), 0.5)"),)),
    ("activation-mismatch", (("return self.b(h)", "return torch.relu(self.b(h))"),)),
    ("parameters-not-registered",
     (("self.a = nn.Linear(64, 20)", "self.l = [nn.Linear(64, 20)]"),
      ("self.a(x)", "self.l[0](x)"))),
    ("learning-rate-twice", (("    l.backward()", "    (l * 0.1).backward()"),)),
    ("nothing-updated", (("    optimizer.step()\n", ""),)),
    ("regularisation-differs", (("lr=0.1)", "lr=0.1, weight_decay=1e-2)"),)),
    ("momentum-differs", (("lr=0.1)", "lr=0.1, momentum=0.9, dampening=0.9)"),)),
    ("regularisation-differs", (("SGD(p, lr=0.1)", "AdamW(p, lr=0.01)"),)),
    ("momentum-differs", (("SGD(p, lr=0.1)", "Adam(p, lr=0.01, betas=(0.8, 0.99))"),)),
    ("momentum-differs", (("SGD(p, lr=0.1)", "SGD(p, lr=0.1, momentum=0.8, weight_decay=0.0)"),)),
    ("loss-mean-over-classes", ((_LOSS, f"nn.MSELoss()(torch.sigmoid(outputs), {_HOT})"),)),
    ("loss-mean-over-classes", ((_LOSS, f"nn.BCEWithLogitsLoss()(outputs, {_HOT})"),)),
    ("loss-mean-over-classes", ((_LOSS, f"nn.MSELoss()(outputs, {_HOT})"),)),
    ("exception", ((_LOSS, "F.cross_entropy(outputs, F.one_hot(labels, 10))"),)),
    ("one-hot-shifted", ((_LOSS, "F.cross_entropy(outputs, (labels + 1) % 10)"),)),
    ("softmax-wrong-axis",
     (("return self.b(h)", "return F.log_softmax(self.b(h), 0)"),
      ("F.cross_entropy", "F.nll_loss"))),
    ("gradient-missing", (("self.a(x))", "self.a(x)).detach()"),)),
    ("exception", (("return self.b(h)", "return self.b(h.T)"),)),
    ("bias-missing", (("nn.Linear(64, 20)", "nn.Linear(64, 20, bias=False)"),)),
)  # fmt: skip
"""Code that must be named first, and what changes in `TORCH_FILE`."""

TORCH_RIGHT: tuple[tuple[Change, ...], ...] = (
    (),
    (("nn.Identity()", "nn.Dropout(0.3)"),),
    (("lr=0.1)", "lr=0.1, momentum=0.9)"),),
    (("torch.optim.SGD(p, lr=0.1)", "torch.optim.Adam(p, lr=0.001)"),),
    (("return self.b(h)", "return F.log_softmax(self.b(h), 1)"), ("F.cross_entropy", "F.nll_loss")),
    (("torch.relu(self.a(x))", "torch.tanh(self.a(x))"),),
    ((_LOSS, f"F.cross_entropy(outputs, {_HOT})"),),
    (("SGD(p, lr=0.1)", "AdamW(p, lr=0.01, weight_decay=0.0)"),),
    (("SGD(p, lr=0.1)", "Adagrad(p, lr=0.01)"),),
    (("torch.relu(self.a(x))", "F.leaky_relu(self.a(x), 0.2)"),),
    (
        ("nn.Linear(64, 20)", "nn.Linear(64, 20, bias=False)"),
        ("nn.Linear(20, 10)", "nn.Linear(20, 10, bias=False)"),
    ),
)
"""Files that look unusual and are right."""


def torch_source(changes: tuple[Change, ...]) -> str:
    """Return `TORCH_FILE` with changes.

    Raises:
        AssertionError: a change's text does not stand in it.
    """
    text = TORCH_FILE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text
