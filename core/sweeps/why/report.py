"""What an experiment shows: a bar per setting and one sentence, or one JSON object."""

from collections.abc import Sequence
from dataclasses import replace
from textwrap import wrap
from typing import Any

from mlpwatch.core.config import TITLES, EngineName
from mlpwatch.core.sweeps.group import value_text
from mlpwatch.core.sweeps.statistics import PairedDifference
from mlpwatch.core.sweeps.table import aligned
from mlpwatch.core.sweeps.why.attribution import Attribution
from mlpwatch.core.sweeps.why.differences import SettingDifference
from mlpwatch.core.sweeps.why.experiment import Experiment, GapFinding

WIDEST_BAR, NARROWEST_BAR = 30, 6
"""Cells; in a terminal with less space there are no bars."""

USUAL_COLUMNS = 100
"""Of a file or a pipe."""

MOST_NAMED = 4
"""Settings that the sentence names; the table has them all."""

_PARTS = " ▏▎▍▌▋▊▉"
_SMALL = 0.5
"""Points: a smaller gap is given with one more decimal."""


def finding_lines(
    experiment: Experiment, finding: GapFinding, columns: int | None, *, blocks: bool = True
) -> list[str]:
    """Return what is shown, as lines.

    Args:
        experiment: between A and B.
        finding: of its last round.
        columns: of the terminal; None for a file.
        blocks: whether to draw bars with block characters; else with `#`.
    """
    lines: list[str] = []
    for engine, found in finding.attributions.items():
        lines += ["", *_engine_lines(experiment, engine, found, columns, blocks)]
    if finding.diverged:
        names = finding.diverged
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        lines += ["", f"diverged, which counts as guessing: {names[0]}{more}"]
    if not experiment.is_combined:
        note = (
            f"{len(experiment.differences)} settings differ: each was changed alone, from A's side "
            "and from B's. What is left of the gap, some do only together."
        )
        lines += ["", *_wrapped(note, columns, "")]
    return lines[1:]


def sentence(experiment: Experiment, found: Attribution) -> str:
    """Return which settings the gap comes from: `4.2 of 4.4 points: the loss; 0.1 ± 0.1: …`."""
    gap = found.gap
    if not gap.n:
        return "no seed has all its networks, so there is no answer yet"
    if gap.margin is not None and not gap.is_real:
        return f"no gap is shown: {_points(gap, 1.0, 2)} points"
    sign, digits = (-1.0 if gap.mean < 0 else 1.0), _digits(gap)
    pairs = sorted(
        zip(experiment.differences, found.shares, strict=True), key=lambda pair: -abs(pair[1].mean)
    )
    (first, largest), *rest = pairs
    whole = abs(gap.mean) * 100
    words = [f"{sign * largest.mean * 100:.{digits}f} of {whole:.{digits}f} points: {first.words}"]
    words += [f"{_points(s, sign, digits)}: {d.words}" for d, s in rest[: MOST_NAMED - 1]]
    if left := rest[MOST_NAMED - 1 :]:
        together = sum(share.mean for _, share in left) * sign * 100
        words.append(f"{together:.{digits}f}: the other {len(left)}")
    if not experiment.is_combined:
        words.append(f"{_points(found.remainder, sign, digits)}: only together")
    return "; ".join(words) + _doubt(found, pairs)


def finding_json(experiment: Experiment, finding: GapFinding | None, group: str) -> dict[str, Any]:
    """Return what `why --json` prints: points of test accuracy, B minus A; null where unknown.

    Args:
        experiment: between A and B.
        finding: of its last round; None if it was stopped before its end.
        group: name of its sweep.
    """
    found = finding.attributions if finding else {}
    values: dict[str, Any] = {
        "gap": {name: _json_points(one.gap)["points"] for name, one in found.items()},
        "attributions": {
            name: [
                _setting_json(difference) | _json_points(share)
                for difference, share in zip(experiment.differences, one.shares, strict=True)
            ]
            for name, one in found.items()
        },
        "group": group,
        "method": "shapley" if experiment.is_combined else "one-at-a-time",
    }
    if finding is not None:
        values |= {
            "gap_interval": {name: _json_points(one.gap) for name, one in found.items()},
            "remainder": {name: _json_points(one.remainder) for name, one in found.items()},
            "sentence": {name: sentence(experiment, one) for name, one in found.items()},
            "clear": finding.is_clear,
            "epochs": finding.epochs,
            "seeds": max((one.gap.n for one in found.values()), default=0),
            "diverged": list(finding.diverged),
        }
    return values


