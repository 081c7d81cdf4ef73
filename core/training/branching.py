"""A branch: a new run that begins where another was at the end of one of its kept epochs."""

from collections.abc import Iterator, Mapping
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

    A branch against its parent has two columns of one engine: both begin with that engine's
    weights, the left one trains with the parent's settings, the right one with the treatment's.

    Args:
        parent: see `Run.open`.
        epoch: a kept one; epochs done.
        config: the parent's settings with changes that fit its weights; perhaps a treatment.
        saved: the folder of all runs.
        name: of the branch; None for the parent's with `-at-EPOCH`.
        report: receives the current work.

    Raises:
        ConfigError: no epoch would be left to train.
        RunError: the epoch is not kept, or its weights do not fit the data.
        DataError: the data can't be read.
    """
    past = _read_past(parent, epoch, config)
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
        name: _begin(engines[name], checkpoint, config, parent, epoch * epoch_steps)
        for name, checkpoint in past.items()
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


def _source(parent: Run, config: RunConfig, engine: EngineName) -> EngineName:
    """Return the parent's engine whose past a branch's engine continues."""
    return engine if parent.config.treatment is not None else config.kind(engine)


def _read_past(parent: Run, epoch: int, config: RunConfig) -> dict[EngineName, Checkpoint]:
    names = {name: _source(parent, config, name) for name in config.engine_names}
    kept = parent.history.epochs(sorted({*names.values()}))
    if epoch in kept:
        return {
            name: replace(parent.read_past(source, epoch), engine=name)
            for name, source in names.items()
        }
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
    engine: Engine, past: Checkpoint, config: RunConfig, parent: Run, step: int
) -> Checkpoint:
    """Load a past state into an engine; return the checkpoint from which the branch begins."""
    before = parent.config.of(_source(parent, config, engine.name))
    config = config.of(engine.name)
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
    sources = {name: _source(parent, config, name) for name in begun}
    replace_durably(folder / METRICS_NAME, _shared_lines(parent, positions, sources))
    if all(name == source for name, source in sources.items()):
        _copy_events(folder, parent, positions, parent_step)
    history = History(folder / HISTORY_NAME)
    for name, checkpoint in begun.items():
        write_checkpoint(checkpoint_path(folder, name), checkpoint, config.seed)
        history.write(checkpoint, config.seed)
    same_steps = all(at.step == parent_step for at in positions.values())
    # The branch makes the changes of the learning rate at the same steps as its parent.
    changes = read_rates(parent.path)
    shared = [
        replace(one, engine=name)
        for name, source in sources.items()
        if config.of(name).learning_rate == parent.config.of(source).learning_rate
        for one in changes[source]
    ]
    if same_steps and shared:
        append_rates(folder, shared)


def _shared_lines(
    parent: Run,
    positions: Mapping[EngineName, Position],
    sources: Mapping[EngineName, EngineName],
) -> Iterator[bytes]:
    """Yield the lines of the parent's epochs, with the engines and steps of the branch."""
    for raw in MetricsLog(parent.path / METRICS_NAME).raw_lines():
        record = parse_epoch(raw, with_confusion=False) if raw.endswith(b"\n") else None
        for name, at in positions.items():
            if record is None or sources[name] != record.engine or record.epoch > at.epoch:
                continue
            step = record.epoch * (at.step // max(1, at.epoch))
            own = {**parse_object(raw), "step": step, "engine": name}
            is_same = step == record.step and name == record.engine
            yield raw if is_same else (to_json(own) + "\n").encode()


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
