"""The reference: an MLP in float64, written as the textbook has it, one formula per function.

It is not fast and not safe for training; `core.network` is. Mistakes are built as changes of it,
so each step of its arithmetic can be replaced by a wrong one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.network.optimizers import Optimizer, optimizer_named
from mlpwatch.core.specification import LEAK, LEAKY_OF_SLOPE, Specification

Array = NDArray[np.float64]
Function = Callable[[Array], Array]


def logistic(z: Array) -> Array:
    """Return σ(z) = 1 / (1 + exp(-z)), as (1 + tanh(z / 2)) / 2, which never overflows."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * z)))


def softmax(z: Array, axis: int | None = 1) -> Array:
    """Return exp(z) / Σ exp(z) along `axis`, the largest z taken out first."""
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def _phi(z: Array) -> Array:
    """The standard normal distribution function Φ(z), by the error function."""
    from math import erf  # noqa: PLC0415 - NumPy has none

    return np.asarray(0.5 * (1 + np.vectorize(erf, otypes=[float])(z / np.sqrt(2))))


def _gelu(z: Array) -> Array:
    return z * _phi(z)


def _gelu_derivative(z: Array) -> Array:
    return np.asarray(_phi(z) + z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi))


@dataclass(frozen=True, slots=True)
class Nonlinearity:
    """A function and its derivative, both of z, with the formulas that messages quote."""

    apply: Function
    derivative: Function
    formula: str
    derivative_formula: str


def _leaky(slope: float) -> Nonlinearity:
    return Nonlinearity(
        lambda z: np.where(z > 0, z, slope * z),
        lambda z: np.where(z > 0, 1.0, slope),
        f"a = z where z > 0, else {slope:g} z",
        f"f'(z) = 1 where z > 0, else {slope:g}",
    )


ACTIVATIONS: Mapping[str, Nonlinearity] = {
    "relu": Nonlinearity(
        lambda z: np.where(z > 0, z, 0.0),
        lambda z: np.where(z > 0, 1.0, 0.0),
        "a = max(z, 0)",
        "f'(z) = 1 where z > 0, else 0",
    ),
    "sigmoid": Nonlinearity(
        logistic,
        lambda z: logistic(z) * (1 - logistic(z)),
        "a = σ(z)",
        "f'(z) = a (1 - a), a = σ(z)",
    ),
    "tanh": Nonlinearity(
        lambda z: np.asarray(np.tanh(z)),
        lambda z: np.asarray(1 - np.tanh(z) ** 2),
        "a = tanh(z)",
        "f'(z) = 1 - a², a = tanh(z)",
    ),
    "leaky-relu": _leaky(LEAK),
    "gelu": Nonlinearity(_gelu, _gelu_derivative, "a = z Φ(z)", "f'(z) = Φ(z) + z φ(z)"),
    "none": Nonlinearity(lambda z: z, np.ones_like, "a = z", "f'(z) = 1"),
    # Other slopes of public code and of Keras.
    **{f"{LEAKY_OF_SLOPE}{slope}": _leaky(slope) for slope in (0.05, 0.1, 0.2, 0.3)},
}


def nonlinearity(name: str) -> Nonlinearity:
    """Return the activation of this name, with its slope as in `Specification.activation_key`."""
    if name in ACTIVATIONS:
        return ACTIVATIONS[name]
    return _leaky(float(name.removeprefix(LEAKY_OF_SLOPE)))


def one_hot(labels: NDArray[np.int64], classes: int) -> Array:
    """Return y (batch, classes), 1 at each true class."""
    return np.asarray(np.eye(classes)[labels])


def outputs_from(z: Array, function: str) -> Array:
    """Return the outputs (batch, classes) that logits z become."""
    if function == "softmax":
        return softmax(z)
    return logistic(z) if function == "sigmoid" else z


def loss_per_image(p: Array, y: Array, loss: str) -> Array:
    """Return the loss of each image (batch,), summed over the classes.

    Args:
        p: outputs (batch, classes).
        y: one-hot targets (batch, classes).
        loss: its name.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if loss == "cross-entropy":
            return np.asarray(-np.log(np.where(y > 0, p, 1.0)).sum(axis=1))
        if loss == "bce":
            right = np.where(y > 0, p, 1 - p)
            return np.asarray(-np.log(right).sum(axis=1))
    squares = ((p - y) ** 2).sum(axis=1)
    return np.asarray(squares / 2 if loss == "half-mse" else squares)


def loss_derivative(p: Array, y: Array, loss: str) -> Array:
    """Return ∂(loss of an image)/∂p (batch, classes)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if loss == "cross-entropy":
            return np.asarray(np.where(y > 0, -1 / p, 0.0))
        if loss == "bce":
            return np.asarray(np.where(y > 0, -1 / p, 1 / (1 - p)))
    return (p - y) if loss == "half-mse" else 2 * (p - y)


def output_delta(z: Array, y: Array, loss: str, function: str) -> Array:
    """Return B · ∂L/∂z (batch, classes) of the last layer; L is the mean over the batch of B."""
    p = outputs_from(z, function)
    if (loss, function) in {("cross-entropy", "softmax"), ("bce", "sigmoid")}:
        return p - y  # the two derivatives cancel
    return through_output(loss_derivative(p, y, loss), p, function)


