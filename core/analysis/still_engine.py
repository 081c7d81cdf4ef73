"""A network that only reads: saved weights, and nothing that trains."""

from dataclasses import replace

import numpy as np

from mlpwatch.core.analysis.evaluation import Evaluation, evaluate
from mlpwatch.core.arrays import Floats, Labels, Tensors
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.network.engine import Engine, EngineState, build_engine
from mlpwatch.core.network.losses import loss_for


def still_engine(config: RunConfig, weights: Tensors, features: int, classes: int) -> Engine:
    """Return a NumPy network with these weights, of whichever engine.

    PyTorch need not be imported for it; its own logits differ by rounding.

    Args:
        config: of the run.
        weights: not written to.
        features: pixels per image.
        classes: of the data set.
    """
    # Without optimizer memory or dropout: nothing is trained here.
    still = replace(config, optimizer="sgd", dropout=0.0, input_dropout=0.0)
    no_image, no_label = np.zeros((1, features), np.float32), np.zeros(1, np.int64)
    engine = build_engine("numpy", still, no_image, no_label, classes)
    engine.load_state(EngineState(dict(weights)))
    return engine


def read_images(
    config: RunConfig,
    name: EngineName,
    weights: Tensors,
    images: Floats,
    labels: Labels,
    *,
    classes: int,
) -> Evaluation:
    """Read images with an engine's weights.

    Args:
        config: of the run.
        name: the engine whose loss convention counts.
        weights: of that engine.
        images: (samples, features)
        labels: (samples,)
        classes: of the data set.
    """
    engine = still_engine(config, weights, images.shape[1], classes)
    return evaluate(engine.logits(images), labels, loss_for(config, name))
