"""Mistakes of the backward pass, found tensor by tensor from the output side back.

At each tensor the user's gradient is held against the reference's and against what each known
mistake makes of it. The δ of the mistake that fits is taken on to the layer before, so a second
mistake further back is found by itself.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mlpwatch.core.checking.comparison import Truth
from mlpwatch.core.checking.reference import (
    ACTIVATIONS,
    Array,
    logistic,
    loss_derivative,
    nonlinearity,
    output_delta,
    softmax,
    through_output,
)
from mlpwatch.core.specification import Specification


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to calculate an array, right or wrong."""

    code: str
    """Empty for the right one."""
    text: str
    values: list[Array]
    """By batch."""


OutputRule = tuple[str, str, Callable[[Truth], Array]]
"""Code, both formulas, and B δ (batch, classes)."""


def _z(t: Truth) -> Array:
    return t.result.sums[-1]


def _p(t: Truth) -> Array:
    return t.result.outputs


def output_deltas(spec: Specification, truths: Sequence[Truth]) -> Iterator[Variant]:
    """Yield δ of the output layer, ∂L/∂z (batch, classes): right first, then each mistake."""
    loss, function = spec.loss, spec.output_function
    rules: list[OutputRule] = [
        ("", "", lambda t: output_delta(_z(t), t.y, loss, function)),
        *_derivative_rules(loss, function),
        *_target_rules(spec),
        *_loss_rules(loss, function),
    ]
    for code, text, rule in rules:
        with np.errstate(all="ignore"):
            values = [rule(t) / len(t.y) for t in truths]
        yield Variant(code, text, values)


def _derivative_rules(loss: str, function: str) -> list[OutputRule]:
    """The output activation's derivative: missing, doubled, or of something else."""
    right = f"δ = ∂L/∂z of {loss} after {function}"

    def slope(t: Truth) -> Array:
        return _p(t) * (1 - _p(t)) if function != "linear" else np.ones_like(_p(t))

    return [
        ("output-derivative-missing",
         f"yours is δ = ∂L/∂p; the reference has {right} = ∂L/∂p · ∂p/∂z: the output activation's "
         "derivative is missing",
         lambda t: loss_derivative(_p(t), t.y, loss)),
        ("output-derivative-missing",
         f"yours is δ = p - y, which is right for cross-entropy; the reference has {right}, here "
         "with the output activation's derivative p (1 - p) as a factor",
         lambda t: _p(t) - t.y),
        ("output-derivative-doubled",
         f"yours has p (1 - p) as one factor too many; the reference has {right}, where it is "
         "contained, or cancelled, already",
         lambda t: output_delta(_z(t), t.y, loss, function) * slope(t)),
        ("output-derivative-missing",
         "yours takes only the diagonal p (1 - p) of the softmax's derivative; the reference has "
         "∂p_i/∂z_j = p_i (1[i = j] - p_j)",
         lambda t: loss_derivative(_p(t), t.y, loss) * _p(t) * (1 - _p(t))),
        ("sigmoid-derivative-of-activation",
         "output layer: yours takes the sigmoid's derivative at p, σ(p) (1 - σ(p)); the reference "
         "takes it at z, which is p (1 - p)",
         lambda t: loss_derivative(_p(t), t.y, loss) * logistic(_p(t)) * (1 - logistic(_p(t)))),
        ("sigmoid-derivative-of-activation",
         "output layer: yours is z (1 - z); the reference has p (1 - p), p = σ(z)",
         lambda t: loss_derivative(_p(t), t.y, loss) * _z(t) * (1 - _z(t))),
    ]  # fmt: skip


def _target_rules(spec: Specification) -> list[OutputRule]:
    """The targets: in another column, class numbers in place of one-hot, or none."""
    rules: list[OutputRule] = []
    for shift, how in ((1, "one class too high"), (-1, "one class too low")):
        sign = "+" if shift > 0 else "-"
        rules += [
            ("one-hot-shifted",
             f"yours has the targets {how}: the 1 of class c stands in column c {sign} 1; the "
             "reference has it in column c (count from 0)",
             partial(_shifted_delta, spec, shift, False)),
            ("one-hot-shifted",
             f"yours has the targets {how}, and none for the class at the edge; the reference has "
             "the 1 of class c in column c (count from 0)",
             partial(_shifted_delta, spec, shift, True)),
        ]  # fmt: skip
    return [
        *rules,
        ("one-hot-shifted",
         "yours subtracts the class number from every output; the reference subtracts one-hot y",
         lambda t: _p(t) - t.batch.labels[:, None]),
        ("output-derivative-missing",
         "yours is δ = p, without the targets; the reference has p - y", _p),
    ]  # fmt: skip


