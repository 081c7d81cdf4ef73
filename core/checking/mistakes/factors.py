"""Constant factors between a given gradient and the reference's, and what each one means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpwatch.core.checking.reference import Array

FIT = {"float64": 1e-5, "float32": 2e-3, "float16": 0.1}
"""Largest rest, relative to the array, of a fit that counts: guards against log(0) leave 1e-6."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A given array is a factor times another one, on each batch."""

    factors: tuple[float, ...]
    """By batch."""
    sizes: tuple[int, ...]
    """Images of each batch."""

    @property
    def factor(self) -> float | None:
        """The factor, if it is the same on all batches."""
        first = self.factors[0]
        same = all(abs(f - first) <= SAME * abs(first) for f in self.factors)
        return first if same else None


SAME = 1e-3
"""Relative difference of factors that count as one."""


def factors_between(given: Sequence[Array], wanted: Sequence[Array], precision: str) -> Fit | None:
    """Return the factors with which `wanted` becomes `given`, or None where it does not.

    Args:
        given: an array for each batch.
        wanted: the same shapes.
        precision: of the user's network.
    """
    factors, sizes = [], []
    informative = False
    for u, v in zip(given, wanted, strict=True):
        norm = float((v * v).sum())
        largest = float(np.abs(u).max(initial=0.0))
        if u.shape != v.shape or not np.isfinite(u).all():
            return None
        if norm == 0.0 or largest == 0.0:
            if norm != largest:
                return None
            continue
        c = float((u * v).sum()) / norm
        if float(np.abs(u - c * v).max()) > FIT[precision] * largest:
            return None
        informative = informative or u.size > 1
        factors.append(c)
    if not factors or not informative:
        return None
    sizes = [0] * len(factors)
    return Fit(tuple(factors), tuple(sizes))


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a factor says."""

    code: str
    text: str


def meanings(
    factors: Sequence[float], sizes: Sequence[int], classes: int, learning_rate: float
) -> list[Meaning] | None:
    """Return what the factors of several batches mean; None where nothing fits, [] for 1.

    Args:
        factors: theirs ÷ the reference's, by batch.
        sizes: images of each batch.
        classes: number of classes.
        learning_rate: of the check's updates.
    """
    parts: list[tuple[Meaning | None, Array]] = []
    b = np.asarray(sizes, float)
    one = np.ones_like(b)

    def add(code: str, text: str, values: Array) -> None:
        parts.append((Meaning(code, text) if code else None, values))

    add("", "", one)
    add(
        "loss-mean-over-classes",
        f"divided by {classes}, the number of classes: yours averages over the classes, too "
        "(1/(B C) Σ_images Σ_classes, as nn.MSELoss() and np.mean() do); the reference sums over "
        "the classes and averages over the images (1/B Σ_images Σ_classes)",
        one / classes,
    )
    add(
        "loss-sum-over-batch",
        "times the number of images: yours sums over the batch; the reference averages over it "
        "(divide by the batch size once)",
        b,
    )
    add("loss-factor-two", "times 2: the derivative of a² is 2 a, of a²/2 is a; yours has a 2 "
        "that the reference's loss does not have", 2 * one)  # fmt: skip
    add("loss-factor-two", "times ½: the derivative of a² is 2 a; yours lacks the 2 (or the loss "
        "that you mean is a²/2)", one / 2)  # fmt: skip
    add("gradient-sign", "times -1: yours points uphill (y - p in place of p - y, or W += η ∂L/∂W)",
        -one)  # fmt: skip
    add("learning-rate-twice", "times the learning rate: yours has η in the gradient already, and "
        "the update multiplies by it again", learning_rate * one)  # fmt: skip
    add("loss-sum-over-batch", "divided by the number of images once more: yours averages over "
        "the batch twice", 1 / b)  # fmt: skip
    for i, (first, x) in enumerate(parts):
        if _equal(factors, x):
            return [] if first is None else [first]
        for second, y in parts[i:]:
            if first is not None and second is not None and _equal(factors, x * y):
                return [first, second]
    constant = np.asarray(factors) / b
    if len(set(sizes)) > 1 and _equal(list(constant), constant[0] * one):
        return [
            Meaning(
                "short-batch",
                f"right for batches of {1 / constant[0]:.4g} images only: yours divides by that "
                "number whatever the batch's size is; the reference divides by the images of the "
                "batch at hand",
            )
        ]
    return None


def _equal(factors: Sequence[float], values: Array) -> bool:
    return bool(np.all(np.abs(np.asarray(factors) - values) <= SAME * np.abs(values)))