def _engine_lines(
    experiment: Experiment,
    engine: EngineName,
    found: Attribution,
    columns: int | None,
    blocks: bool,
) -> list[str]:
    gap, names = found.gap, (experiment.one.name, experiment.other.name)
    if not gap.n:
        return [f"{TITLES[engine]}: {sentence(experiment, found)}"]
    sign, side = (-1.0, "lower") if gap.mean < 0 else (1.0, "higher")
    known = experiment.known_gap(engine)
    head = f"{TITLES[engine]}: {names[1]} is {_points(gap, sign, 2)} points {side} than {names[0]}"
    if known is not None:
        known_side = "" if known * sign >= 0 else " lower" if known < 0 else " higher"
        head += f" (as trained: {abs(known) * 100:.2f}{known_side})"
    return [
        *_wrapped(head, columns, ""),
        *(f"  {line}".rstrip() for line in _bar_lines(experiment, found, sign, columns, blocks)),
        "",
        *_wrapped(sentence(experiment, found), columns, "  "),
    ]


def _bar_lines(
    experiment: Experiment, found: Attribution, sign: float, columns: int | None, blocks: bool
) -> list[str]:
    """Return a row per setting: its name, its values, its share of the gap, and a bar."""
    names = [difference.words for difference in experiment.differences]
    changes = [_change(difference, blocks) for difference in experiment.differences]
    shares = [*found.shares]
    if not experiment.is_combined:
        names, changes = [*names, "only together"], [*changes, ""]
        shares.append(found.remainder)
    means = [_points(replace(share, margin=None), sign, 2) for share in shares]
    margins = ["" if s.margin is None else f"{s.margin * 100:.2f}" for s in shares]
    left, right = max(map(len, means)), max(map(len, margins))
    points = [
        f"{mean:>{left}} ± {margin:>{right}}" if margin else f"{mean:>{left}}"
        for mean, margin in zip(means, margins, strict=True)
    ]
    table = aligned(list(zip(names, changes, points, strict=True)))
    space = (columns or USUAL_COLUMNS) - 4
    if space - max(map(len, table)) < NARROWEST_BAR:
        # The bars say more than the values, which are those of the runs.
        table = aligned(list(zip(names, points, strict=True)))
    width = max(map(len, table))
    bars = _bars([s.mean * sign for s in shares], min(WIDEST_BAR, space - width), blocks=blocks)
    return [f"{row:<{width}}  {bar}" for row, bar in zip(table, bars, strict=True)]


def _wrapped(text: str, columns: int | None, indent: str) -> list[str]:
    """Return a sentence as lines of a terminal; a file has it in one."""
    if columns is None:
        return [indent + text]
    return wrap(text, columns, initial_indent=indent, subsequent_indent=indent)


def _bars(values: Sequence[float], cells: int, *, blocks: bool) -> list[str]:
    """Return a bar per value from a common zero; what works against the gap lies left of it."""
    if cells < NARROWEST_BAR:
        return [""] * len(values)
    most, least = max(0.0, *values), max(0.0, *(-value for value in values))
    # Both sides are rounded to whole cells: one is left for that.
    scale = (cells - bool(least)) / (most + least) if most + least else 0.0
    zero = round(least * scale)
    bars = []
    for value in values:
        length = abs(value) * scale
        if value < 0:
            whole = round(length)
            bars.append(" " * (zero - whole) + ("█" if blocks else "#") * whole)
        elif blocks:
            whole, part = divmod(round(length * 8), 8)
            bars.append(" " * zero + "█" * whole + _PARTS[part].strip())
        else:
            bars.append(" " * zero + "#" * round(length))
    return bars


def _change(found: SettingDifference, blocks: bool) -> str:
    before, after = (
        ", ".join(value_text(value) for value in values.values() if value is not None) or "none"
        for values in (found.before, found.after)
    )
    return f"{before} {'→' if blocks else '->'} {after}"


def _points(share: PairedDifference, sign: float, digits: int) -> str:
    mean = f"{share.mean * sign * 100 + 0.0:.{digits}f}"
    if float(mean) == 0:
        mean = mean.lstrip("-")
    return mean if share.margin is None else f"{mean} ± {share.margin * 100:.{digits}f}"


def _digits(gap: PairedDifference) -> int:
    return 2 if abs(gap.mean) * 100 < _SMALL else 1


def _doubt(found: Attribution, pairs: Sequence[tuple[SettingDifference, PairedDifference]]) -> str:
    """Return what the sentence leaves open."""
    if found.gap.margin is None:
        return " (one seed, so no interval: give more with --seeds)"
    if found.is_clear:
        return ""
    (first, largest), *_ = pairs
    if not largest.is_real:
        return f" (not clear: {first.words} may be chance; give more --seeds)"
    return " (not clear: an interval has both 0 and a large share; give more --seeds)"


def _setting_json(found: SettingDifference) -> dict[str, Any]:
    (name, before), *partners = found.before.items()
    values: dict[str, Any] = {"setting": name, "from": before, "to": found.after[name]}
    if partners:
        values["with"] = {
            partner: {"from": value, "to": found.after[partner]} for partner, value in partners
        }
    return values


def _json_points(share: PairedDifference) -> dict[str, float | None]:
    """Return points of accuracy; None where unknown, since JSON has no NaN."""
    known = share.n > 0
    return {
        "points": share.mean * 100 if known else None,
        "low": share.low * 100 if share.low is not None else None,
        "high": share.high * 100 if share.high is not None else None,
    }
