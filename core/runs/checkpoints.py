"""Checkpoints: an engine's whole state in one safetensors file, which is valid or refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from mlpwatch.core.arrays import Tensors
from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.files import tensor_files
from mlpwatch.core.files.durable import OpenFolder, replace_durably
from mlpwatch.core.files.strict_json import (
    JsonError,
    take_choice,
    take_number,
    take_object,
    take_whole,
)
from mlpwatch.core.files.tensor_files import (
    CheckpointError,
    DtypeMismatchError,
    ForeignCheckpointError,
    MalformedCheckpointError,
    MissingCheckpointError,
    NonFiniteWeightsError,
    ShapeMismatchError,
    Shapes,
)
from mlpwatch.core.limits import MAX_LEARNING_RATE, MIN_LEARNING_RATE
from mlpwatch.core.network.engine import EngineState
from mlpwatch.core.runs.layout import checkpoint_name, previous_name

_RESTORE = "restore this run's own file or start a new run"


MOST_DIGITS = 6
"""A layer's number has fewer digits than this; a foreign file may have any number."""


@dataclass(frozen=True, slots=True)
class Position:
    """The progress of a training.

    With `RunConfig.seed` it is the whole random state: the batch order is a pure function of the
    seed and the epoch.
    """

    epoch: int = 0
    """Whole epochs done."""
    batch: int = 0
    """Batches done inside the current epoch."""
    step: int = 0
    """Updates done over the whole run."""
    seconds: float = 0.0
    """Training time so far."""
    epoch_loss_sum: float = 0.0
    """Sum of the images' losses in this epoch so far; NaN after a non-finite loss."""
    epoch_seconds: float = 0.0
    """Training time inside this epoch so far."""
    planned_epochs: int = 0
    """Planned epochs; more than `RunConfig.epochs` if a resume made the run longer."""
    learning_rate: float | None = None
    """η₀ in force, if it was changed while it trained; None for `RunConfig.learning_rate`."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that training needs to continue as if it had not been interrupted."""

    engine: EngineName
    state: EngineState
    position: Position


@dataclass(frozen=True, slots=True)
class LatestCheckpoint:
    """The newest valid checkpoint."""

    checkpoint: Checkpoint
    path: Path
    note: str = ""
    """Why this is the previous instead of the newest, in one line; empty for the newest."""


def checkpoint_path(folder: Path, engine: EngineName) -> Path:
    """Return the path of an engine's newest checkpoint in a run folder."""
    return folder / checkpoint_name(engine)


def previous_path(path: Path) -> Path:
    """Return the path of the checkpoint before the one at `path`."""
    return path.with_name(previous_name(path.name))


def write_checkpoint(
    path: Path,
    checkpoint: Checkpoint,
    seed: int,
    *,
    folder: OpenFolder | None = None,
    keeps_previous: bool = True,
) -> None:
    """Write a checkpoint; the one now at `path` is kept as `*.previous`.

    Args:
        path: see `checkpoint_path`.
        checkpoint: tensors may be transposed or sliced views.
        seed: of the run; with the position it is the random state.
        folder: of `path`; then only the file's name is used.
        keeps_previous: whether the one now at `path` is kept.

    Raises:
        CheckpointError: the state has NaN or infinity, or tensors that contradict each other;
            nothing was written, the checkpoints on disk are unchanged.
        OSError: for example a full disk; the checkpoints on disk are unchanged.
    """
    tensors = checkpoint.state.weights | checkpoint.state.slots
    data = encode_checkpoint(path, checkpoint, seed)
    # A damaged file, or a file of another run, must not replace the last valid one.
    keeps = keeps_previous and _is_resumable(path, tensors, seed, folder)
    replace_durably(path, data, previous_path(path) if keeps else None, folder=folder)


def encode_checkpoint(path: Path, checkpoint: Checkpoint, seed: int) -> bytes:
    """Return the content of a checkpoint's file.

    Args:
        path: of the file, for messages.
        checkpoint: tensors may be transposed or sliced views.
        seed: of the run.

    Raises:
        CheckpointError: the state has NaN or infinity, or tensors that contradict each other.
    """
    _check_sound(path, checkpoint.state)
    tensors = checkpoint.state.weights | checkpoint.state.slots
    return tensor_files.encode(tensors, _fields(checkpoint, seed))


def read_checkpoint(
    path: Path,
    expected: Shapes | None = None,
    *,
    dtype: str | None = None,
    seed: int | None = None,
    folder: OpenFolder | None = None,
) -> Checkpoint:
    """Read a checkpoint; a file that has changed since it was written is refused.

    Args:
        path: a file of `write_checkpoint`, of either engine.
        expected: names and shapes of all tensors, with slots; None accepts any.
        dtype: `float32` or `float64`; None accepts both.
        seed: of the run; None accepts any.
        folder: of `path`; then only the file's name is used.

    Raises:
        CheckpointError: a subclass for each kind of fault.
    """
    tensors, fields = tensor_files.read(
        path, lambda shapes: _check_shapes(path, shapes, expected), folder=folder
    )
    try:
        checkpoint = _build(tensors, fields)
        found_seed = take_whole(take_object(fields, "random_state"), "seed")
    except JsonError as error:
        raise MalformedCheckpointError(path, str(error)) from None
    _check_sound(path, checkpoint.state)
    for array in tensors.values():
        if dtype not in (None, array.dtype.name):
            raise _dtype_mismatch(path, array.dtype.name, str(dtype))
    if seed not in (None, found_seed):
        raise ForeignCheckpointError(
            path, f"of a run with seed {found_seed}, this one has {seed}", _RESTORE
        )
    return checkpoint


