"""Decision regions: the class that a network with two inputs predicts at each pixel."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.inference import Prediction, inference_engine, predict
from mlpwatch.core.analysis.plane.window import Window
from mlpwatch.core.arrays import Floats, Tensors
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.network.losses import loss_for

Predict = Callable[[Floats], Prediction]
"""Predicts inputs (samples, features)."""


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """What one network predicts at each pixel of a window, and where it is wrong."""

    classes: NDArray[np.intp]
    """(rows, columns), the top row first."""
    sureness: NDArray[np.floating]
    """(rows, columns) the probability of that class; NaN of a diverged network."""
    wrong: NDArray[np.intp]
    """(n,) the validation points that it predicts wrong."""
    accuracy: float
    """Of the validation points."""


def regions_of(predict_points: Predict, data: Dataset, window: Window) -> Regions:
    """Predict the middle of each pixel, and the validation points.

    A window of 60x60 pixels takes 1 ms at 2-16-16-2.
    """
    points = data.validation_images
    both = predict_points(np.concatenate([window.centres(), points]))
    pixels = window.rows * window.columns
    wrong = np.flatnonzero(both.classes[pixels:] != data.validation_labels)
    shape = window.rows, window.columns
    return Regions(
        classes=both.classes[:pixels].reshape(shape),
        sureness=both.confidences[:pixels].reshape(shape),
        wrong=wrong,
        accuracy=1 - len(wrong) / max(1, len(points)),
    )


def predictor(config: RunConfig, name: EngineName, weights: Tensors, data: Dataset) -> Predict:
    """Return what predicts with an engine's weights, in a NumPy network of its own.

    Any thread may use it: the engines that train do not take part. The code of a user's network
    is not run: its weights are taken into a network with the run's settings.
    """
    bare = replace(config, network=None, network_torch=None)
    engine, loss = (
        inference_engine(bare, name, weights, data.features, data.classes),
        loss_for(bare, name),
    )
    return lambda images: predict(engine, images, loss)


def sample_of(count: int, most: int) -> NDArray[np.intp]:
    """Return at most `most` of `count` rows, spread evenly at random; fewer are some of them."""
    # Always the same: a point that is shown stays. Every n-th row could be of one class.
    return np.random.default_rng(0).permutation(count)[:most].astype(np.intp)
