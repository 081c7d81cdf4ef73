"""One named error per way in which a checkpoint file can be bad."""

from pathlib import Path

from mlpwatch.core.errors import RunError
from mlpwatch.core.text import printable


class CheckpointError(RunError):
    """Base: this file can't be gone on from.

    Args:
        path: of the file.
        fault: what was found and what was expected.
        advice: what to do.
    """

    def __init__(
        self, path: Path, fault: str, advice: str = "restore a copy or start a new run"
    ) -> None:
        self.fault = f"{printable(path)}: {printable(fault)}"
        """The message without the advice."""
        super().__init__(f"{self.fault}; {advice}")


class MissingCheckpointError(CheckpointError):
    """No file of that name."""


class UnreadableCheckpointError(CheckpointError):
    """The system does not let us read it, or it is not a regular file."""


class TruncatedCheckpointError(CheckpointError):
    """Shorter than its own header says; also an empty file."""


class MalformedCheckpointError(CheckpointError):
    """Not a safetensors file, or one whose header contradicts itself."""


class ForeignCheckpointError(CheckpointError):
    """A sound safetensors file of another program or of another run."""


class NewerFormatError(CheckpointError):
    """Written by a later mlpwatch."""


class ChecksumMismatchError(CheckpointError):
    """Some bit is not as it was written."""


class ShapeMismatchError(CheckpointError):
    """Tensors of another network: names or shapes differ."""


class DtypeMismatchError(CheckpointError):
    """Tensors of another precision than the run's."""


class NonFiniteWeightsError(CheckpointError):
    """A weight or an optimizer slot holds NaN or infinity."""
