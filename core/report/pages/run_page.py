"""A run as a page: conclusion, curves, matrices, mistakes, the cause, settings, how to make it."""

from collections.abc import Iterable
from html import escape
from math import isfinite

import numpy as np

from mlpwatch.core.analysis.scores import score_classes
from mlpwatch.core.epochs import EpochRecord, Matrix
from mlpwatch.core.recipes import RECIPES
from mlpwatch.core.report.pages.charts import ChartCurve, chart
from mlpwatch.core.report.pages.mistake_cards import mistake_cards
from mlpwatch.core.report.pages.page import page, section, table
from mlpwatch.core.report.reading import RunReading
from mlpwatch.core.report.sentences import conclusion, heading, subheading

DEEP = 0.55
"""Share of a matrix row from which the ground is so dark that its number is white."""

MOST_COMPARED = 12
"""Compared steps in the table: the newest."""

MOST_CLASSES_WIDE = 26
"""Of a matrix in the usual size; a larger one gets small numbers."""


def run_page(reading: RunReading, again: str) -> bytes:
    """Return the report of a run as one HTML file.

    Args:
        reading: at least one engine has done an epoch.
        again: the command that makes the run again; may be empty.
    """
    parts = (
        section("Conclusion", _list(conclusion(reading)), _results(reading)),
        section("Curves", f'<div class="side">{"".join(_curves(reading))}</div>'),
        section("Step by step", _differences(reading)),
        section("Confusion matrices", _matrices(reading)),
        section("Scores per class", _scores(reading)),
        section("Mistakes", _mistakes(reading)),
        section("Settings", _settings(reading)),
        section("Made with", _versions(reading)),
        section("Make it again", *_again(reading, again)),
        section("What could not be read", _list(reading.notes)),
    )
    date = f"{reading.created:%d %B %Y, %H:%M} UTC"
    return page(heading(reading), f"{subheading(reading)} · {date}", filter(None, parts))


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _results(reading: RunReading) -> str:
    rows = []
    for name in reading.engines:
        last, end = reading.last(name), reading.ends.get(name)
        test_loss = end.test_loss if end else float("nan")
        rows.append(
            (
                reading.config.title(name),
                f"{last.epoch:,}",
                _share(last.val_accuracy),
                _number(last.val_loss),
                _share(reading.test_accuracy(name)),
                _number(test_loss),
                f"{last.seconds:,.1f}",
                "still trains" if reading.is_training else end.reason if end else "unknown",
            )
        )
    heads = (
        "model", "epochs", "validation accuracy", "validation loss", "test accuracy", "test loss",
        "seconds", "end",
    )  # fmt: skip
    return table(heads, rows)


def _curves(reading: RunReading) -> list[str]:
    loss, accuracy = [], []
    for name in reading.engines:
        title, records = reading.config.title(name), reading.epochs[name]
        looks = (("training", f"{name} thin", "train"), ("validation", str(name), "val"))
        for words, look, kind in looks:
            loss.append(_curve(f"{title}, {words}", look, records, f"{kind}_loss"))
            accuracy.append(_curve(f"{title}, {words}", look, records, f"{kind}_accuracy"))
    found = [
        chart(f"Loss ({reading.config.loss})", "loss", loss, far=True),
        chart("Accuracy", "accuracy", accuracy, percent=True),
    ]
    if len(reading.engines) > 1:
        one, other = ({r.epoch: r.val_accuracy for r in reading.epochs[n]} for n in reading.engines)
        gap = [(float(k), 100 * (other[k] - one[k])) for k in one if k in other]
        titles = reading.config.titles
        minus = f"{titles['torch']} − {titles['numpy']}"
        found.append(
            chart(
                "Gap in validation accuracy", "percentage points", [ChartCurve(minus, "gap", gap)]
            )
        )
        weights = [(float(one.epoch), one.weight_difference) for one in reading.gaps]
        curve = ChartCurve("largest difference of any weight or bias", "gap", weights)
        found.append(chart("Gap in the weights", "largest difference", [curve], far=True))
    return found


def _curve(name: str, look: str, records: Iterable[EpochRecord], field: str) -> ChartCurve:
    return ChartCurve(name, look, [(float(one.epoch), getattr(one, field)) for one in records])