def _loss_rules(loss: str, function: str) -> list[OutputRule]:
    """Another loss, or softmax twice."""
    rules: list[OutputRule] = []
    if loss == "cross-entropy":
        rules.append((
            "double-softmax",
            "your loss takes the softmax of what is a softmax already (nn.CrossEntropyLoss wants "
            "logits); the reference takes it once: δ = p - y",
            lambda t: through_output(softmax(softmax(_z(t))) - t.y, softmax(_z(t)), "softmax"),
        ))  # fmt: skip
    if function != "linear":
        rules.append((
            "own-loss-differs",
            "yours is δ = z - y, the gradient of the squared error of the logits; the reference's "
            f"loss is {loss} after {function}, which z goes through first",
            lambda t: _z(t) - t.y,
        ))  # fmt: skip
    for other in ("cross-entropy", "mse", "bce"):
        for out in ("softmax", "sigmoid", "linear"):
            if other == loss or (other != "mse" and out == "linear"):
                continue
            text = (
                f"your gradient is that of {other} after {out}; the reference's loss is {loss} "
                f"after {function}"
            )
            rules.append(("own-loss-differs", text, partial(_of_other, other, out)))
    return rules


def _shifted_delta(spec: Specification, shift: int, cut: bool, t: Truth) -> Array:
    y = _cut(t.y, shift) if cut else np.roll(t.y, shift, axis=1)
    return output_delta(t.result.sums[-1], y, spec.loss, spec.output_function)


def _cut(y: Array, shift: int) -> Array:
    rolled = np.roll(y, shift, axis=1)
    rolled[:, 0 if shift > 0 else -1] = 0
    return np.asarray(rolled)


def _of_other(loss: str, function: str, t: Truth) -> Array:
    if (loss, function) in {("cross-entropy", "softmax"), ("bce", "sigmoid")}:
        return t.result.outputs - t.y
    return through_output(loss_derivative(t.result.outputs, t.y, loss), t.result.outputs, function)


HiddenRule = tuple[str, str, Callable[[Array, Array], Array]]
"""Code, what yours is, and the derivative from z and a, both (batch, width)."""


def _slope_below(slope: float) -> Callable[[Array, Array], Array]:
    return lambda z, _a: np.where(z > 0, 1.0, slope)


def _above(limit: float) -> Callable[[Array, Array], Array]:
    return lambda z, _a: np.where(z > limit, 1.0, 0.0)


_MASKS: tuple[HiddenRule, ...] = (
    ("relu-mask-wrong", "yours lets through where z < 0", lambda z, _a: np.where(z < 0, 1.0, 0.0)),
    ("relu-mask-wrong", "yours multiplies by max(z, 0) in place of 0 or 1",
     lambda z, _a: np.maximum(z, 0)),
    ("relu-mask-wrong", "yours multiplies by the sign of z, -1 or 1",
     lambda z, _a: np.asarray(np.sign(z))),
    ("relu-mask-wrong", "yours multiplies by z", lambda z, _a: z),
    ("relu-mask-wrong", "yours lets through only where z > 1", _above(1.0)),
    ("relu-mask-wrong", "yours lets through only where z > 0.5", _above(0.5)),
    *(("relu-mask-wrong", f"yours has the slope {slope:g} where z < 0", _slope_below(slope))
      for slope in (0.0, 0.01, 0.1, 0.2, 0.001, 0.3)),
)  # fmt: skip

HIDDEN_MISTAKES: Mapping[str, tuple[HiddenRule, ...]] = {
    "relu": _MASKS,
    "leaky-relu": _MASKS,
    "sigmoid": (
        ("sigmoid-derivative-of-activation",
         "yours takes σ'(a) = σ(a) (1 - σ(a)) with a = σ(z): the sigmoid is applied twice",
         lambda _z, a: logistic(a) * (1 - logistic(a))),
        ("sigmoid-derivative-of-activation", "yours is z (1 - z), which wants a",
         lambda z, _a: z * (1 - z)),
        ("activation-derivative-missing", "yours is a alone", lambda _z, a: a),
        ("activation-derivative-missing", "yours is 1 - a alone", lambda _z, a: 1 - a),
        ("activation-mismatch", "yours is 1 - a², tanh's", lambda _z, a: 1 - a * a),
    ),
    "tanh": (
        ("tanh-derivative-of-sum", "yours is 1 - z², which wants a = tanh(z)",
         lambda z, _a: 1 - z * z),
        ("tanh-derivative-of-sum",
         "yours takes tanh'(a) = 1 - tanh(a)²: tanh is applied twice",
         lambda _z, a: np.asarray(1 - np.tanh(a) ** 2)),
        ("activation-derivative-missing", "yours is 1 - a", lambda _z, a: 1 - a),
        ("activation-mismatch", "yours is a (1 - a), the sigmoid's", lambda _z, a: a * (1 - a)),
    ),
}  # fmt: skip


