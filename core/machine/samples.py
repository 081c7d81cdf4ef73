"""A line of `machine.jsonl`: the figures of one moment of a run."""

import math
from typing import NamedTuple

from mlpwatch.core.files.strict_json import parse_object, to_json

_MOST_FIGURES = 256
"""A line with more is not ours: 16 GPUs have 68."""

_MOST_SECONDS = 1e10
"""300 years."""


class Sample(NamedTuple):
    """Figures of one moment."""

    seconds: float
    """Of training, earlier sessions included."""
    time: float
    """Unix time."""
    values: dict[str, float]
    """By name; the part before `/` says whose they are."""

    def encoded(self) -> str:
        """Return the line, without a line feed."""
        return to_json(self._asdict())


def parse_sample(raw: bytes) -> Sample | None:
    """Return the sample in a line; None for a damaged line."""
    try:
        found = parse_object(raw)
        values = {str(name)[:100]: float(one) for name, one in found["values"].items()}
        sample = Sample(float(found["seconds"]), float(found["time"]), values)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None
    numbers = (sample.seconds, sample.time)
    is_good = all(math.isfinite(one) and 0 <= one <= _MOST_SECONDS for one in numbers)
    return sample if is_good and len(values) <= _MOST_FIGURES else None
