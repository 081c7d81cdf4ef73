"""The metrics log: one JSON object per engine and epoch, appended line by line."""

from collections.abc import Collection
from dataclasses import asdict, dataclass

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.files.line_file import LineFile
from mlpwatch.core.files.strict_json import (
    parse_object,
    take_choice,
    take_number,
    take_whole,
    to_json,
)

TAIL_BYTES = 16_384
"""Read first for the newest lines: about 80 lines of 200 bytes."""


@dataclass(frozen=True, slots=True)
class MetricsLine:
    """One engine at the end of one epoch. A number that is not finite is null in the file."""

    engine: EngineName
    epoch: int
    """Epochs done so far, counted from 1."""
    step: int
    """Updates done so far."""
    seconds: float
    """Training time so far."""
    train_loss: float
    val_loss: float
    val_accuracy: float
    """0 to 1."""
    samples_per_second: float


@dataclass(frozen=True, slots=True)
class MetricsReading:
    """What a metrics file holds."""

    lines: tuple[MetricsLine, ...]
    """In the order of the file."""
    skipped: int
    """Damaged lines between the others."""
    torn: bool
    """The last line was cut off by a crash, and was left out."""


class MetricsLog(LineFile):
    """One metrics file. Safe from several threads; one process at a time writes."""

    def append(self, *lines: MetricsLine) -> None:
        """Add lines and wait until they are on disk; a torn last line is cut off first.

        Raises:
            OSError: for example a full disk; nothing was added.
        """
        self.append_text("\n".join(to_json(asdict(line)) for line in lines))

    def read(self) -> MetricsReading:
        """Read the whole file; one that does not exist is empty.

        Raises:
            RunError: the file can't be read.
        """
        lines: list[MetricsLine] = []
        skipped, torn = 0, False
        for raw in self.raw_lines():
            if not raw.endswith(b"\n"):
                torn = True
            elif line := parse_metrics_line(raw):
                lines.append(line)
            else:
                skipped += 1
        return MetricsReading(tuple(lines), skipped, torn)

    def trim(self, engine: EngineName, epoch: int) -> None:
        """Drop this engine's lines of later epochs than `epoch`, and a torn last line.

        After a crash the log may be ahead of the checkpoint that training goes on from.

        Raises:
            OSError: the file can't be replaced; it is as it was.
            RunError: the file can't be read.
        """
        name = f'"{engine}"'.encode()  # looked for first: half of the lines need no parsing
        self.trim_lines(
            lambda raw: name in raw and _is_later(parse_metrics_line(raw), engine, epoch)
        )

    def newest(self, engines: Collection[EngineName]) -> dict[EngineName, MetricsLine]:
        """Return each engine's last line, reading only the end of the file where that suffices.

        Raises:
            RunError: the file can't be read.
        """
        found = _last_lines(self.read_from(-TAIL_BYTES), engines)
        if len(found) < len(engines):
            found = _last_lines(self.read_from(0), engines)
        return found


def parse_metrics_line(raw: bytes) -> MetricsLine | None:
    """Return the epoch of one line; None where it is damaged."""
    try:
        fields = parse_object(raw)
        return MetricsLine(
            engine=take_choice(fields, "engine", ENGINE_NAMES),
            epoch=take_whole(fields, "epoch"),
            step=take_whole(fields, "step"),
            seconds=take_number(fields, "seconds"),
            train_loss=take_number(fields, "train_loss"),
            val_loss=take_number(fields, "val_loss"),
            val_accuracy=take_number(fields, "val_accuracy"),
            samples_per_second=take_number(fields, "samples_per_second"),
        )
    except ValueError:
        return None


def _last_lines(data: bytes, engines: Collection[EngineName]) -> dict[EngineName, MetricsLine]:
    found: dict[EngineName, MetricsLine] = {}
    missing = {name.encode() for name in engines}
    # What follows the last line feed is torn; a first line cut by the seek does not parse.
    for raw in reversed(data.split(b"\n")[:-1]):
        # Before parsing: the other engine may have ended a hundred thousand lines earlier.
        if not any(name in raw for name in missing):
            continue
        line = parse_metrics_line(raw)
        if line is not None and line.engine in engines and line.engine not in found:
            found[line.engine] = line
            missing.remove(line.engine.encode())
        if not missing:
            break
    return found


def _is_later(line: MetricsLine | None, engine: EngineName, epoch: int) -> bool:
    return line is not None and line.engine == engine and line.epoch > epoch