def hidden_derivatives(name: str, truths: Sequence[Truth], k: int) -> Iterator[Variant]:
    """Yield f'(z) of hidden layer k (batch, width): right first, then each mistake.

    Args:
        name: of the layer's activation.
        truths: the reference by batch.
        k: the layer, from 0.
    """
    own = nonlinearity(name)
    z = [t.result.sums[k] for t in truths]
    a = [t.result.inputs[k + 1] for t in truths]

    def made(code: str, text: str, rule: Callable[[Array, Array], Array]) -> Variant:
        with np.errstate(all="ignore"):
            values = [rule(x, y) for x, y in zip(z, a, strict=True)]
        said = f"layer {k}: {text}; the reference has {own.derivative_formula}"
        return Variant(code, said, values)

    right = [own.derivative(x) for x in z]
    yield Variant("", "", right)
    yield Variant(
        "activation-derivative-missing",
        f"layer {k}: yours has no f'(z): δ goes through the activation as it is; the reference "
        f"has {own.derivative_formula}",
        [np.ones_like(x) for x in z],
    )
    for code, text, rule in HIDDEN_MISTAKES.get(name.partition(" ")[0], ()):
        variant = made(code, text, rule)
        if not all(np.array_equal(v, r) for v, r in zip(variant.values, right, strict=True)):
            yield variant
    for other, function in ACTIVATIONS.items():
        if other not in {name, "none"}:
            text = f"yours is the derivative of {other}, {function.derivative_formula}"
            derivative = function.derivative
            said = f"layer {k}: {text}; the reference has {own.derivative_formula}"
            yield Variant("activation-mismatch", said, [derivative(x) for x in z])
    yield made("unknown", "yours has f'(z) twice as a factor", lambda x, _a: own.derivative(x) ** 2)


def products(
    weights: Sequence[Array], k: int, deltas: Sequence[Array], steps: Sequence[Array] | None
) -> Iterator[Variant]:
    """Yield δ_k+1 W_k+1ᵀ (batch, width of hidden layer k), right first.

    Args:
        weights: W_k (fan_in, fan_out).
        k: the hidden layer that δ goes back to.
        deltas: δ_k+1 by batch.
        steps: what the update adds to W_k+1 by batch, if the check knows it.
    """
    w = weights[k + 1]
    yield Variant("", "", [d @ w.T for d in deltas])
    if w.shape[0] == w.shape[1]:
        yield Variant(
            "transposed",
            f"layer {k + 1}: yours takes δ back through W; the reference through Wᵀ",
            [d @ w for d in deltas],
        )
    if steps is not None:
        yield Variant(
            "weights-updated-before-delta",
            f"layer {k + 1}: yours takes δ back through W after its update; the reference "
            "through the W of the forward pass (update all layers at the end)",
            [d @ (w + s).T for d, s in zip(deltas, steps, strict=True)],
        )
    yield Variant(
        "relu-mask-wrong",
        f"layer {k}: yours lets δ through where δ itself is above 0; the reference where z > 0",
        [np.maximum(d @ w.T, 0) for d in deltas],
    )


def weight_gradients(
    truths: Sequence[Truth], weights: Sequence[Array], k: int, deltas: Sequence[Array]
) -> Iterator[Variant]:
    """Yield ∂L/∂W_k (fan_in, fan_out) from δ_k: right first, then each mistake."""
    inputs = [t.result.inputs[k] for t in truths]
    yield Variant("", "", [a.T @ d for a, d in zip(inputs, deltas, strict=True)])
    if weights[k].shape[0] == weights[k].shape[1]:
        yield Variant(
            "transposed",
            f"layer {k}: yours is δᵀ a; the reference has ∂L/∂W = aᵀ δ in your layout",
            [(a.T @ d).T for a, d in zip(inputs, deltas, strict=True)],
        )
    if k > 0:
        sums = [t.result.sums[k - 1] for t in truths]
        yield Variant(
            "activation-mismatch",
            f"layer {k}: yours takes z of the layer before as its input; the reference takes a",
            [z.T @ d for z, d in zip(sums, deltas, strict=True)],
        )
        if weights[k].shape[0] == weights[0].shape[0]:
            yield Variant(
                "activation-mismatch",
                f"layer {k}: yours takes the images as its input; the reference takes a",
                [t.result.inputs[0].T @ d for t, d in zip(truths, deltas, strict=True)],
            )
    yield Variant(
        "unknown",
        f"layer {k}: yours is made from the first image alone",
        [a[:1].T @ d[:1] for a, d in zip(inputs, deltas, strict=True)],
    )


def bias_gradients(k: int, deltas: Sequence[Array]) -> Iterator[Variant]:
    """Yield ∂L/∂b_k (fan_out,) from δ_k: right first, then each mistake."""
    yield Variant("", "", [d.sum(axis=0) for d in deltas])
    yield Variant(
        "bias-gradient-averaged",
        f"layer {k}: yours is the mean of δ over the batch, where δ has 1/B in it already; the "
        "reference has the sum",
        [d.mean(axis=0) for d in deltas],
    )
    for row, which in ((0, "first"), (-1, "last")):
        yield Variant(
            "bias-gradient-not-summed",
            f"layer {k}: yours is δ of the {which} image; the reference has Σ_batch δ",
            [d[row] for d in deltas],
        )
    yield Variant(
        "bias-gradient-not-summed",
        f"layer {k}: yours is one number, δ summed over images and units; the reference has "
        "Σ_batch δ for each unit (axis=0, or axis=1 in columns)",
        [np.full(d.shape[1], d.sum()) for d in deltas],
    )
