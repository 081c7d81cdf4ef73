"""A branch: a new run that begins where another was at the end of one of its kept epochs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset, steps_per_epoch
from mlpwatch.core.errors import ConfigError, RunError
from mlpwatch.core.files.durable import replace_durably
from mlpwatch.core.files.strict_json import parse_object, to_json
from mlpwatch.core.network.engine import Engine, EngineState
from mlpwatch.core.network.optimizers import OPTIMIZERS
from mlpwatch.core.runs.checkpoints import Checkpoint, Position, checkpoint_path, write_checkpoint
from mlpwatch.core.runs.event_log import EventLog
from mlpwatch.core.runs.history import History, kept_text
from mlpwatch.core.runs.layout import EVENTS_NAME, HISTORY_NAME, MAX_NAME_LENGTH, METRICS_NAME
from mlpwatch.core.runs.manifest import DatasetInfo, ParentEpoch
from mlpwatch.core.runs.metrics import MetricsLog, parse_epoch
from mlpwatch.core.runs.networks import with_sources
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.launch import (
    Report,
    build_engines,
    load_again,
    load_new,
)
from mlpwatch.core.training.rates import append_rates, read_past_training, read_rates
from mlpwatch.core.training.session import Session


def branched_session(
    parent: Run, epoch: int, config: RunConfig, *, saved: Path, name: str | None, report: Report
) -> Session:
    """Make a run that begins with a parent's weights, optimizer slots and place in the batch order.

    Its folder has the parent's curves up to there, and is made whole or not at all. The parent,
    which may train meanwhile, is only read. With the parent's own settings the branch ends as the
    parent does, bit for bit. Another optimizer begins with empty slots.

    Args:
        parent: see `Run.open`.
        epoch: a kept one; epochs done.
        config: the parent's settings with changes that fit its weights.
        saved: the folder of all runs.
        name: of the branch; None for the parent's with `-at-EPOCH`.
        report: receives the current work.

    Raises:
        ConfigError: no epoch would be left to train.
        RunError: the epoch is not kept, or its weights do not fit the data.
        DataError: the data can't be read.
    """
    past = _read_past(parent, epoch, config.engine_names)
    if config.epochs <= epoch:
        raise ConfigError(
            f"epochs {config.epochs}: the branch begins after epoch {epoch}; "
            f"give more with --epochs {epoch + 10}, say"
        )
    notes: list[str] = []
    config = with_sources(config, parent.path, notes.append)
    if config.data == parent.config.data:
        dataset = load_again(parent, config, report)
    else:
        config, dataset = load_new(config, report)
    _check_shape(parent, dataset)
    engines = build_engines(config, dataset, report)
    epoch_steps = steps_per_epoch(dataset.train_count, config.batch_size)
    at = next(iter(past.values())).position
    begun = {
        engine: _begin(engines[engine], checkpoint, config, parent.config, epoch * epoch_steps)
        for engine, checkpoint in past.items()
    }
    info = DatasetInfo(
        dataset.name, dataset.sha256, dataset.image_shape, dataset.classes, dataset.names
    )
    run = Run.create(
        saved,
        name or free_branch_name(saved, parent.name, epoch),
        config,
        info,
        parent=ParentEpoch(parent.name, epoch, at.step, parent.manifest.id),
        fill=partial(_fill, parent=parent, parent_step=at.step, begun=begun, config=config),
    )
    run.acquire()
    positions = {engine: checkpoint.position for engine, checkpoint in begun.items()}
    earlier = read_past_training(run)
    return Session(config, dataset, engines, run, positions, notes=notes, past=earlier)


def free_branch_name(saved: Path, parent: str, epoch: int) -> str:
    """Return the first free name of `PARENT-at-EPOCH`, `PARENT-at-EPOCH-2` and so on."""
    tail = f"-at-{epoch}"
    stem = parent[: MAX_NAME_LENGTH - len(tail) - 4].rstrip() + tail
    number, name = 1, stem
    while (saved / name).exists() or (saved / name).is_symlink():
        number += 1
        name = f"{stem}-{number}"
    return name


def _read_past(
    parent: Run, epoch: int, engines: Iterable[EngineName]
) -> dict[EngineName, Checkpoint]:
    names = tuple(engines)
    kept = parent.history.epochs(names)
    if epoch in kept:
        return {name: parent.read_past(name, epoch) for name in names}
    if not kept:
        raise RunError(
            f"run {parent.name!r}: none of its epochs is kept, so nothing can branch from it; "
            "a run keeps them with --history 64, say"
        )
    raise RunError(f"run {parent.name!r}: epoch {epoch} is not kept; kept are {kept_text(kept)}")


def _check_shape(parent: Run, dataset: Dataset) -> None:
    info = parent.dataset
    height, width = info.image_shape
    if (dataset.features, dataset.classes) != (height * width, info.classes):
        own = "x".join(map(str, dataset.image_shape))
        raise RunError(
            f"data {dataset.name!r}: {own} pixels and {dataset.classes} classes, but the weights "
            f"of run {parent.name!r} are for {height}x{width} and {info.classes}; start a new run"
        )


def _begin(
    engine: Engine, past: Checkpoint, config: RunConfig, before: RunConfig, step: int
) -> Checkpoint:
    """Load a past state into an engine; return the checkpoint from which the branch begins."""
    state, own = past.state, engine.state()
    if OPTIMIZERS[config.optimizer].slot_names != OPTIMIZERS[before.optimizer].slot_names:
        state = EngineState(state.weights, own.slots, 0)
    engine.load_state(state)
    rate = past.position.learning_rate if config.learning_rate == before.learning_rate else None
    position = replace(
        past.position, batch=0, step=step, planned_epochs=config.epochs, learning_rate=rate
    )
    return replace(past, state=state, position=position)


def _fill(
    folder: Path,
    *,
    parent: Run,
    parent_step: int,
    begun: Mapping[EngineName, Checkpoint],
    config: RunConfig,
) -> None:
    """Write the past that the branch shares with its parent into its folder."""
    positions = {name: checkpoint.position for name, checkpoint in begun.items()}
    replace_durably(folder / METRICS_NAME, _shared_lines(parent, positions))
    _copy_events(folder, parent, positions, parent_step)
    history = History(folder / HISTORY_NAME)
    for name, checkpoint in begun.items():
        write_checkpoint(checkpoint_path(folder, name), checkpoint, config.seed)
        history.write(checkpoint, config.seed)
    same_steps = all(at.step == parent_step for at in positions.values())
    if same_steps and config.learning_rate == parent.config.learning_rate:
        # The branch makes the changes of the learning rate at the same steps as its parent.
        changes = read_rates(parent.path)
        if shared := [one for name in begun for one in changes[name]]:
            append_rates(folder, shared)


def _shared_lines(parent: Run, positions: Mapping[EngineName, Position]) -> Iterator[bytes]:
    """Yield the lines of the parent's epochs, with the steps that they have in the branch."""
    for raw in MetricsLog(parent.path / METRICS_NAME).raw_lines():
        record = parse_epoch(raw, with_confusion=False) if raw.endswith(b"\n") else None
        at = positions.get(record.engine) if record else None
        if record is None or at is None or record.epoch > at.epoch:
            continue
        step = record.epoch * (at.step // max(1, at.epoch))
        other = (to_json({**parse_object(raw), "step": step}) + "\n").encode()
        yield raw if step == record.step else other


def _copy_events(
    folder: Path, parent: Run, positions: Mapping[EngineName, Position], parent_step: int
) -> None:
    """Copy the parent's batch losses, unless the branch counts its steps differently."""
    at = next(iter(positions.values()))
    if at.step != parent_step:
        return
    events = EventLog(parent.path / EVENTS_NAME)
    whole = (raw for raw in events.raw_lines() if raw.endswith(b"\n"))
    replace_durably(folder / EVENTS_NAME, whole)
    done = {name: (position.step, position.epoch) for name, position in positions.items()}
    EventLog(folder / EVENTS_NAME).trim(dict.fromkeys(parent.config.engine_names, (0, 0)) | done)
