"""A sweep in plain text: a line per trial that ends, and the table of its settings."""

import math
from collections.abc import Sequence
from itertools import zip_longest

from mlpwatch.core.config import TITLES, EngineName
from mlpwatch.core.runs.listing import RunSummary
from mlpwatch.core.sweeps.group import Group
from mlpwatch.core.sweeps.reading import GroupReading, SettingRow
from mlpwatch.core.sweeps.statistics import Spread
from mlpwatch.core.sweeps.trial import TrialEnd
from mlpwatch.core.text import excerpt, printable

_MINUTE, _HOUR = 60, 3600

SHORT_REASON = 60
"""Most characters of a reason beside its trial; the table has it whole."""


def table_lines(reading: GroupReading, columns: int | None = None) -> list[str]:
    """Return the table of settings, aligned, and below it the failed trials.

    Args:
        reading: of the sweep.
        columns: of the terminal; where it is too narrow, a verdict has a line of its own.
    """
    settings = reading.settings()
    engines = [name for name in TITLES if any(name in row.test_accuracy for row in settings)]
    varied = reading.group.varied
    heading = "setting" if varied else "all seeds"
    rows = [(heading, "done", *(TITLES[name] for name in engines), "best")]
    rows += [_cells(row, engines) for row in settings]
    lines = aligned(rows)
    verdicts = [row.verdict for row in settings]
    width = max(map(len, lines))
    if columns is not None and width + 2 + max(map(len, verdicts)) > columns:
        # Two spaces: they belong to the line above.
        said = ["", *(f"  {verdict}" for verdict in verdicts)]
        lines = [text for pair in zip(lines, said, strict=True) for text in pair if text.strip()]
    elif any(verdicts):
        lines = [
            f"{line:<{width}}  {said}".rstrip()
            for line, said in zip_longest(
                lines, ["PyTorch against NumPy, points", *verdicts], fillvalue=""
            )
        ]
    return lines + _failed_lines(reading)


def _failed_lines(reading: GroupReading) -> list[str]:
    """Return each reason once, with the trials of a setting that have failed for it."""
    found: dict[tuple[int, str], list[str]] = {}
    for row in reading.rows:
        if row.state == "failed":
            found.setdefault((row.trial.setting, row.reason), []).append(row.trial.name)
    return [
        f"failed: {names[0]}{_others(len(names) - 1)}: {reason}"
        for (_, reason), names in found.items()
    ]


def _others(count: int) -> str:
    return f" and {_count(count, 'more seed')}" if count else ""


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose columns lie under each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def trial_line(end: TrialEnd, number: int, count: int, run: RunSummary | None) -> str:
    """Return a line about a trial that has just ended.

    Args:
        end: how it ended.
        number: how many have ended, with it.
        count: of all trials.
        run: what its folder says; None without one.
    """
    place = f"[{number:>{len(str(count))}}/{count}] {end.name}"
    if end.state == "stopped":
        return f"{place}  saved; the same sweep continues it"
    test = {e.engine: e.test_accuracy for e in run.engines} if run else {}
    known = [f"{TITLES[name]} {share:.2%}" for name, share in test.items() if share is not None]
    parts = known + (
        [f"failed: {excerpt(end.reason, SHORT_REASON)}"] if end.state == "failed" else []
    )
    return "  ".join([place, *parts])


def begin_line(name: str, group: Group, missing: int, where: str, seconds: float) -> str:
    """Return how large a sweep is, before it starts.

    Args:
        name: of the sweep.
        group: its settings and seeds.
        missing: trials that are to be trained now.
        where: what trains.
        seconds: how long that takes; NaN if unknown.
    """
    settings, seeds = len(group.settings), len(group.seeds)
    epochs = sorted({one.config.epochs for one in group.settings})
    length = str(epochs[0]) if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
    text = (
        f"sweep {printable(name)}: {_count(settings, 'setting')} x {_count(seeds, 'seed')} = "
        f"{_count(settings * seeds, 'trial')} of {length} epoch{'s' * (length != '1')}"
    )
    if missing < settings * seeds:
        text += f", {settings * seeds - missing} of them done"
    if not missing:
        return text
    return f"{text}; {where}" + ("" if math.isnan(seconds) else f"; about {time_text(seconds)}")


def time_text(seconds: float) -> str:
    """Return a rough time: `8 s`, `4 min`, `2 h 10 min`."""
    if seconds < _MINUTE:
        return f"{max(1, round(seconds))} s"
    if seconds < _HOUR:
        return f"{round(seconds / _MINUTE)} min"
    hours, rest = divmod(round(seconds / _MINUTE), 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def spread_text(found: Spread) -> str:
    """Return mean and standard deviation in percent: `94.88 ± 0.12 %`."""
    if not found.n:
        return "–"
    mean = f"{found.mean * 100:.2f}"
    return f"{mean} %" if found.std is None else f"{mean} ± {found.std * 100:.2f} %"


def _cells(row: SettingRow, engines: Sequence[EngineName]) -> tuple[str, ...]:
    done = f"{row.states.get('finished', 0)} of {sum(row.states.values())}"
    found = [row.test_accuracy.get(name, Spread(0, 0.0, None, 0.0)) for name in engines]
    best = max((one.best for one in found if one.n), default=None)
    return (
        row.setting.label or "–",
        done,
        *map(spread_text, found),
        "–" if best is None else f"{best:.2%}",
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
