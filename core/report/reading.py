"""All that a run's folder says, and what its newest networks predict, for a report."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.inference import evaluate_images
from mlpwatch.core.arrays import Floats, Labels
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import dataset_for
from mlpwatch.core.data.labels import class_names
from mlpwatch.core.epochs import EpochRecord, Evaluation, Matrix
from mlpwatch.core.errors import MlpwatchError
from mlpwatch.core.events import (
    DifferenceFound,
    EpochDone,
    GapMeasured,
    RateChanged,
    RunEnded,
    StepCompared,
)
from mlpwatch.core.foreign.loading import diverted_stdout
from mlpwatch.core.runs.lock import is_locked
from mlpwatch.core.runs.manifest import RunManifest, read_manifest
from mlpwatch.core.runs.networks import with_unchanged_sources
from mlpwatch.core.runs.replay import RunTail, damage_notes, recorded_end
from mlpwatch.core.runs.run import Run

Split = Literal["test", "validation"]


@dataclass(frozen=True, slots=True)
class Predictions:
    """What the networks of the newest checkpoints make of one split."""

    split: Split
    images: Floats
    """(samples, features), scaled as for training."""
    image_shape: tuple[int, int]
    """Height and width; (1, 2) of points."""
    labels: Labels
    """(samples,)"""
    engines: Mapping[EngineName, Evaluation]

    def wrong(self, engine: EngineName) -> NDArray[np.bool_]:
        """Return which samples (samples,) an engine predicts wrong."""
        found: NDArray[np.bool_] = self.engines[engine].predictions != self.labels
        return found

    @property
    def are_points(self) -> bool:
        """Whether the samples are points of a plane, not images."""
        return int(self.images.shape[1]) == 2  # noqa: PLR2004 - x and y

    def mistakes(self) -> NDArray[np.intp]:
        """Return the rows that any engine predicts wrong, the surest mistakes first."""
        sure = np.zeros(len(self.labels))
        for name, found in self.engines.items():
            probability = found.probabilities.max(axis=1)
            sure = np.maximum(sure, np.where(self.wrong(name), probability, 0.0))
        rows = np.flatnonzero(np.logical_or.reduce([self.wrong(one) for one in self.engines]))
        order: NDArray[np.intp] = rows[np.argsort(-sure[rows], kind="stable")]
        return order


@dataclass(frozen=True, slots=True)
class RunReading:
    """A run at one moment."""

    path: Path
    manifest: RunManifest
    epochs: Mapping[EngineName, tuple[EpochRecord, ...]]
    """Of each engine that the run trains, with their matrices where the file has them."""
    ends: Mapping[EngineName, RunEnded]
    """Of the engines that have ended."""
    is_training: bool
    """Whether a process trains it."""
    gaps: tuple[GapMeasured, ...]
    compared: tuple[StepCompared, ...]
    difference: DifferenceFound | None
    """The first step that rounding does not explain."""
    rates: tuple[RateChanged, ...]
    predictions: Predictions | None
    notes: tuple[str, ...]
    """What could not be read, in lines: damaged lines, images that are not there."""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def config(self) -> RunConfig:
        """The settings."""
        return self.manifest.config

    @property
    def created(self) -> datetime:
        """Time of creation in UTC."""
        return self.manifest.created

    @property
    def engines(self) -> tuple[EngineName, ...]:
        """The engines that have done an epoch, in the order of the screen."""
        return tuple(name for name in self.config.engine_names if self.epochs[name])

    @property
    def class_names(self) -> str:
        """One character per class."""
        info = self.manifest.dataset
        return info.names or class_names(info.classes)

    @property
    def has_finished(self) -> bool:
        """Whether every engine has trained to its end and was tested."""
        return all(self.test_accuracy(name) is not None for name in self.config.engine_names)

    def test_accuracy(self, engine: EngineName) -> float | None:
        """Return the share of test images that an engine predicts right; None if unknown."""
        end = self.ends.get(engine)
        return end.test_accuracy if end is not None and isfinite(end.test_accuracy) else None

    def last(self, engine: EngineName) -> EpochRecord:
        """Return the last epoch of an engine in `engines`."""
        return self.epochs[engine][-1]

    def matrices(self) -> tuple[Split, dict[EngineName, Matrix]]:
        """Return the newest matrix of each engine that has one, and what it counts."""
        if self.predictions is not None:
            found = {name: one.confusion for name, one in self.predictions.engines.items()}
            return self.predictions.split, found
        known = {
            name: [one.confusion for one in self.epochs[name] if one.confusion is not None]
            for name in self.engines
        }
        return "validation", {name: all_of[-1] for name, all_of in known.items() if all_of}


def read_run(folder: Path) -> RunReading:
    """Read a run's folder, and let its newest networks predict; takes no lock.

    NumPy predicts for both engines, see `inference_engine`: PyTorch is not imported, and a user's
    own network runs only if its file is still what it was. Without the images, or without a
    checkpoint, there are no predictions, and a note says why.

    Args:
        folder: of the run.

    Raises:
        RunError: the folder can't be read.
    """
    run = Run(folder, read_manifest(folder))
    tail = RunTail(run)
    events = tail.read() or []
    epochs = {
        name: tuple(e.record for e in events if isinstance(e, EpochDone) and e.engine == name)
        for name in run.config.engine_names
    }
    ends = {name: recorded_end(run, name) for name in run.config.engine_names}
    known = {name: end for name, end in ends.items() if end is not None}
    # The process of the screen holds the lock of a run that has ended.
    is_training = len(known) < len(epochs) and is_locked(folder)
    is_tested = all(name in known and isfinite(known[name].test_accuracy) for name in epochs)
    predictions, why = _predictions(run, "test" if is_tested and not is_training else "validation")
    return RunReading(
        path=folder,
        manifest=run.manifest,
        epochs=epochs,
        ends={} if is_training else known,
        is_training=is_training,
        gaps=tuple(e for e in events if isinstance(e, GapMeasured)),
        compared=tuple(e for e in events if isinstance(e, StepCompared)),
        difference=next((e for e in events if isinstance(e, DifferenceFound)), None),
        rates=tuple(e for e in events if isinstance(e, RateChanged)),
        predictions=predictions,
        notes=(*damage_notes(tail), *why),
    )


def _predictions(run: Run, split: Split) -> tuple[Predictions | None, list[str]]:
    """Evaluate a split with the newest checkpoints; return why not, in lines."""
    config, notes = with_unchanged_sources(run.config, run.path)
    try:
        with diverted_stdout() if config.has_networks else nullcontext():
            return _predicted(run, config, split), notes
    except (MlpwatchError, OSError) as error:
        return None, [*notes, f"no mistakes: {error}"]
    except MemoryError:
        return None, [*notes, "no mistakes: the images do not fit in memory"]


def _predicted(run: Run, config: RunConfig, split: Split) -> Predictions | None:
    data = dataset_for(config, run.dataset.classes)
    if data.sha256 != run.dataset.sha256:
        raise MlpwatchError(f"{config.data} holds other data than this run was trained on")
    is_test = split == "test"
    images = data.test_images if is_test else data.validation_images
    labels = data.test_labels if is_test else data.validation_labels
    found: dict[EngineName, Evaluation] = {}
    for name in config.engine_names:
        latest = run.read_latest(name)
        if latest is not None:
            weights = latest.checkpoint.state.weights
            one = evaluate_images(config, name, weights, images, labels, classes=data.classes)
            found[name] = one
    if not found:
        raise MlpwatchError("no checkpoint has been written yet")
    return Predictions(split, images, data.image_shape, labels, found)


def without_predictions(reading: RunReading) -> RunReading:
    """Return a reading as it is where the images are missing."""
    return replace(reading, predictions=None)
