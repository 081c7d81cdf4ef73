"""Mistakes of the forward pass, each as a change of the reference's, found by trying them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from mlpwatch.core.checking.reference import (
    ACTIVATIONS,
    Array,
    Biases,
    Pass,
    Weights,
    logistic,
    nonlinearity,
    outputs_from,
    softmax,
)
from mlpwatch.core.specification import LEAKY_OF_SLOPE, Specification


def _shifted(z: Array, shift: int | None, axis: int | None) -> Array:
    """Return exp(z - max z along `shift`) ÷ its sum along `axis`."""
    e = np.exp(z - z.max(axis=shift, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


OUTPUTS: dict[str, tuple[Callable[[Array], Array], str, str]] = {
    # name: function of the logits, code, what it says of itself
    "softmax": (softmax, "activation-mismatch", "softmax: p = exp(z) / Σ_classes exp(z)"),
    "sigmoid": (logistic, "activation-mismatch", "sigmoid: p = 1 / (1 + exp(-z))"),
    "linear": (lambda z: z, "activation-mismatch", "the logits z themselves"),
    "softmax over the batch": (
        lambda z: softmax(z, 0), "softmax-wrong-axis", "p = exp(z) / Σ_images exp(z)",
    ),
    "softmax over everything": (
        lambda z: softmax(z, None), "softmax-global-sum", "p = exp(z) / Σ_images,classes exp(z)",
    ),
    "softmax over everything, each row shifted": (
        lambda z: _shifted(z, 1, None), "softmax-global-sum",
        "p = exp(z) / Σ_images,classes exp(z)",
    ),
    "softmax over the batch, each row shifted": (
        lambda z: _shifted(z, 1, 0), "softmax-wrong-axis", "p = exp(z) / Σ_images exp(z)",
    ),
    "softmax twice": (
        lambda z: softmax(softmax(z)), "double-softmax", "p = softmax(softmax(z))",
    ),
    "softmax of the sigmoid": (
        lambda z: softmax(logistic(z)), "activation-mismatch", "p = softmax(σ(z))",
    ),
    "sigmoid twice": (
        lambda z: logistic(logistic(z)), "activation-mismatch", "p = σ(σ(z))",
    ),
    "log-softmax": (
        lambda z: np.asarray(np.log(softmax(z))), "activation-mismatch", "log softmax(z)",
    ),
    "log-softmax over the batch": (
        lambda z: np.asarray(np.log(softmax(z, 0))), "softmax-wrong-axis",
        "log softmax over the images",
    ),
    "relu": (lambda z: np.maximum(z, 0), "activation-mismatch", "max(z, 0) of the last layer"),
    "softmax of relu": (
        lambda z: softmax(np.maximum(z, 0)), "activation-mismatch", "softmax(max(z, 0))",
    ),
    "sigmoid of relu": (
        lambda z: logistic(np.maximum(z, 0)), "activation-mismatch", "σ(max(z, 0))",
    ),
    "tanh": (lambda z: np.asarray(np.tanh(z)), "activation-mismatch", "tanh(z)"),
    "softmax of tanh": (
        lambda z: softmax(np.tanh(z)), "activation-mismatch", "softmax(tanh(z))",
    ),
    "exp without sum": (lambda z: np.asarray(np.exp(z)), "softmax-global-sum", "exp(z)"),
    "softmax with base 2": (
        lambda z: softmax(z * np.log(2)), "activation-mismatch", "2^z / Σ 2^z",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ForwardChange:
    """What a forward pass does otherwise; empty for the reference's own."""

    activations: tuple[tuple[int, str], ...] = ()
    """Hidden layers with another activation."""
    without_bias: tuple[int, ...] = ()
    doubled_bias: tuple[int, ...] = ()
    transposed: tuple[int, ...] = ()
    """Square layers whose W is used transposed."""
    output: str = ""
    """A name of `OUTPUTS`; empty for the right one."""
    whole: str = ""
    """`input`, `weights` or `sums`: what is cut down to whole numbers."""
    pixels: float = 1.0
    """Factor of the pixels."""

    @property
    def is_none(self) -> bool:
        """Whether it changes nothing."""
        return self == ForwardChange()


def changed_forward(
    spec: Specification, weights: Weights, biases: Biases, x: Array, change: ForwardChange
) -> Pass:
    """Return the forward pass with a change; see `reference.forward`."""
    names = dict(change.activations)
    inputs, sums, a = [], [], x * change.pixels
    a = np.trunc(a) if change.whole == "input" else a
    last = len(weights) - 1
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        inputs.append(a)
        matrix = w.T if k in change.transposed else w
        matrix = np.trunc(matrix) if change.whole == "weights" else matrix
        bias = 0 * b if k in change.without_bias else 2 * b if k in change.doubled_bias else b
        z = a @ matrix + bias
        z = np.trunc(z) if change.whole == "sums" else z
        sums.append(z)
        if k < last:
            a = nonlinearity(names.get(k, spec.activation_key)).apply(z)
            a = np.trunc(a) if change.whole == "activations" else a
        else:
            make = OUTPUTS[change.output][0] if change.output else None
            a = outputs_from(z, spec.output_function) if make is None else make(z)
            a = np.round(a) if change.whole == "outputs" else a
    return Pass(inputs, sums, np.asarray(a))


