"""From settings to a session that is ready to start: loads the data, makes or opens the run."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset, dataset_for
from mlpwatch.core.data.registry import SOURCES, lasting_source, resolve_source, sources_for
from mlpwatch.core.errors import ConfigError, DataError, RunError
from mlpwatch.core.files.durable import unlink
from mlpwatch.core.files.tensor_files import CheckpointError
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.network.optimizers import rate_note
from mlpwatch.core.network.users.base import UserEngine
from mlpwatch.core.network.users.fitting import fitted_config
from mlpwatch.core.runs.checkpoints import (
    Checkpoint,
    Position,
    read_checkpoint,
)
from mlpwatch.core.runs.layout import best_name
from mlpwatch.core.runs.manifest import DatasetInfo
from mlpwatch.core.runs.networks import with_sources
from mlpwatch.core.runs.replay import RunTail, damage_notes
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.rates import Past, read_past_training
from mlpwatch.core.training.session import Session

Report = Callable[[str], None]
"""Receives a few words about the current work, to show while the user waits."""


class Leader(Protocol):
    """Rank 0 of several processes that train one run; see `core.training.ranks.leader`."""

    size: int
    """Number of ranks."""

    def agree(
        self, config: RunConfig, dataset: Dataset, positions: Mapping[EngineName, Position]
    ) -> None:
        """Have the other ranks load the same data and build the same networks.

        Raises:
            MlpwatchError: one of them can't; nothing has been written.
        """

    def session(
        self,
        config: RunConfig,
        dataset: Dataset,
        engines: Mapping[EngineName, Engine],
        run: Run,
        positions: Mapping[EngineName, Position] | None = None,
        *,
        notes: Sequence[str] = (),
        past: Past | None = None,
    ) -> Session:
        """Return a session whose engines train together with those of the other ranks."""


def new_session(
    config: RunConfig,
    saved: Path,
    name: str | None,
    report: Report,
    leader: Leader | None = None,
    *,
    group: str | None = None,
) -> Session:
    """Load the data, build the engines and, if all this succeeded, make a run folder.

    Args:
        config: of the run.
        saved: the folder of all runs, or of a sweep.
        name: of the run's folder; None for a new one.
        report: receives the current work.
        leader: of several ranks; None for one process.
        group: the sweep that the run is a trial of; None for other runs.

    Raises:
        DataError: the data can't be read or used for training; nothing has been written.
        ConfigError: the device is absent, or the network does not fit in memory; nothing has
            been written.
        RunError: the name is taken, or the folder can't be made.
    """
    config, dataset = load_new(config, report)
    if config.has_networks:
        config = fitted_config(config, dataset.features, dataset.classes)
    engines = build_engines(config, dataset, report)
    config = _with_draws(config, engines)
    info = DatasetInfo(
        dataset.name, dataset.sha256, dataset.image_shape, dataset.classes, dataset.names
    )
    if leader is not None:
        leader.agree(config, dataset, {})
    ranks = leader.size if leader else 1
    run = Run.create(saved, name, config, info, group=group, ranks=ranks)
    run.acquire()
    if leader is not None:
        return leader.session(config, dataset, engines, run)
    notes = [note for note in (rate_note(config),) if note]
    for note in notes:
        report(note)
    return Session(config, dataset, engines, run, notes=notes)


def _with_draws(config: RunConfig, engines: Mapping[EngineName, Engine]) -> RunConfig:
    """Return the config with what is seen of the random numbers of a user's NumPy file."""
    engine, file = engines.get("numpy"), config.network
    if file is None or not isinstance(engine, UserEngine) or not engine.draws_at_random():
        return config
    return config.with_network("numpy", replace(file, draws_at_random=True, is_exact=False))


def resumed_session(
    run: Run, config: RunConfig, report: Report, leader: Leader | None = None
) -> Session:
    """Open a saved run's data and checkpoints.

    Args:
        run: the saved run.
        config: its settings, perhaps with more epochs.
        report: receives the current work, and which checkpoint or lines were skipped.
        leader: of several ranks.

    Raises:
        RunError: a checkpoint can't be read, or the data are not those of the run.
        DataError: the data can't be read.
    """
    taken_over = run.acquire()
    try:
        return _resume(run, config, report, taken_over, leader)
    except BaseException:
        # Otherwise the run would later be reported as killed during training.
        run.release()
        raise


def _resume(
    run: Run, config: RunConfig, report: Report, taken_over: str, leader: Leader | None
) -> Session:
    notes: list[str] = []

    def note(text: str) -> None:
        notes.append(text)
        report(text)

    if taken_over:
        note(taken_over)
    config = with_sources(config, run.path, note)
    # With their code, so that a folder that is deleted meanwhile is made again as a whole.
    for name in config.engine_names:
        planned = run.config.with_network(name, config.network_file(name))
        run.manifest = replace(run.manifest, config=planned)
    dataset = load_again(run, config, report)
    checkpoints = _read_checkpoints(run, config, note)
    positions = {name: checkpoint.position for name, checkpoint in checkpoints.items()}
    config = _go_on_to_the_plan(run, config, positions)
    engines = build_engines(config, dataset, report)
    for name, checkpoint in checkpoints.items():
        engines[name].load_state(checkpoint.state)
    if leader is not None:
        leader.agree(config, dataset, positions)
    tail = RunTail(run)
    tail.read()
    for text in damage_notes(tail):
        note(text)
    _forget_what_comes_after(run, config, positions)
    moved = config.data != run.config.data
    run.change_plan(
        config.epochs, lasting_source(resolve_source(config.data)) if moved else config.data
    )
    past = read_past_training(run)
    make = leader.session if leader else Session
    return make(config, dataset, engines, run, positions, notes=notes, past=past)