def _differences(reading: RunReading) -> str:
    """Return both numbers of each tensor of the first step that differs, or what was compared."""
    found, titles = reading.difference, reading.config.titles
    if found is None:
        steps = [
            (f"{one.step:,}", titles[one.engine], f"{one.difference:.3g}", f"{one.rounding:.3g}")
            for one in reading.compared[-MOST_COMPARED:]
        ]
        columns = ("step", "of", "largest difference of a weight", "what rounding can make")
        return table(columns, steps, "Steps that were repeated by the other from the same weights")
    cells = [
        (
            f"{pair.name} {list(pair.place) if pair.place else ''}".strip(),
            _number(pair.numpy),
            _number(pair.torch),
            f"{abs(pair.numpy - pair.torch):.2g}",
            f"{pair.rounding:.2g}",
            '<td class="good">rounding</td>' if pair.passed else '<td class="bad">differs</td>',
        )
        for pair in found.tensors
    ]
    heads = (
        "tensor, at its entry that differs most", titles["numpy"], titles["torch"], "difference",
        "rounding", "",
    )  # fmt: skip
    caption = f"Step {found.step:,} by both, from the same weights and batch"
    return f"{table(heads, cells, caption)}<p>{escape(found.text)}</p>"


def _matrices(reading: RunReading) -> str:
    split, found = reading.matrices()
    shown = "".join(
        _matrix(counts, reading.class_names, f"{reading.config.title(name)}, {split} samples")
        for name, counts in found.items()
    )
    said = "<p>True class down, predicted class across; shades by share of a row.</p>"
    return f'{said}<div class="side">{shown}</div>' if shown else ""


def _matrix(counts: Matrix, names: str, caption: str) -> str:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = []
    for k, label in enumerate(names):
        cells = (
            f"<td{_shade(float(shares[k, n]))}>{counts[k, n] or ''}</td>" for n in range(len(names))
        )
        rows.append((f"<td><b>{escape(label)}</b></td>", *cells))
    classes = "matrix" if len(names) <= MOST_CLASSES_WIDE else "matrix dense"
    return table(("", *names), rows, caption, classes)


def _shade(share: float) -> str:
    """Return the ground of a cell: the root of its share, so that one percent can be seen."""
    if not share:
        return ""
    strength = 0.9 * share**0.5
    deep = ' class="deep"' if strength > DEEP else ""
    return f'{deep} style="--a:{strength:.2f}"'


def _scores(reading: RunReading) -> str:
    split, found = reading.matrices()
    if not found:
        return ""
    scores = {name: score_classes(counts) for name, counts in found.items()}
    heads, images = ["class"], next(iter(scores.values())).images
    for name in scores:
        title = reading.config.title(name)
        heads += [f"{title} precision", "recall", "F1"]
    rows = [
        (
            label,
            *(
                _share(float(value[k]))
                for one in scores.values()
                for value in (one.precision, one.recall, one.f1)
            ),
            f"{images[k]:,}",
        )
        for k, label in enumerate(reading.class_names)
    ]
    return table((*heads, "samples"), rows, f"Of the {split} samples")


def _mistakes(reading: RunReading) -> str:
    if reading.predictions is None:
        return ""
    return mistake_cards(reading.predictions, reading.class_names, reading.config.titles)


def _settings(reading: RunReading) -> str:
    config = reading.config.to_dict()
    usual = RECIPES[reading.config.recipe].to_dict()
    rows = []
    for name, value in config.items():
        shown = value["file"] if isinstance(value, dict) else _value(value)
        changed = ' class="changed"' if value != usual.get(name) else ""
        rows.append((name.replace("_", "-"), f"<td{changed}>{escape(str(shown))}</td>"))
    info, half = reading.manifest.dataset, (len(rows) + 1) // 2
    data = f"{info.name}: {info.classes} classes, {info.image_shape[0]} x {info.image_shape[1]}"
    halves = "".join(table(("setting", "value"), part) for part in (rows[:half], rows[half:]))
    return (
        f"<p>Data {escape(data)}, sha256 {escape(info.sha256[:16])}…. Bold: other than the recipe "
        f'{reading.config.recipe} has it.</p><div class="side">{halves}</div>'
    )


def _versions(reading: RunReading) -> str:
    return table(("package", "version"), list(reading.manifest.versions.items()))


def _again(reading: RunReading, again: str) -> list[str]:
    if not again:
        return []
    parent = reading.manifest.parent
    said = ""
    if parent is not None:
        said = (
            f"<p>It is a branch of {escape(parent.run)} after epoch {parent.epoch:,}, whose folder "
            "this command needs.</p>"
        )
    if reading.rates:
        said += (
            "<p>The learning rate was changed while it trained, which this command does not "
            "repeat; mlpwatch resume and mlpwatch branch do.</p>"
        )
    return [said, f"<pre>{escape(again)}</pre>"]


def _value(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _share(value: float | None) -> str:
    return f"{value:.2%}" if value is not None and isfinite(value) else "–"


def _number(value: float) -> str:
    return f"{value:.5g}" if isfinite(value) else "–"
