"""Digits as a hand draws them: strokes through a few points of the unit square."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.drawing.normalisation import CENTRINGS, centre, network_input
from mlpwatch.core.drawing.sketch import Sketch

Stroke = list[tuple[float, float]]

DIGITS: dict[str, list[Stroke]] = {
    "0": [
        [(0.5, 0.1), (0.3, 0.2), (0.25, 0.5), (0.3, 0.8), (0.5, 0.9), (0.7, 0.8), (0.75, 0.5)],
        [(0.75, 0.5), (0.7, 0.2), (0.5, 0.1)],
    ],
    "1": [[(0.5, 0.1), (0.5, 0.9)]],
    "2": [[(0.3, 0.25), (0.4, 0.12), (0.6, 0.12), (0.7, 0.28), (0.6, 0.5), (0.3, 0.88)],
          [(0.3, 0.88), (0.75, 0.88)]],
    "3": [[(0.3, 0.15), (0.55, 0.1), (0.68, 0.25), (0.5, 0.45)],
          [(0.5, 0.45), (0.7, 0.65), (0.55, 0.88), (0.28, 0.82)]],
    "7": [[(0.25, 0.15), (0.75, 0.15), (0.45, 0.9)]],
}  # fmt: skip


def sketch_of(
    digit: str, shape: tuple[int, int], *, size: float = 1.0, at: tuple[float, float] = (0.0, 0.0)
) -> Sketch:
    """Draw a digit, smaller and elsewhere on request; `at` in shares of the side."""
    sketch = Sketch(shape)
    side = max(shape)
    for stroke in DIGITS[digit]:
        places = [((x * size + at[0]) * side, (y * size + at[1]) * side) for x, y in stroke]
        for start, end in pairwise(places):
            sketch.draw(start, end)
    return sketch


def input_of(sketch: Sketch, dataset: Dataset, pixel_range: str) -> NDArray[np.float32]:
    """What a network reads of a sketch, (1, features)."""
    image = centre(sketch.fine, sketch.shape, CENTRINGS[dataset.normalisation])
    return network_input(image, pixel_range)  # type: ignore[arg-type]
