"""A sweep as a page: means, bands, verdicts, every run of it, and the command that makes it."""

from collections.abc import Iterator
from html import escape
from math import isfinite

from mlpwatch.core.config import EngineName
from mlpwatch.core.report.pages.charts import ChartCurve, chart
from mlpwatch.core.report.pages.page import page, section, table
from mlpwatch.core.report.pages.why_figure import why_parts
from mlpwatch.core.sweeps.group import value_text
from mlpwatch.core.sweeps.reading import CurveName, GroupReading, SettingRow, group_state
from mlpwatch.core.sweeps.statistics import Spread, paired_difference

MOST_CURVES = 8
"""Settings in a chart: more curves look alike."""

MOST_ROWS = 1_000
"""Runs in the table."""


def group_page(reading: GroupReading, again: str) -> bytes:
    """Return the report of a sweep as one HTML file.

    Args:
        reading: at least one of its runs has done an epoch.
        again: the command that makes the sweep again; may be empty.
    """
    found = "".join(f"<li>{escape(one)}</li>" for one in group_conclusion(reading))
    command = f"<pre>{escape(again)}</pre>" if again else ""
    parts = (
        section("Conclusion", f"<ul>{found}</ul>", _settings(reading)),
        section("Which setting makes the difference", *why_parts(reading.path)),
        section("Curves", f'<div class="side">{"".join(_charts(reading))}</div>'),
        section("Runs", _runs(reading)),
        section("Settings that all share", _shared(reading)),
        section("Make it again", command),
    )
    date = f"{reading.group.created:%d %B %Y, %H:%M} UTC"
    seeds = f"{len(reading.group.settings)} settings x {len(reading.group.seeds)} seeds"
    below = f"sweep · {seeds} · {group_state(reading)} · {date}"
    return page(reading.name, below, filter(None, parts))


def group_conclusion(reading: GroupReading) -> tuple[str, ...]:
    """Return what the numbers of a sweep say, in sentences."""
    rows = reading.settings()
    return (
        *_how_it_stands(reading),
        *(sentence for row in rows if (sentence := _verdict(row))),
        *(
            sentence
            for engine in reading.group.settings[0].config.engine_names
            if (sentence := _best(reading, rows, engine))
        ),
    )


def _how_it_stands(reading: GroupReading) -> Iterator[str]:
    if not reading.is_done:
        yield f"Of the sweep {group_state(reading)}: its numbers may change."
    reasons: dict[str, int] = {}
    for row in reading.rows:
        if row.state == "failed":
            reasons[row.reason] = reasons.get(row.reason, 0) + 1
    for reason, count in reasons.items():
        yield f"{count} run{'s' * (count != 1)} failed and {_counts(count)} in no mean: {reason}"


def _counts(count: int) -> str:
    return "counts" if count == 1 else "count"


def _verdict(row: SettingRow) -> str:
    """Return the difference of the engines over the seeds; empty without a pair."""
    found = row.difference
    if found is None or not found.n:
        return ""
    label = f"With {row.setting.label}: " if row.setting.label else ""
    seeds = f" ({found.n} seeds, paired, 95 % interval)" if found.margin is not None else ""
    return f"{label}{row.verdict}{seeds}."


def _best(reading: GroupReading, rows: tuple[SettingRow, ...], engine: EngineName) -> str:
    """Return which setting an engine learns best with, if the seeds carry it; else that not."""
    known = [
        (row.test_accuracy[engine].mean, number)
        for number, row in enumerate(rows)
        if engine in row.test_accuracy and row.test_accuracy[engine].n
    ]
    if len(known) < 2:  # noqa: PLR2004 - a choice
        return ""
    (_, best), (_, second) = sorted(known, key=lambda one: (-one[0], one[1]))[:2]
    found = paired_difference(reading.accuracies(second, engine), reading.accuracies(best, engine))
    title = reading.group.settings[0].config.title(engine)
    names = [reading.group.settings[number].label for number in (best, second)]
    if found.margin is None:
        return ""
    lead = f"{found.mean * 100:.2f} ± {found.margin * 100:.2f} points"
    if found.is_real:
        return (
            f"{title} does best with {names[0]}: {lead} above {names[1]}, the second "
            f"({found.n} seeds, paired, 95 % interval)."
        )
    return (
        f"{title}'s best setting is not shown: {names[0]} leads {names[1]} by {lead} "
        f"({found.n} seeds, paired, 95 % interval)."
    )


