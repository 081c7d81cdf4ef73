"""One of our engines, asked what `mlpwatch check` asks a user's network, in float64."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats, Labels
from mlpwatch.core.checking.case import Case, make_case
from mlpwatch.core.checking.diagnosis import diagnose
from mlpwatch.core.checking.findings import Report
from mlpwatch.core.checking.foreign.process import Answers, Given
from mlpwatch.core.checking.job import LEARNING_RATE, Job, make_job
from mlpwatch.core.checking.live.rounding import specification_of
from mlpwatch.core.checking.reference import ReferenceOptimizer
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.engine import Engine, EngineState
from mlpwatch.core.network.losses import loss_for

SAMPLE = 2_000
"""Most training images that batches are drawn from: all of MNIST in float64 would be 300 MB."""

FEWEST = 200
"""Fewer training images than this are repeated: a job needs 150 rows."""


def engine_report(name: EngineName, config: RunConfig, dataset: Dataset) -> Report:
    """Hold one engine of a run against the reference and the catalogue of mistakes.

    Args:
        name: of the engine.
        config: of the run; without dropout and weight decay, which the reference does not have.
        dataset: batches are drawn from its training images.
    """
    settings = replace(
        config, dtype="float64", device="cpu", dropout=0.0, input_dropout=0.0, weight_decay=0.0,
        momentum=ReferenceOptimizer.MOMENTUM,
    )  # fmt: skip
    spec = specification_of(settings)
    count = min(dataset.train_count, SAMPLE)
    rows = np.resize(np.arange(count), max(count, FEWEST))
    images = dataset.train_images[rows].astype(np.float64)
    job = make_job(spec, images, dataset.train_labels[rows], dataset.classes)
    report = Report(name, "")
    diagnose(_case(name, settings, job), report)
    return report


def _case(name: EngineName, config: RunConfig, job: Job) -> Case:
    answers = Answers(is_done=True)
    for i, batch in enumerate(job.batches):
        engine = _engine(name, config, job, batch.images, batch.labels)
        rows = np.arange(len(batch.labels))
        outputs = loss_for(config, name).outputs(engine.logits(batch.images))
        loss, gradient = engine.loss_and_gradient(rows)
        answers.arrays[f"batch {i}"] = _given({"outputs": outputs, "loss": np.asarray(loss)})
        answers.arrays[f"batch {i} gradients"] = _given(_by_short_name(gradient))
    _two_updates(name, config, job, answers)
    has = {"loss_value": True, "backward": True, "update": True}
    return make_case(specification_of(config), job, answers, is_module=False, has=has, facts={})


def _two_updates(name: EngineName, config: RunConfig, job: Job, answers: Answers) -> None:
    batches = [job.batches[i] for i in job.UPDATES]
    images = np.concatenate([batch.images for batch in batches])
    labels = np.concatenate([batch.labels for batch in batches])
    engine = _engine(name, config, job, images, labels)
    engine.set_learning_rate(LEARNING_RATE)
    start = 0
    for number, batch in enumerate(batches, 1):
        rows = np.arange(start, start + len(batch.labels))
        start += len(batch.labels)
        _, gradient = engine.loss_and_gradient(rows)
        engine.train_batch(rows)
        answers.arrays[f"update {number}"] = _given(_by_short_name(engine.weights()))
        answers.arrays[f"update {number} gradients"] = _given(_by_short_name(gradient))


def _engine(
    name: EngineName, config: RunConfig, job: Job, images: Floats, labels: Labels
) -> Engine:
    """Return an engine that starts from the job's weights."""
    engine = build_engine(name, config, images, labels, job.classes)
    if name == "torch":
        # The trainers use the cores. NumPy's thread count belongs to the process: unchanged.
        engine.use_threads(1)
    weights: dict[str, Floats] = {}
    for k, (w, b) in enumerate(zip(job.weights, job.biases, strict=True)):
        weights |= {f"layers.{k}.weight": np.ascontiguousarray(w.T), f"layers.{k}.bias": b.copy()}
    engine.load_state(EngineState(weights, engine.state().slots))
    return engine


def _by_short_name(tensors: Mapping[str, Floats]) -> dict[str, NDArray[np.float64]]:
    """Return `layers.K.weight` as `wK` (fan_in, fan_out), and `layers.K.bias` as `bK`."""
    return {
        f"{kind[0]}{k}": np.asarray(array.T, np.float64)
        for name, array in tensors.items()
        for _, k, kind in [name.split(".")]
    }


def _given(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Given]:
    return {name: Given(a.shape, a.dtype.name, a) for name, a in arrays.items()}
