"""A history on disk for the played sessions, as a training would have written it."""

from collections.abc import Iterable
from pathlib import Path

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.network.engine import EngineState
from mlpwatch.core.runs.checkpoints import Checkpoint, Position
from mlpwatch.core.runs.history import History
from tests.support.samples.scenes import CONFIG, EPOCH_STEPS, weights


def keep_epochs(
    folder: Path, epochs: Iterable[int], engines: Iterable[EngineName] = ENGINE_NAMES
) -> None:
    """Write the checkpoints of these epochs into a run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    history = History(folder / "history")
    for epoch in epochs:
        for name in engines:
            step = epoch * EPOCH_STEPS
            position = Position(epoch, 0, step, float(epoch), planned_epochs=CONFIG.epochs)
            state = EngineState(weights(name, step), {}, step)
            history.write(Checkpoint(name, state, position), CONFIG.seed)
