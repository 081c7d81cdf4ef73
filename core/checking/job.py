"""What a network is checked on: weights that start it, and batches of real images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.checking.reference import Array, backward, forward, one_hot
from mlpwatch.core.specification import Specification

HUGE = 1e4
"""Factor of the pixels in the batch that makes exp() overflow where it is written plainly."""

TRAINING_STEPS = 50
LEARNING_RATE = 0.05

BIAS_SPREAD = 0.1
"""Standard deviation of the biases: a bias of 0 hides what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Images and labels under a name that messages use."""

    name: str
    images: Array
    """(batch, features), pixels as the file wants them."""
    labels: NDArray[np.int64]
    """(batch,)"""
    is_huge: bool = False
    """Outputs saturate: only NaN and infinity are looked for."""


@dataclass(frozen=True, slots=True)
class Job:
    """One check's weights and batches. Batches are referred to by their place."""

    weights: list[Array]
    """W_k (fan_in, fan_out)."""
    biases: list[Array]
    """b_k (fan_out,)."""
    batches: list[Batch]
    classes: int
    coordinates: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    """Weights and biases whose slopes of the user's own loss are measured."""

    WHOLE = 2
    SHORT = 3
    FIRST, SECOND = 1, 7
    UPDATES = (2, 8)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by the names that the worker reads."""
        named: dict[str, NDArray[Any]] = {}
        for k, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            named |= {f"w{k}": w, f"b{k}": b}
        for i, batch in enumerate(self.batches):
            named |= {f"x{i}": batch.images, f"y{i}": batch.labels}
        return named

    def settings(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """What else the worker needs to know."""
        return {
            "layers": len(self.weights),
            "batches": len(self.batches),
            "classes": self.classes,
            "learning_rate": LEARNING_RATE,
            "spec": dict(spec),
            "whole": self.WHOLE,
            "short": self.SHORT,
            "first": self.FIRST,
            "second": self.SECOND,
            "update_batches": list(self.UPDATES),
            "training_batches": [2, 8],
            "training_steps": TRAINING_STEPS,
            "coordinates": [[name, list(at)] for name, at in self.coordinates],
        }


def make_job(
    spec: Specification, images: Array, labels: NDArray[np.int64], classes: int, seed: int = 0
) -> Job:
    """Return weights and batches for a network of this specification.

    Args:
        spec: of the network.
        images: (samples, features) in 0..1.
        labels: (samples,) true classes.
        classes: number of classes.
        seed: of all that is drawn.
    """
    rng = np.random.default_rng([seed, 15])
    pixels = pixels_as(images, spec.pixels)
    order = rng.permutation(len(images))
    pick = [order[a:b] for a, b in ((0, 1), (1, 8), (8, 40), (40, 45))]
    lacking = order[45:][labels[order[45:]] != classes - 1][:16]
    one_of_each = _with_every_class(order[100:], labels, classes)
    batches = [
        Batch("1 image", pixels[pick[0]], labels[pick[0]]),
        Batch("7 images", pixels[pick[1]], labels[pick[1]]),
        Batch(f"{len(one_of_each)} images", pixels[one_of_each], labels[one_of_each]),
        Batch("a short batch of 5", pixels[pick[3]], labels[pick[3]]),
        Batch("images without the last class", pixels[lacking], labels[lacking]),
        Batch("a blank image among 4", _with_blank(pixels, spec, pick[1][:4]), labels[pick[1][:4]]),
        Batch("pixels times 10,000", pixels[pick[1]] * HUGE, labels[pick[1]], is_huge=True),
        Batch("7 other images", pixels[order[60:67]], labels[order[60:67]]),
        Batch("32 other images", pixels[pick[2]], labels[pick[2]]),
    ]
    widths = [pixels.shape[1], *spec.hidden, classes]
    weights, biases = _draw(rng, widths, float(np.sqrt(np.mean(pixels**2))), has_bias=spec.bias)
    coordinates = _steepest(spec, weights, biases, batches[Job.FIRST], classes)
    return Job(weights, biases, batches, classes, coordinates)


def _steepest(
    spec: Specification,
    weights: list[Array],
    biases: list[Array],
    batch: Batch,
    classes: int,
) -> list[tuple[str, tuple[int, ...]]]:
    """Return three places of each tensor where the reference's gradient is largest."""
    result = forward(spec, weights, biases, batch.images)
    by_weights, by_biases = backward(spec, weights, result, one_hot(batch.labels, classes))
    named = {f"w{k}": g for k, g in enumerate(by_weights)}
    if spec.bias:
        named |= {f"b{k}": g for k, g in enumerate(by_biases)}
    return [
        (name, tuple(int(i) for i in np.unravel_index(place, gradient.shape)))
        for name, gradient in named.items()
        for place in np.argsort(-np.abs(gradient), axis=None)[:3]
    ]


def pixels_as(images: Array, wanted: str) -> Array:
    """Return images in 0..1 as the file wants them."""
    if wanted == "-1..1":
        return images * 2 - 1
    return np.round(images * 255) if wanted == "0..255" else images


def _with_blank(pixels: Array, spec: Specification, rows: NDArray[np.int64]) -> Array:
    chosen = pixels[rows].copy()
    chosen[1] = -1.0 if spec.pixels == "-1..1" else 0.0
    return chosen


def _with_every_class(
    order: NDArray[np.int64], labels: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Return at least 32 rows in which each class stands at least once."""
    first = [int(order[labels[order] == c][0]) for c in range(classes) if (labels == c).any()]
    others = [int(row) for row in order[:64] if int(row) not in first]
    rows = np.array(first + others[: max(0, 32 - len(first))])
    return np.asarray(np.random.default_rng(0).permutation(rows))


def _draw(
    rng: np.random.Generator, widths: Sequence[int], size: float, *, has_bias: bool
) -> tuple[list[Array], list[Array]]:
    """Draw weights that keep sums near 1, so that no unit is saturated."""
    weights, biases = [], []
    for k, (fan_in, fan_out) in enumerate(pairwise(widths)):
        scale = (size or 1.0) if k == 0 else 0.7
        weights.append(rng.normal(size=(fan_in, fan_out)) / (np.sqrt(fan_in) * scale))
        spread = BIAS_SPREAD if has_bias else 0.0
        biases.append(rng.normal(size=fan_out) * spread)
    return weights, biases
