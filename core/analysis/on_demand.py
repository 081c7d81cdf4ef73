"""What somebody asks for while training goes on: answers of an engine, the test images."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from mlpwatch.core.analysis.evaluation import Evaluation, evaluate
from mlpwatch.core.arrays import Tensors
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.network.engine import Engine, EngineState, build_engine
from mlpwatch.core.network.losses import loss_for

Answer = TypeVar("Answer")


def answer_with(
    answer: Future[Answer], question: Callable[[Engine], Answer], engine: Engine
) -> None:
    """Give a future what a question makes of an engine, or what it raises."""
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(question(engine))
    except Exception as error:  # the asker's affair: training goes on
        answer.set_exception(error)


def evaluate_test(
    config: RunConfig, dataset: Dataset, weights: Mapping[EngineName, Tensors]
) -> dict[EngineName, Evaluation]:
    """Read the test images with copies of the engines' weights, each in its own engine.

    Takes 0.1 s for MNIST; touches nothing that trains.

    Args:
        config: of the run.
        dataset: its test images are read.
        weights: by engine; an engine that is missing is left out.

    Raises:
        MemoryError: there is no room for it.
        RuntimeError: the same, from PyTorch.
    """
    # Without optimizer memory or dropout, and on the CPU: nothing here takes part in training.
    still = replace(config, optimizer="sgd", device="cpu", dropout=0.0, input_dropout=0.0)
    images, labels = dataset.train_images[:1], dataset.train_labels[:1]
    found: dict[EngineName, Evaluation] = {}
    for name, tensors in weights.items():
        engine = build_engine(name, still, images, labels, dataset.classes)
        if name == "torch":
            # The trainers have the cores; NumPy's count is the process's and is left alone.
            engine.use_threads(1)
        engine.load_state(EngineState(dict(tensors)))
        logits = engine.logits(dataset.test_images)
        found[name] = evaluate(logits, dataset.test_labels, loss_for(config, name))
    return found
