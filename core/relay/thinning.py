"""Fewer lines of a log for a thin link: what a chart shows is kept, its bytes are not.

On the bundled digits both models write 160 kB of logs a second at full speed, which is 25 kB
compressed; the dashboard, drawn there, takes 1 kB. So groups of steps are joined (their number
stays exact), epochs are left out, as the charts do later anyway, and the rest has six digits. A run
of an epoch in two seconds or slower is sent as it is.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from math import ceil, isfinite

from mlpwatch.core.config import EngineName
from mlpwatch.core.events import GapMeasured, StepGroup
from mlpwatch.core.runs.event_log import entry_text, parse_entry
from mlpwatch.core.runs.layout import EVENTS_NAME, METRICS_NAME

_FLOAT = re.compile(rb"-?\d+\.\d{6,}(?:e[-+]?\d+)?")


def thinned_lines(name: str, lines: Sequence[bytes], groups: int, epochs: int) -> list[bytes]:
    """Return the lines of a log to send.

    Args:
        name: of the log's file.
        lines: without line feeds.
        groups: of steps to send of each engine, at most.
        epochs: to send of each engine, at most; up to twice as many, and one, come.
    """
    if name == METRICS_NAME:
        fewer = _fewer_epochs(lines, epochs)
    else:
        fewer = _fewer_events(lines, groups, epochs) if name == EVENTS_NAME else list(lines)
    return fewer if len(fewer) == len(lines) else [_shortened(line) for line in fewer]


def _stride(count: int, most: int) -> int:
    """Return the power of two by which so many become at most `most`."""
    return 1 << max(0, ceil(count / max(1, most)) - 1).bit_length()


def _fewer_epochs(lines: Sequence[bytes], most: int) -> list[bytes]:
    if len(lines) <= most:
        return list(lines)
    found = [_place(line) for line in lines]
    counts = Counter(place[0] for place in found if place)
    last = {place[0]: place[1] for place in found if place}
    strides = {engine: _stride(count, most) for engine, count in counts.items()}
    return [
        line
        for line, place in zip(lines, found, strict=True)
        # The multiples of a power of two are what the charts keep, too.
        if place is None or place[1] == last[place[0]] or not place[1] % strides[place[0]]
    ]


def _place(line: bytes) -> tuple[str, int] | None:
    """Return engine and epoch of a line; None if it is damaged, and sent as it is."""
    try:
        fields = json.loads(line)
        engine, epoch = fields["engine"], fields["epoch"]
    except (ValueError, KeyError, TypeError):
        return None
    return (engine, epoch) if isinstance(engine, str) and isinstance(epoch, int) else None


def _fewer_events(lines: Sequence[bytes], groups: int, epochs: int) -> list[bytes]:
    if len(lines) <= min(groups, epochs):
        return list(lines)
    entries = [parse_entry(line) for line in lines]
    steps = Counter(one.engine for one in entries if isinstance(one, StepGroup))
    gaps = [one.epoch for one in entries if isinstance(one, GapMeasured)]
    lengths = {engine: ceil(count / groups) for engine, count in steps.items()}
    stride = _stride(len(gaps), epochs)
    open_groups: dict[EngineName, list[StepGroup]] = {}
    sent: list[bytes] = []

    def close(engine: EngineName) -> None:
        if found := open_groups.pop(engine, []):
            sent.append(entry_text(_joined(found)).encode())

    for line, entry in zip(lines, entries, strict=True):
        match entry:
            case StepGroup() if lengths[entry.engine] > 1 and isfinite(entry.loss):
                open_groups.setdefault(entry.engine, []).append(entry)
                if len(open_groups[entry.engine]) >= lengths[entry.engine]:
                    close(entry.engine)
            case GapMeasured() if entry.epoch != gaps[-1] and entry.epoch % stride:
                pass
            case _:
                # What happened between two groups stays between them.
                if engine := getattr(entry, "engine", None):
                    close(engine)
                sent.append(line)
    for engine in list(open_groups):
        close(engine)
    return sent


def _joined(groups: Sequence[StepGroup]) -> StepGroup:
    """Return groups in a row as one; the mean is weighted by their steps."""
    last, count = groups[-1], sum(one.count for one in groups)
    return StepGroup(
        last.engine,
        step=last.step,
        count=count,
        seconds=last.seconds,
        loss=sum(one.loss * one.count for one in groups) / count,
        low=min(one.low for one in groups),
        high=max(one.high for one in groups),
    )


def _shortened(line: bytes) -> bytes:
    """Return a line with six digits of each number: a chart shows three of seventeen."""
    return _FLOAT.sub(lambda found: b"%.6g" % float(found[0]), line)
