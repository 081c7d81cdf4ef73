"""Points of two features in two classes, made by formula: moons, circles, spiral and xor.

Their network is small enough to be seen whole: the dashboard shows its decision regions.
"""

from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from mlpwatch.core.config import RecipeName
from mlpwatch.core.data.source import DataSource, Pace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlpwatch.core.data.raw_data import RawData

    Points = tuple[NDArray[np.float64], NDArray[np.int64]]
    """(samples, 2) and the classes (samples,)."""

TRAINING_POINTS, TEST_POINTS = 2_400, 1_000
"""A sixth of the former is held out for validation: 2,000 points train."""

_STREAM = 4
"""Of the run's seed; the split, the weights, the batches and dropout use 0 to 3."""

_MOON_NOISE, _CIRCLE_NOISE, _CIRCLE_FACTOR = 0.15, 0.1, 0.5
_SPIRAL_NOISE, _XOR_NOISE, _XOR_PADDING = 0.3, 0.05, 0.3
_RADIUS, _TURNS = 5.0, 1.75
_DECIMALS = 6


def moons(count: int, random: "np.random.Generator") -> "Points":
    """Return two interleaving half circles, of scikit-learn's `make_moons`."""
    # Imported late: scikit-learn's data sets take one to four seconds.
    from sklearn.datasets import make_moons  # noqa: PLC0415

    seed = int(random.integers(2**32))
    points, classes = make_moons(count, noise=_MOON_NOISE, random_state=seed)
    return points, classes


def circles(count: int, random: "np.random.Generator") -> "Points":
    """Return a circle (class 1) in another one, of scikit-learn's `make_circles`."""
    from sklearn.datasets import make_circles  # noqa: PLC0415 - see above

    seed = int(random.integers(2**32))
    points, classes = make_circles(
        count, noise=_CIRCLE_NOISE, factor=_CIRCLE_FACTOR, random_state=seed
    )
    return points, classes


def spiral(count: int, random: "np.random.Generator") -> "Points":
    """Return two arms of a spiral of radius 5, each 1.75 turns long, half a turn apart.

    Radius r and angle t grow evenly along an arm, x = r sin t, y = r cos t; the noise is uniform
    (`classifySpiralData` of TensorFlow Playground, src/dataset.ts).
    """
    import numpy as np  # noqa: PLC0415 - after the first frame

    classes = np.arange(count) % 2
    along = (np.arange(count) // 2) / (count / 2)
    angle = 2 * np.pi * _TURNS * along + np.pi * classes
    points = _RADIUS * along[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return points + random.uniform(-_SPIRAL_NOISE, _SPIRAL_NOISE, points.shape), classes


def xor(count: int, random: "np.random.Generator") -> "Points":
    """Return points in a square of half side 5; class 1 where x and y have the same sign.

    A strip along both axes is empty, and the noise is in the classes: they are those of points
    nearby (`classifyXORData` of TensorFlow Playground, src/dataset.ts).
    """
    import numpy as np  # noqa: PLC0415 - after the first frame

    points = random.uniform(-_RADIUS, _RADIUS, (count, 2))
    points += np.where(points > 0, _XOR_PADDING, -_XOR_PADDING)
    nearby = points + _XOR_NOISE * random.uniform(-_RADIUS, _RADIUS, points.shape)
    return points, (nearby.prod(axis=1) >= 0).astype(np.int64)


def _load(
    name: str, make: Callable[[int, "np.random.Generator"], "Points"], seed: int
) -> "RawData":
    import numpy as np  # noqa: PLC0415 - after the first frame

    from mlpwatch.core.data.raw_data import check_part, combine_parts  # noqa: PLC0415

    random = np.random.default_rng([seed, _STREAM])
    parts = []
    for count in (TRAINING_POINTS, TEST_POINTS):
        points, classes = make(count, random)
        # Rounded: the last bits of a sine differ between machines, and a resumed run checks all.
        parts.append(check_part((name, name), points.round(_DECIMALS), classes))
    train, test = parts
    return combine_parts(name, name, train, test)


def _check() -> None:
    """Do nothing: they are made when they are loaded."""


def _source(name: str, summary: str, make: Callable[..., "Points"], pace: Pace) -> DataSource:
    return DataSource(
        name=name,
        summary=summary,
        check=_check,
        load=partial(_load, name, make),
        normalisation="centre-of-mass",
        pace=pace,
        is_automatic=False,
    )


def _pace(epochs: int) -> Pace:
    """Return the settings for points: a network of 16 units a layer is large enough for them."""
    # With inputs from 0 to 1 all units of a new network bend at one corner: the spiral's test
    # accuracy is then 73 % after 100 epochs of the twin recipe, and 97 % with these settings.
    pace: dict[RecipeName, dict[str, object]] = {
        recipe: {"pixel_range": "-1..1"} for recipe in get_args(RecipeName)
    }
    pace["twin"] |= {"hidden": (16, 16), "learning_rate": 0.1, "batch_size": 10, "epochs": epochs}
    # Of 200 points, hardly any is so far on the wrong side that it would be learnt by heart.
    pace["overfitting"] |= {"train_size": 40}
    return MappingProxyType(pace)


POINTS = (
    _source("moons", "two half moons", moons, _pace(30)),
    _source("circles", "a circle in another one", circles, _pace(30)),
    _source("spiral", "two arms of a spiral", spiral, _pace(100)),
    _source("xor", "four squares in two classes", xor, _pace(30)),
)
