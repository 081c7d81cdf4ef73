"""Predictions of a network outside its training: of a few images, or of a whole split."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats, Labels, Tensors
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.epochs import Evaluation
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.engine import Engine, EngineState
from mlpwatch.core.network.losses import Loss, loss_for

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one network predicts for some images."""

    probabilities: NDArray[np.floating]
    """(images, classes) from 0 to 1; after a squared error the rows need not sum to 1."""

    @property
    def classes(self) -> NDArray[np.intp]:
        """(images,) the most probable class of each."""
        found: NDArray[np.intp] = self.probabilities.argmax(axis=1)
        return found

    @property
    def confidences(self) -> NDArray[np.floating]:
        """(images,) the greatest probability of each."""
        found: NDArray[np.floating] = self.probabilities.max(axis=1)
        return found

    def accuracy(self, labels: list[int]) -> float:
        """Return the share of images (at least one) whose predicted class is the label."""
        return float((self.classes == np.array(labels)).mean())


def predict(engine: Engine, images: Floats, loss: Loss) -> Prediction:
    """Return an engine's prediction for images (images, features), scaled as in training."""
    # A diverging network has logits without a finite softmax: they are shown unchanged.
    with np.errstate(over="ignore", invalid="ignore"):
        return Prediction(loss.probabilities(engine.logits(images)))


def evaluate(logits: Floats, labels: Labels, loss: Loss) -> Evaluation:
    """Compare an engine's logits (samples, classes) with the true labels (samples,)."""
    # In column order, maxima and sums over the classes run over all images at a time: 0.1 ms
    # instead of 0.8 ms for 5,000 images. Training waits for this.
    logits = np.asfortranarray(logits)
    # By logits, not probabilities: those tie at 0 or 1 where a sigmoid is saturated, at |z| > 17.
    predictions = logits.argmax(axis=1)
    # An overflow is not an error here: the loss becomes infinite, which ends the run as diverged.
    with np.errstate(over="ignore", invalid="ignore"):
        probabilities = loss.probabilities(logits)
        losses = loss.per_image(logits, labels)
    # Cell (t, p) counts the images of class t predicted as p. By hand: scikit-learn's import
    # takes 1.1 s, and training waits for this: 0.01 ms instead of 1 ms for 5,000 images.
    classes = logits.shape[1]
    cells = np.bincount(labels * classes + predictions, minlength=classes**2)
    confusion = cells.reshape(classes, classes).astype(np.int64)
    evaluation = Evaluation(
        loss=float(losses.mean()),
        accuracy=float(confusion.trace() / len(labels)),
        confusion=confusion,
        probabilities=probabilities.astype(np.float32),
        losses=losses.astype(np.float32),
        predictions=predictions,
    )
    arrays = (evaluation.confusion, evaluation.probabilities, evaluation.losses, predictions)
    for array in arrays:
        array.flags.writeable = False
    return evaluation


def answer_with(
    answer: Future[Answer], question: Callable[[Engine], Answer], engine: Engine
) -> None:
    """Ask an engine a question; its answer or its error becomes the future's result."""
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(question(engine))
    except Exception as error:  # raised by `answer.result()`: training continues
        answer.set_exception(error)


def inference_engine(
    config: RunConfig, name: EngineName, weights: Tensors, features: int, classes: int
) -> Engine:
    """Return a network that only predicts, with the weights of either engine.

    It is NumPy's: PyTorch, whose own logits differ by rounding, is not imported. A user's own
    network predicts itself, if the config has its source.

    Args:
        config: of the run.
        name: of the engine.
        weights: not written to.
        features: pixels per image.
        classes: of the data set.
    """
    no_image, no_label = np.zeros((1, features), np.float32), np.zeros(1, np.int64)
    file = config.network_file(name)
    by: EngineName = name if file is not None and file.source else "numpy"
    settings = _without_training(config)
    if by != name and config.network is not None:
        # The file in NumPy's place has nothing to do with the other engine's weights.
        settings = replace(settings, network=None)
    if by != name:
        settings = replace(settings, treatment=None)
    engine = build_engine(by, settings, no_image, no_label, classes)
    engine.load_state(EngineState(dict(weights)))
    return engine


def past_engine(config: RunConfig, name: EngineName, dataset: Dataset) -> Engine:
    """Return an engine whose `logits` predicts with an engine's past weights, on the CPU.

    It is the user's own network where that trains and its code is there; else a NumPy network, also
    for PyTorch's weights: their logits differ only by rounding.

    Args:
        config: of the run.
        name: of the engine that had the weights.
        dataset: of the run.

    Raises:
        UserCodeError: the user's own network raises.
    """
    still = replace(_without_training(config), device="cpu")
    file = config.network_file(name)
    if file is None or not file.source:
        still = replace(still, network=None, network_torch=None, treatment=None)
        name = "numpy"
    engine = build_engine(
        name, still, dataset.train_images[:1], dataset.train_labels[:1], dataset.classes
    )
    if name == "torch":
        # The trainers use the cores. NumPy's thread count belongs to the process: unchanged.
        engine.use_threads(1)
    return engine


def evaluate_images(
    config: RunConfig,
    name: EngineName,
    weights: Tensors,
    images: Floats,
    labels: Labels,
    *,
    classes: int,
) -> Evaluation:
    """Evaluate images with an engine's weights, in an `inference_engine`.

    Args:
        config: of the run.
        name: of the engine.
        weights: of that engine.
        images: (samples, features)
        labels: (samples,)
        classes: of the data set.
    """
    engine = inference_engine(config, name, weights, images.shape[1], classes)
    return evaluate(engine.logits(images), labels, loss_for(config, name))


def evaluate_test(
    config: RunConfig, dataset: Dataset, weights: Mapping[EngineName, Tensors]
) -> dict[EngineName, Evaluation]:
    """Evaluate the test images with copies of the engines' weights, each in its own engine.

    Takes 0.1 s for MNIST; does not touch the engines that train.

    Args:
        config: of the run.
        dataset: its test images are used.
        weights: by engine; missing engines are left out.

    Raises:
        MemoryError: not enough memory.
        RuntimeError: not enough memory, reported by PyTorch.
    """
    still = replace(_without_training(config), device="cpu")
    images, labels = dataset.train_images[:1], dataset.train_labels[:1]
    found: dict[EngineName, Evaluation] = {}
    for name, tensors in weights.items():
        engine = build_engine(name, still, images, labels, dataset.classes)
        if config.kind(name) == "torch":
            # The trainers use the cores. NumPy's thread count belongs to the process: unchanged.
            engine.use_threads(1)
        engine.load_state(EngineState(dict(tensors)))
        logits = engine.logits(dataset.test_images)
        found[name] = evaluate(logits, dataset.test_labels, loss_for(config, name))
    return found


def _without_training(config: RunConfig) -> RunConfig:
    """Return the settings of a network without optimizer memory and dropout."""
    return replace(config.of("numpy"), optimizer="sgd", dropout=0.0, input_dropout=0.0)