def load_again(run: Run, config: RunConfig, report: Report) -> Dataset:
    """Load the data that a saved run was trained on.

    Raises:
        DataError: it can't be read; the message says that it may have been moved.
        RunError: it is different data.
    """
    try:
        dataset = _load(config, report, run.dataset.classes)
    except DataError as error:
        raise DataError(
            f"{error}; run {run.name!r} needs its data: where they have moved, give their new path"
            " with --data"
        ) from error
    if dataset.sha256 != run.dataset.sha256:
        raise RunError(
            f"run {run.name!r} was trained on other data than {config.data!r} holds now: "
            "give the right file with --data"
        )
    return dataset


def _read_checkpoints(run: Run, config: RunConfig, report: Report) -> dict[EngineName, Checkpoint]:
    checkpoints: dict[EngineName, Checkpoint] = {}
    for engine in config.engine_names:
        latest = run.read_latest(engine)
        if latest is None:
            report(f"{engine} was never saved in {run.name!r}: it starts at the first step")
            continue
        if latest.note:
            report(latest.note)
        checkpoints[engine] = latest.checkpoint
    return checkpoints


def _go_on_to_the_plan(
    run: Run, config: RunConfig, positions: Mapping[EngineName, Position]
) -> RunConfig:
    """Return the config with the epochs that an earlier resume may have added.

    Raises:
        RunError: all epochs are done.
    """
    if config.epochs == run.config.epochs:
        planned = [position.planned_epochs for position in positions.values()]
        config = replace(config, epochs=max(config.epochs, *planned, 0))
    done = [position.epoch for position in positions.values()]
    if len(done) == len(config.engine_names) and min(done) >= config.epochs:
        raise RunError(
            f"run {run.name!r} has done all its {config.epochs} epochs: "
            f"continue with --epochs {config.epochs + 10}, say"
        )
    return config


def _drop_later_best(run: Run, name: EngineName, epoch: int) -> None:
    """Remove a best checkpoint of an epoch that is trained again; a damaged one stays."""
    path = run.path / best_name(name)
    with suppress(CheckpointError, FileNotFoundError):
        if read_checkpoint(path, folder=run.folder).position.epoch > epoch:
            unlink(path, folder=run.folder)


def _forget_what_comes_after(
    run: Run, config: RunConfig, positions: Mapping[EngineName, Position]
) -> None:
    """Remove the result and the lines of the logs that the resumed training will write again.

    Raises:
        RunError: the run's folder can't be written.
    """
    try:
        for name in config.engine_names:
            epoch = positions[name].epoch if name in positions else 0
            run.trim_metrics(name, epoch)
            _drop_later_best(run, name, epoch)
            run.history.trim(name, epoch)
        done = {name: (at.step, at.epoch) for name, at in positions.items()}
        run.events.trim(dict.fromkeys(config.engine_names, (0, 0)) | done)
    except OSError as error:
        raise RunError(
            f"run {run.name!r}: its metrics can't be written, {error.strerror}; "
            "free some space or make the folder writable"
        ) from None
    # Last: if the disk is full and the logs can't be written, the run keeps its result.
    run.discard_result()


def load_new(config: RunConfig, report: Report) -> tuple[RunConfig, Dataset]:
    """Load the config's data; `auto` skips a damaged MNIST in the cache."""
    names = map(lasting_source, sources_for(config.data))
    *others, last = (replace(config, data=name) for name in names)
    for lasting in others:
        try:
            return lasting, _load(lasting, report)
        except DataError as error:
            report(f"{error}; training on {SOURCES[last.data].summary}")
    return last, _load(last, report)


def _load(config: RunConfig, report: Report, classes: int | None = None) -> Dataset:
    report(f"loading {config.data}")
    return dataset_for(config, classes)


def build_engines(config: RunConfig, dataset: Dataset, report: Report) -> dict[EngineName, Engine]:
    """Build the engines of a run.

    Raises:
        ConfigError: the network does not fit in memory, or the device is absent.
    """
    report("building the networks")
    try:
        return {name: engine_on(dataset, name, config) for name in config.engine_names}
    except MemoryError:
        widths = ",".join(map(str, config.hidden))
        raise ConfigError(
            f"hidden {widths}: does not fit in memory; give smaller widths with --hidden"
        ) from None


def engine_on(dataset: Dataset, name: EngineName, config: RunConfig) -> Engine:
    """Build one engine on a data set's training images.

    Raises:
        ConfigError: the config's device is absent.
    """
    images, labels = dataset.train_images, dataset.train_labels
    return build_engine(
        name, config, images, labels, dataset.classes, grey_levels=dataset.grey_levels
    )