def through_output(d: Array, p: Array, function: str) -> Array:
    """Return ∂/∂z (batch, classes) of what has the derivative d by the outputs p."""
    if function == "softmax":
        return np.asarray(p * (d - (d * p).sum(axis=1, keepdims=True)))
    return d * p * (1 - p) if function == "sigmoid" else d


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward pass: what each layer got and made."""

    inputs: list[Array]
    """A_0 … A_L-1 (batch, fan_in)."""
    sums: list[Array]
    """Z_0 … Z_L-1 (batch, fan_out); the last one the logits."""
    outputs: Array
    """(batch, classes): probabilities, or what the output activation makes."""


Weights = Sequence[Array]
"""W_0 … W_L-1 (fan_in, fan_out)."""
Biases = Sequence[Array]
"""b_0 … b_L-1 (fan_out,)."""


def forward(spec: Specification, weights: Weights, biases: Biases, x: Array) -> Pass:
    """Return the forward pass on x (batch, features)."""
    activation = nonlinearity(spec.activation_key)
    inputs, sums, a = [], [], x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        inputs.append(a)
        # Z_k = A_k W_k + b_k                       (batch, fan_out)
        z = a @ w + b
        sums.append(z)
        # A_k+1 = f(Z_k)                            (batch, fan_out)
        a = activation.apply(z) if k < len(weights) - 1 else outputs_from(z, spec.output_function)
    return Pass(inputs, sums, a)


def backward(
    spec: Specification, weights: Weights, result: Pass, y: Array
) -> tuple[list[Array], list[Array]]:
    """Return ∂L/∂W_k (fan_in, fan_out) and ∂L/∂b_k (fan_out,), input side first."""
    activation = nonlinearity(spec.activation_key)
    # δ_L-1 = ∂L/∂Z_L-1                             (batch, classes)
    delta = output_delta(result.sums[-1], y, spec.loss, spec.output_function) / len(y)
    by_weights, by_biases = [], []
    for k in reversed(range(len(weights))):
        # ∂L/∂W_k = A_kᵀ δ_k                        (fan_in, fan_out)
        by_weights.append(result.inputs[k].T @ delta)
        # ∂L/∂b_k = Σ_batch δ_k                     (fan_out,)
        by_biases.append(delta.sum(axis=0))
        if k > 0:
            # δ_k-1 = (δ_k W_kᵀ) ⊙ f'(Z_k-1)        (batch, fan_in)
            delta = (delta @ weights[k].T) * activation.derivative(result.sums[k - 1])
    return by_weights[::-1], by_biases[::-1]


class ReferenceOptimizer:
    """One optimizer on a list of arrays; weight decay is not its business.

    Args:
        name: of the optimizer.
        learning_rate: η.
        momentum: μ.
        betas: β₁ and β₂ of Adam.
        alpha: ρ of RMSprop.
        eps: ε of Adam and RMSprop. All by default as in PyTorch.
    """

    MOMENTUM, BETA_1, BETA_2, RMS_DECAY, EPSILON = 0.9, 0.9, 0.999, 0.99, 1e-8

    def __init__(
        self,
        name: str,
        learning_rate: float,
        *,
        momentum: float = MOMENTUM,
        betas: Sequence[float] = (BETA_1, BETA_2),
        alpha: float = RMS_DECAY,
        eps: float = EPSILON,
    ) -> None:
        self._mu, self._betas, self._rho, self._eps = momentum, betas, alpha, eps
        self._name = name
        self._rate = learning_rate
        self._updates = 0
        self._first: list[Array] = []
        self._second: list[Array] = []
        self._rules: dict[int, Optimizer] = {}

    def steps(self, gradients: Sequence[Array]) -> list[Array]:
        """Return what is added to each array for its gradient."""
        self._updates += 1
        if not self._first:
            self._first = [np.zeros_like(g) for g in gradients]
            self._second = [np.zeros_like(g) for g in gradients]
        return [self._step(i, g) for i, g in enumerate(gradients)]

    def _step(self, i: int, g: Array) -> Array:
        if self._name == "sgd":
            return -self._rate * g
        mu, rho, eps, (beta_1, beta_2) = self._mu, self._rho, self._eps, self._betas
        if self._name in {"momentum", "nesterov"}:
            # v ← μ v + g
            v = self._first[i] = mu * self._first[i] + g
            return -self._rate * (g + mu * v if self._name == "nesterov" else v)
        if self._name == "rmsprop":
            # v ← ρ v + (1 - ρ) g²
            v = self._second[i] = rho * self._second[i] + (1 - rho) * g * g
            return np.asarray(-self._rate * g / (np.sqrt(v) + eps))
        if self._name not in {"adam", "adamw"}:
            return self._own_step(i, g)
        # m ← β₁ m + (1 - β₁) g; v ← β₂ v + (1 - β₂) g²; both divided by 1 - βᵗ
        m = self._first[i] = beta_1 * self._first[i] + (1 - beta_1) * g
        v = self._second[i] = beta_2 * self._second[i] + (1 - beta_2) * g * g
        m_hat = m / (1 - beta_1**self._updates)
        v_hat = v / (1 - beta_2**self._updates)
        return np.asarray(-self._rate * m_hat / (np.sqrt(v_hat) + eps))

    def _own_step(self, i: int, g: Array) -> Array:
        """Return the step of an optimizer without formulas here: our own engine's, in float64."""
        moved = np.zeros(g.size)
        if i not in self._rules:
            if (kind := optimizer_named(self._name)) is None:
                raise ValueError(f"optimizer {self._name!r}: there is none with this name")
            self._rules[i] = kind(self._rate, moved, momentum=self._mu)
        rule = self._rules[i]
        rule.update(moved, np.array(g, np.float64).ravel())
        return moved.reshape(g.shape)
