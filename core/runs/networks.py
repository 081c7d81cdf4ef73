"""The copies of the user's own networks in a run's folder, which a resumed run trains."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from mlpwatch.core.config import ENGINE_NAMES, EngineName, RunConfig
from mlpwatch.core.errors import InputError, RunError
from mlpwatch.core.files.durable import replace_durably
from mlpwatch.core.foreign.reading import read_bytes
from mlpwatch.core.network.optimizers import OPTIMIZERS
from mlpwatch.core.network_file import NetworkFile
from mlpwatch.core.runs.layout import network_name
from mlpwatch.core.text import printable


def write_networks(folder: Path, config: RunConfig) -> None:
    """Write a copy of each network file of the run into its folder.

    Raises:
        OSError: for example a full disk.
    """
    for engine in ENGINE_NAMES:
        file = config.network_file(engine)
        if file is not None and file.source:
            replace_durably(folder / network_name(engine), file.source)


def saved_slots(config: RunConfig, engine: EngineName) -> tuple[str, ...]:
    """Return the optimizer slots in an engine's checkpoints: none that a user's file hides."""
    file = config.network_file(engine)
    is_seen = file is None or file.keeps_slots
    return OPTIMIZERS[config.of(engine).optimizer].slot_names if is_seen else ()


def with_sources(config: RunConfig, folder: Path, note: Callable[[str], None]) -> RunConfig:
    """Return the config with the code of its network files, from the copies in the run's folder.

    Args:
        config: of a saved run.
        folder: of the run.
        note: receives lines for the user: an original that has changed, a memory that is lost.

    Raises:
        RunError: a copy is missing or not the file that the run began with.
    """
    for engine in config.engine_names:
        file = config.network_file(engine)
        if file is None:
            continue
        source = _copied(folder, engine, file)
        config = config.with_network(engine, replace(file, source=source))
        if _has_changed(file):
            note(
                f"{printable(file.file)} has changed since this run began: it trains its own copy, "
                f"{network_name(engine)}; start a new run for the new file"
            )
        if file.draws_at_random:
            note(
                f"{printable(file.file)} draws random numbers of its own, which begin again: this "
                "is not exactly the run without the stop"
            )
        elif not file.is_exact:
            note(
                f"{printable(file.file)} makes its own update: what it remembers besides the "
                "weights starts again, so this is not exactly the run without the stop"
            )
    return config


def with_unchanged_sources(config: RunConfig, folder: Path) -> tuple[RunConfig, list[str]]:
    """Return the config of a run that is only shown, with the code of files that are still here.

    A run's folder may come from somebody else, so its copy runs only where the user's own file of
    the same bytes is where it was.

    Args:
        config: of a saved run.
        folder: of the run.

    Returns:
        The config, and a line for each network that mlpwatch's own layers stand in for.
    """
    notes = []
    for engine in config.engine_names:
        file = config.network_file(engine)
        if file is None:
            continue
        try:
            source = _copied(folder, engine, file)
            is_here = (Path(file.folder) / file.file).read_bytes() == source
        except (RunError, OSError, ValueError):
            is_here = False
        if is_here:
            config = config.with_network(engine, replace(file, source=source))
        else:
            notes.append(
                f"{printable(file.file)} has changed or is not here: mlpwatch's own layers predict "
                "with its weights"
            )
    return config, notes


def _copied(folder: Path, engine: EngineName, file: NetworkFile) -> bytes:
    path = folder / network_name(engine)
    try:
        source = read_bytes(path)
    except InputError as error:
        raise RunError(f"{error}; this run trains it: restore it or start a new run") from None
    if sha256(source).hexdigest() != file.sha256:
        raise RunError(
            f"{printable(path)}: not the {printable(file.file)} that this run began with (sha256 "
            f"{file.sha256[:12]}…); restore it or start a new run"
        )
    return source


def _has_changed(file: NetworkFile) -> bool:
    """Whether the user's own file is there and differs from the copy."""
    try:
        return sha256((Path(file.folder) / file.file).read_bytes()).hexdigest() != file.sha256
    except (OSError, ValueError):
        return False
