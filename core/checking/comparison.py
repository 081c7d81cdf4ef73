"""The reference on every batch of a job, and how far a given array may be from it."""

from dataclasses import dataclass, field

import numpy as np

from mlpwatch.core.checking.foreign.process import Given
from mlpwatch.core.checking.job import Batch, Job
from mlpwatch.core.checking.reference import Array, Pass, backward, forward, one_hot
from mlpwatch.core.specification import Specification

SAFETY = 64
"""Times what one other order of the sums changed; in 500 networks the most was 11."""

GUARD = 1e-5
"""Of an array's largest number: hand-written losses keep logarithms and quotients from 0 with
constants from 1e-12 to 1e-6, which shows as such a difference and is no mistake."""

EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10}

GUARDS = {"float64": GUARD, "float32": 3e-4, "float16": 0.1}


@dataclass(slots=True)
class Truth:
    """What the reference makes of one batch."""

    batch: Batch
    y: Array
    """One-hot (batch, classes)."""
    result: Pass
    by_weights: list[Array]
    by_biases: list[Array]
    rounding: dict[str, float] = field(default_factory=dict)
    """By tensor: `outputs`, `w0`, `b0`, …"""

    def array(self, name: str) -> Array:
        """Return a tensor by its short name."""
        if name == "outputs":
            return self.result.outputs
        return (self.by_weights if name[0] == "w" else self.by_biases)[int(name[1:])]


def truths_of(spec: Specification, job: Job) -> list[Truth]:
    """Return the reference on each batch, with what another order of its sums changes."""
    truths = []
    for batch in job.batches:
        y = one_hot(batch.labels, job.classes)
        with np.errstate(all="ignore"):
            truth = _truth(spec, job, batch, y)
            truth.rounding = _rounding(spec, job, truth)
        truths.append(truth)
    return truths


def _truth(spec: Specification, job: Job, batch: Batch, y: Array) -> Truth:
    result = forward(spec, job.weights, job.biases, batch.images)
    return Truth(batch, y, result, *backward(spec, job.weights, result, y))


def _rounding(spec: Specification, job: Job, truth: Truth) -> dict[str, float]:
    """Return by tensor how much it changes when pixels, units and images come in another order."""
    rng = np.random.default_rng(1)
    widths = [len(w) for w in job.weights]
    orders = [rng.permutation(n) for n in widths]
    weights = [w[orders[k]] for k, w in enumerate(job.weights)]
    weights = [w[:, orders[k + 1]] if k + 1 < len(orders) else w for k, w in enumerate(weights)]
    biases = [b[orders[k + 1]] if k + 1 < len(orders) else b for k, b in enumerate(job.biases)]
    rows = rng.permutation(len(truth.y))
    result = forward(spec, weights, biases, truth.batch.images[rows][:, orders[0]])
    by_weights, by_biases = backward(spec, weights, result, truth.y[rows])
    other = {"outputs": (result.outputs, truth.result.outputs[rows])}
    for k in range(len(weights)):
        w, b = truth.by_weights[k][orders[k]], truth.by_biases[k]
        if k + 1 < len(orders):
            w, b = w[:, orders[k + 1]], b[orders[k + 1]]
        other |= {f"w{k}": (by_weights[k], w), f"b{k}": (by_biases[k], b)}
    return {
        name: SAFETY * max(_largest(a - b), EPSILON["float64"] * _largest(b))
        for name, (a, b) in other.items()
    }


def _largest(array: Array) -> float:
    return float(np.abs(array).max(initial=0.0))


@dataclass(frozen=True, slots=True)
class Distance:
    """How far a given array is from the reference's."""

    difference: float
    """Largest absolute difference; infinite where shapes differ or something is not finite."""
    rounding: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Whether rounding, or a guard against log(0), explains it."""
        return self.difference <= self.allowed


def distance(given: Given | None, truth: Array, rounding: float, precision: str) -> Distance:
    """Compare an array with the reference's.

    Args:
        given: what the user's network returned.
        truth: what the reference has.
        rounding: what another order of the reference's sums changes.
        precision: in which the user's network calculates.
    """
    scaled = rounding * EPSILON[precision] / EPSILON["float64"]
    allowed = max(scaled, GUARDS[precision] * _largest(truth))
    values = fitted(given, truth)
    if values is None or not np.isfinite(values).all():
        return Distance(float("inf"), scaled, allowed)
    # Of the smaller of both: against a huge wrong candidate everything would be near.
    allowed = max(scaled, GUARDS[precision] * min(_largest(truth), _largest(values)))
    return Distance(_largest(values - truth), scaled, allowed)


def fitted(given: Given | None, truth: Array) -> Array | None:
    """Return the given array in the reference's shape; a bias may have any of the right size.

    One number for all biases is broadcast, as `b - η db` does it.
    """
    if given is None or given.values is None:
        return None
    if given.values.shape == truth.shape:
        return given.values
    if truth.ndim == 1 and given.values.size == truth.size:
        return given.values.reshape(truth.shape)
    if truth.ndim == 1 and given.values.size == 1:
        return np.full(truth.shape, given.values.item())
    return None


def precision_of(arrays: list[Given]) -> str:
    """Return the precision that all arrays show: what each of their numbers fits into exactly."""
    values = [
        g.values
        for g in arrays
        if g.values is not None and g.values.size > 3  # noqa: PLR2004
    ]
    finite = [v[np.isfinite(v)] for v in values]
    numbers = [v for v in finite if v.size and np.unique(v).size > 2]  # noqa: PLR2004
    if not numbers:
        return "float64"
    for name in ("float16", "float32"):
        with np.errstate(over="ignore"):
            if all(np.array_equal(v, v.astype(name).astype(np.float64)) for v in numbers):
                return name
    return "float64"