def single_changes(spec: Specification, widths: Sequence[int]) -> Iterator[ForwardChange]:
    """Yield each mistake by itself, the likeliest first.

    Args:
        spec: of the network.
        widths: features, hidden layers, classes.
    """
    layers = len(widths) - 1
    hidden = tuple(range(layers - 1))
    everywhere = tuple(range(layers))
    yield from (ForwardChange(output=name) for name in OUTPUTS if name != spec.output_function)
    others = [name for name in ACTIVATIONS if name != spec.activation_key]
    if hidden:
        yield from (ForwardChange(activations=tuple((k, n) for k in hidden)) for n in others)
    if len(hidden) > 1:
        yield from (ForwardChange(activations=((k, n),)) for k, n in product(hidden, others))
    yield ForwardChange(without_bias=everywhere)
    if layers > 1:
        yield from (ForwardChange(without_bias=(k,)) for k in everywhere)
        yield ForwardChange(without_bias=hidden)
        yield ForwardChange(without_bias=everywhere[1:])
    yield from (ForwardChange(whole=w) for w in
                ("input", "weights", "sums", "activations", "outputs"))  # fmt: skip
    yield from (ForwardChange(transposed=(k,)) for k in everywhere if widths[k] == widths[k + 1])
    yield from (ForwardChange(doubled_bias=(k,)) for k in everywhere)
    yield from (ForwardChange(pixels=f) for f in (255.0, 1 / 255, 16.0, 1 / 16, 1 / 15))


def find_forward_change(
    spec: Specification,
    widths: Sequence[int],
    fits: Callable[[ForwardChange], bool],
) -> ForwardChange | None:
    """Return the change, or the pair of changes, that gives the user's outputs.

    Args:
        spec: of the network.
        widths: features, hidden layers, classes.
        fits: says whether a change gives them on all batches.
    """
    singles = list(single_changes(spec, widths))
    for change in singles:
        if fits(change):
            return change
    for first, second in product(singles, singles):
        pair = _both(first, second)
        if pair is not None and fits(pair):
            return pair
    return None


def _both(first: ForwardChange, second: ForwardChange) -> ForwardChange | None:
    """Return both changes at once where they are of different kinds."""
    if second.pixels != 1:
        return None
    if first.output and not second.output:
        empty = ForwardChange()
        merged = replace(second, output=first.output)
        return merged if second != empty else None
    if first.activations and second.without_bias:
        return replace(first, without_bias=second.without_bias)
    return None


def _declared_as(name: str) -> str:
    """Return how a file says that its leaky ReLU has another slope than the usual one."""
    slope = name.removeprefix(LEAKY_OF_SLOPE)
    return f" If that is meant, say negative_slope = {slope}." if slope != name else ""


def describe(
    change: ForwardChange, spec: Specification, layers: int
) -> list[tuple[str, tuple[str, ...], str]]:
    """Return code, tensors and text of each mistake in a change."""
    found: list[tuple[str, tuple[str, ...], str]] = []
    right = nonlinearity(spec.activation_key)
    wrong = sorted({name for _k, name in change.activations})
    for name in wrong:
        places = [k for k, n in change.activations if n == name]
        where = _layers(places, layers - 1, "hidden layer")
        what = "no activation" if name == "none" else f"{name}, {ACTIVATIONS[name].formula}"
        found.append((
            "activation-mismatch", ("outputs",),
            f"{where}: yours is {what}; the reference has {spec.activation_key}, {right.formula}."
            + _declared_as(name),
        ))  # fmt: skip
    if change.without_bias:
        where = _layers(change.without_bias, layers, "layer")
        found.append((
            "bias-missing", ("outputs",),
            f"{where}: yours is z = a W; the reference has z = a W + b.",
        ))  # fmt: skip
    for code, layers_with_it, formula in (
        ("unknown", change.doubled_bias, "a W + 2 b"),
        ("transposed", change.transposed, "a Wᵀ + b"),
    ):
        found += [
            (
                code,
                ("outputs",),
                f"layer {k}: yours is z = {formula}; the reference has z = a W + b.",
            )
            for k in layers_with_it
        ]
    if change.output:
        _make, code, formula = OUTPUTS[change.output]
        expected = OUTPUTS[spec.output_function][2]
        found.append((
            code, ("outputs",), f"output layer: yours is {formula}; the reference has {expected}.",
        ))  # fmt: skip
    if change.whole:
        found.append((
            "integer-arithmetic", ("outputs",),
            f"your outputs are those of {change.whole} cut down to whole numbers; the reference "
            "keeps all digits. Look for int(), astype(int), // or an integer array written into.",
        ))  # fmt: skip
    if change.pixels != 1:
        found.append((
            "unknown", ("outputs",),
            f"your outputs are those of pixels times {change.pixels:.4g}: forward scales what was "
            "scaled already. Say with `pixels` what forward is to be given.",
        ))  # fmt: skip
    return found


def _layers(places: Sequence[int], count: int, noun: str) -> str:
    if len(places) == count and count > 1:
        return f"every {noun}"
    return (
        f"{noun} {', '.join(map(str, places))}"
        if len(places) == 1
        else (f"{noun}s {', '.join(map(str, places))}")
    )
