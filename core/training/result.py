"""How a run ended, and the object that `mlpwatch train --json` prints."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlpwatch.core.analysis.gap import layer_differences
from mlpwatch.core.arrays import Tensors
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.epochs import EpochRecord, Evaluation
from mlpwatch.core.events import DifferenceFound, EndReason
from mlpwatch.core.runs.checkpoints import Position
from mlpwatch.core.runs.layout import best_name


@dataclass(frozen=True, slots=True)
class EngineResult:
    """How one engine ended."""

    reason: EndReason
    detail: str
    """The reason in one line; empty if finished."""
    position: Position
    samples_per_second: float
    """Training images per second since this process began to train, without evaluations."""
    weights: Tensors | None
    """The final weights; None if diverged or failed."""
    test: Evaluation | None
    validation: Evaluation | None
    """The record of the last whole epoch."""
    best: EpochRecord | None = None
    """The first epoch with the lowest validation loss."""

    def to_dict(self) -> dict[str, Any]:
        """Return this engine's part of the result, as JSON values; null where unknown."""
        test, validation, best = self.test, self.validation, self.best
        return {
            "test_accuracy": test.accuracy if test else None,
            "test_loss": test.loss if test else None,
            "val_accuracy": validation.accuracy if validation else None,
            "best": best
            and {
                "epoch": best.epoch,
                "val_loss": best.val_loss,
                "val_accuracy": best.val_accuracy,
            },
            "seconds": self.position.seconds,
            "samples_per_second": self.samples_per_second,
            "ended": self.reason,
            "detail": self.detail,
        }


def result_of(
    run: str,
    dataset: str,
    config: RunConfig,
    results: Mapping[EngineName, EngineResult],
    stopped_at: DifferenceFound | None = None,
) -> dict[str, Any]:
    """Return the object that `train --json` prints and `result.json` contains.

    Args:
        run: path of the run folder.
        dataset: name of the data set.
        config: of the run.
        results: one per trained engine.
        stopped_at: the difference that ended the run, if one did.
    """
    files = {name: config.network_file(name) for name in results}
    networks = {name: {"network": file.file} for name, file in files.items() if file}
    if config.treatment is not None:
        networks = {name: {"title": config.treatment.describe(name)} for name in results}
    engines = {name: networks.get(name, {}) | results[name].to_dict() for name in sorted(results)}
    for name, values in engines.items():
        if config.patience is not None and values["best"]:
            values["best"]["checkpoint"] = best_name(name)
    result = {
        "run": run,
        "dataset": dataset,
        "recipe": config.recipe,
        "epochs": config.epochs,
        "engines": engines,
        "max_weight_difference": max_weight_difference(results),
    }
    return result if stopped_at is None else result | {"difference": _cause(stopped_at)}


def _cause(found: DifferenceFound) -> dict[str, Any]:
    names = ("differs", "step", "tensor", "code", "factor", "text")
    return {name: getattr(found, name) for name in names}


def max_weight_difference(results: Mapping[EngineName, EngineResult]) -> float | None:
    """Return the largest absolute difference of any weight between the two engines.

    None unless both have finite weights after the same number of steps.
    """
    if len(results) != 2:  # noqa: PLR2004 - both engines
        return None
    one, other = results.values()
    if one.weights is None or other.weights is None or one.position.step != other.position.step:
        return None
    return max(layer_differences(one.weights, other.weights))
