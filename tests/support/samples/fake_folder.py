"""A run folder that is only read: its history, if a test has written one."""

from dataclasses import dataclass
from pathlib import Path

from mlpwatch.core.config import EngineName
from mlpwatch.core.runs.checkpoints import Checkpoint, read_checkpoint
from mlpwatch.core.runs.history import History
from mlpwatch.core.runs.layout import past_name

RUN_PATH = Path("saved/2026-11-23-twin-k3f9")


@dataclass
class FakeFolder:
    """A run folder that nothing is written to and nobody locks."""

    path: Path = RUN_PATH
    host: str = ""

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def history(self) -> History:
        return History(self.path / "history")

    def read_past(self, engine: EngineName, epoch: int) -> Checkpoint:
        return read_checkpoint(self.path / "history" / past_name(engine, epoch))

    def acquire(self) -> str:
        return ""

    def release(self) -> None:
        pass