def read_latest(
    folder: Path,
    engine: EngineName,
    expected: Shapes | None = None,
    *,
    dtype: str | None = None,
    seed: int | None = None,
) -> LatestCheckpoint | None:
    """Read an engine's newest valid checkpoint; None if none was written yet.

    Raises:
        CheckpointError: there are checkpoints, but training can't resume from any of them.
    """
    newest = checkpoint_path(folder, engine)
    before = previous_path(newest)
    try:
        return LatestCheckpoint(read_checkpoint(newest, expected, dtype=dtype, seed=seed), newest)
    except CheckpointError as error:
        fault = error
    try:
        checkpoint = read_checkpoint(before, expected, dtype=dtype, seed=seed)
    except MissingCheckpointError:
        if isinstance(fault, MissingCheckpointError):
            return None
        raise fault from None
    except CheckpointError as error:
        both = f"{fault.fault}, and the one before, {error.fault}"
        raise type(fault)(folder, both, "start a new run") from None
    step = checkpoint.position.step
    note = f"{fault.fault}; going on from the one before, step {step:,}"
    return LatestCheckpoint(checkpoint, before, note)


def _fields(checkpoint: Checkpoint, seed: int) -> dict[str, Any]:
    at = checkpoint.position
    return {
        "engine": checkpoint.engine,
        "epoch": at.epoch,
        "batch": at.batch,
        "step": at.step,
        "seconds": at.seconds,
        "epoch_loss_sum": at.epoch_loss_sum,
        "epoch_seconds": at.epoch_seconds,
        "planned_epochs": at.planned_epochs,
        **({} if at.learning_rate is None else {"learning_rate": at.learning_rate}),
        "updates": checkpoint.state.updates,
        "random_state": {"seed": seed, "epoch": at.epoch, "batch": at.batch},
    }


def _is_resumable(path: Path, newer: Tensors, seed: int, folder: OpenFolder | None) -> bool:
    """Return whether a file is valid, and of the same network and run as newer tensors."""
    shapes = {name: array.shape for name, array in newer.items()}
    dtype = next(iter(newer.values())).dtype.name
    try:
        read_checkpoint(path, shapes, dtype=dtype, seed=seed, folder=folder)
    except CheckpointError:
        return False
    return True


def _place(name: str) -> tuple[str, int, bool]:
    """Return the sort key for the engines' order: input side first, weights before bias."""
    slot, _, rest = name.partition("layers.")
    layer, _, kind = rest.partition(".")
    return (
        slot,
        int(layer) if layer.isdecimal() and len(layer) < MOST_DIGITS else -1,
        kind != "weight",
    )


def _build(tensors: Tensors, fields: Mapping[str, Any]) -> Checkpoint:
    # safetensors returns the tensors in a random order.
    ordered = {name: tensors[name] for name in sorted(tensors, key=_place)}
    weights = {name: array for name, array in ordered.items() if name.startswith("layers.")}
    slots = {name: array for name, array in ordered.items() if name not in weights}
    position = Position(
        epoch=take_whole(fields, "epoch"),
        batch=take_whole(fields, "batch"),
        step=take_whole(fields, "step"),
        seconds=take_number(fields, "seconds", least=0),
        epoch_loss_sum=take_number(fields, "epoch_loss_sum"),
        epoch_seconds=take_number(fields, "epoch_seconds", least=0),
        planned_epochs=take_whole(fields, "planned_epochs"),
        learning_rate=_rate(fields),
    )
    state = EngineState(weights, slots, take_whole(fields, "updates"))
    return Checkpoint(take_choice(fields, "engine", ENGINE_NAMES), state, position)


def _rate(fields: Mapping[str, Any]) -> float | None:
    if "learning_rate" not in fields:
        return None
    rate = take_number(fields, "learning_rate", least=MIN_LEARNING_RATE, most=MAX_LEARNING_RATE)
    if isnan(rate):
        raise JsonError("learning_rate null: expected a number")
    return rate


def _check_sound(path: Path, state: EngineState) -> None:
    """Check that slots have the shapes of weights, all have one dtype, and all are finite."""
    shapes = {name: array.shape for name, array in state.weights.items()}
    wanted = {name: shapes.get(name.partition(".")[2]) for name in state.slots}
    for name, slot in state.slots.items():
        if slot.shape != wanted[name]:
            raise _shape_mismatch(path, name, slot.shape, wanted[name])
    tensors = state.weights | state.slots
    dtypes = sorted({array.dtype.name for array in tensors.values()})
    if dtypes not in (["float32"], ["float64"]):
        raise _dtype_mismatch(path, ", ".join(dtypes) or "none", "all float32 or all float64")
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            advice = "train again with a lower learning rate"
            raise NonFiniteWeightsError(path, f"'{name}' holds NaN or infinity", advice)


def _check_shapes(path: Path, shapes: Shapes, expected: Shapes | None) -> None:
    wanted = shapes if expected is None else expected
    for name in sorted({*shapes, *wanted}):
        if shapes.get(name) != wanted.get(name):
            raise _shape_mismatch(path, name, shapes.get(name), wanted.get(name))


def _shape_mismatch(
    path: Path, name: str, found: tuple[int, ...] | None, wanted: tuple[int, ...] | None
) -> ShapeMismatchError:
    fault = f"'{name}' is {found or 'absent'}, expected {wanted or 'absent'}"
    return ShapeMismatchError(path, fault, _RESTORE)


def _dtype_mismatch(path: Path, found: str, wanted: str) -> DtypeMismatchError:
    return DtypeMismatchError(path, f"tensors of {found}, expected {wanted}", _RESTORE)