def _settings(reading: GroupReading) -> str:
    engines = reading.group.settings[0].config.engine_names
    titles = reading.group.settings[0].config.titles
    rows = [
        (
            row.setting.label or "all seeds",
            f"{row.states.get('finished', 0)} of {len(reading.group.seeds)}",
            *(text for engine in engines for text in _spread(row.test_accuracy.get(engine))),
            row.verdict,
        )
        for row in reading.settings()
    ]
    heads = ["setting", "finished"]
    for engine in engines:
        heads += [f"{titles[engine]} test accuracy", "best"]
    caption = "Mean ± standard deviation over the seeds; PyTorch against NumPy in points"
    return table((*heads, "verdict"), rows, caption)


def _spread(found: Spread | None) -> tuple[str, str]:
    if found is None or not found.n:
        return "–", "–"
    std = f" ± {found.std * 100:.2f}%" if found.std is not None else ""
    return f"{found.mean:.2%}{std}", f"{found.best:.2%}"


def _charts(reading: GroupReading) -> Iterator[str]:
    config = reading.group.settings[0].config
    kinds: tuple[tuple[CurveName, str], ...] = (
        ("val_accuracy", "Validation accuracy"), ("train_loss", "Training loss"),
    )  # fmt: skip
    for curve, label in kinds:
        style = {"percent": curve == "val_accuracy", "far": curve == "train_loss"}
        said = f"{label}: mean and standard deviation"
        if len(reading.group.settings) == 1:
            curves = [
                _curve(reading, 0, engine, curve, name=config.title(engine), look=engine)
                for engine in config.engine_names
            ]
            yield chart(said, label.lower(), curves, **style)
            continue
        for engine in config.engine_names:
            curves = [
                _curve(reading, number, engine, curve, name=setting.label, look=f"s{number}")
                for number, setting in enumerate(reading.group.settings[:MOST_CURVES])
            ]
            yield chart(f"{config.title(engine)}. {said}", label.lower(), curves, **style)


def _curve(
    reading: GroupReading,
    number: int,
    engine: EngineName,
    curve: CurveName,
    *,
    name: str,
    look: str,
) -> ChartCurve:
    band = reading.band(number, engine, curve)
    points = list(zip(map(float, band.epochs), band.mean, strict=True))
    area = list(zip(map(float, band.epochs), band.low, band.high, strict=True))
    return ChartCurve(name, look, points, area if len(reading.group.seeds) > 1 else ())


def _runs(reading: GroupReading) -> str:
    engines = reading.group.settings[0].config.engine_names
    titles = reading.group.settings[0].config.titles
    rows = [
        (
            row.trial.name,
            row.state,
            f"{row.epochs_done:,}",
            *(_share(row.test_accuracy.get(engine)) for engine in engines),
            row.reason,
        )
        for row in reading.rows[:MOST_ROWS]
    ]
    heads = ("run", "state", "epochs", *(f"{titles[e]} test accuracy" for e in engines), "")
    return table(heads, rows)


def _shared(reading: GroupReading) -> str:
    first = reading.group.settings[0].config.to_dict()
    rows = [
        (name.replace("_", "-"), value_text(value))
        for name, value in first.items()
        if name != "seed"
        and all(one.config.to_dict().get(name) == value for one in reading.group.settings)
    ]
    half = (len(rows) + 1) // 2
    halves = "".join(table(("setting", "value"), part) for part in (rows[:half], rows[half:]))
    return f'<div class="side">{halves}</div>'


def _share(value: float | None) -> str:
    return f"{value:.2%}" if value is not None and isfinite(value) else "–"
