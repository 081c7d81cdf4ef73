"""The single figures of a page. Each draws into axes that it is given.

NumPy is orange and solid, PyTorch blue and dashed: the pair of Okabe and Ito 2008, darkened for
white paper, as on the light screen. In grey print the lines still differ.
"""

from collections.abc import Mapping, Sequence
from math import isfinite, nan

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    PercentFormatter,
)

from mlpwatch.core.analysis.scores import score_classes
from mlpwatch.core.config import EngineName
from mlpwatch.core.epochs import Matrix
from mlpwatch.core.report.pages.charts import LARGEST_DRAWN
from mlpwatch.core.report.reading import Predictions, RunReading
from mlpwatch.core.sweeps.reading import CurveName, GroupReading

COLOURS: Mapping[EngineName, str] = {"numpy": "#C25E00", "torch": "#0958B3"}
LINES: Mapping[EngineName, str] = {"numpy": "-", "torch": "--"}
MARKERS: Mapping[EngineName, str] = {"numpy": "o", "torch": "s"}

SETTING_COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#999933",
)  # fmt: skip
"""Of the settings of a sweep: Okabe and Ito's."""

SETTING_LINES = ("-", "--", "-.", ":") * 2

SPLIT_LINES = (("val_loss", 1.6, "validation"), ("train_loss", 0.8, "training"))
"""Fields of an epoch, with the width of the line."""

FAR = 20.0
"""A loss that falls to less than this part is drawn on a logarithmic axis."""

PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
"""Behind a number that may lie over a curve."""

MOST_NUMBERED = 15
"""Classes of a matrix whose cells have numbers."""

SHEET_ROWS, SHEET_COLUMNS = 2, 8


def draw_loss(axes: Axes, reading: RunReading) -> None:
    """Draw training and validation loss of each engine over the epochs."""
    values = []
    for engine in reading.engines:
        xs = [one.epoch for one in reading.epochs[engine]]
        for name, width, words in SPLIT_LINES:
            ys = [_drawn(getattr(one, name)) for one in reading.epochs[engine]]
            values += [y for y in ys if y > 0]
            axes.plot(
                xs, ys, LINES[engine], color=COLOURS[engine], linewidth=width,
                marker=_lone_mark(engine, xs), markersize=3 * width,
                label=f"{reading.config.title(engine)}, {words}",
            )  # fmt: skip
    if values and max(values) > FAR * min(values):
        _make_logarithmic(axes)
    _epochs_below(axes, "loss", f"Loss ({reading.config.loss})")


def draw_accuracy(axes: Axes, reading: RunReading) -> None:
    """Draw validation and training accuracy over the epochs; the test accuracy at the end."""
    tests: dict[EngineName, float] = {}
    for engine in reading.engines:
        records, xs = reading.epochs[engine], [one.epoch for one in reading.epochs[engine]]
        for name, width in (("val_accuracy", 1.6), ("train_accuracy", 0.8)):
            ys = [getattr(one, name) for one in records]
            axes.plot(xs, ys, LINES[engine], color=COLOURS[engine], linewidth=width,
                      marker=_lone_mark(engine, xs), markersize=3 * width)  # fmt: skip
        if (test := reading.test_accuracy(engine)) is not None:
            tests[engine] = test
            style = {"markerfacecolor": "white", "markeredgewidth": 1.4, "clip_on": False}
            axes.plot(xs[-1], test, MARKERS[engine], color=COLOURS[engine], zorder=5, **style)
    for engine, test in tests.items():
        # The better one's number above its mark, the other's below: they may be close.
        is_best = test == max(tests.values()) and engine == max(tests, key=lambda one: tests[one])
        axes.annotate(f"{test:.2%}", (reading.last(engine).epoch, test), (0, 7 if is_best else -7),
                      textcoords="offset points", ha="right", va="bottom" if is_best else "top",
                      color=COLOURS[engine], bbox=PAPER)  # fmt: skip
    axes.margins(y=0.15)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    marked = "; marked: test" if tests else ""
    _epochs_below(axes, "accuracy", f"Accuracy{marked}")


def draw_matrix(axes: Axes, counts: Matrix, names: str, title: str, split: str) -> None:
    """Draw a confusion matrix: true class down, predicted class across, shades by share of a row.

    Args:
        axes: to draw in.
        counts: (classes, classes)
        names: one character per class.
        title: of the engine.
        split: of the images that were counted.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # The root, so that one percent of a row can be seen.
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1.1, aspect="equal")
    classes, size = np.arange(len(counts)), 7 if len(counts) <= MOST_NUMBERED else 4
    axes.set_xticks(classes, list(names), fontsize=size)
    axes.set_yticks(classes, list(names), fontsize=size)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    if len(counts) <= MOST_NUMBERED:
        for row, column in np.argwhere(counts):
            dark = np.sqrt(shares[row, column]) > 0.6  # noqa: PLR2004 - contrast of the text
            axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=6,
                      color="white" if dark else "#222222")  # fmt: skip
    wrong = int(counts.sum() - counts.trace())
    axes.set_title(f"{title}: {wrong:,} of {counts.sum():,} {split} samples wrong")
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")


def draw_accuracy_gap(axes: Axes, reading: RunReading) -> None:
    """Draw PyTorch's validation accuracy minus NumPy's, in points, over the epochs of both."""
    titles = reading.config.titles
    one, other = ({r.epoch: r.val_accuracy for r in reading.epochs[n]} for n in reading.engines)
    both = [epoch for epoch in one if epoch in other]
    axes.axhline(0, color="#444444", linewidth=0.8)
    gaps = [100 * (other[epoch] - one[epoch]) for epoch in both]
    axes.plot(both, gaps, color="#444444", marker="." if len(both) <= 30 else "")  # noqa: PLR2004
    label = f"{titles['torch'][:20]} − {titles['numpy'][:20]}, points"
    _epochs_below(axes, label, "Gap in validation accuracy")


def draw_weight_gap(axes: Axes, reading: RunReading) -> None:
    """Draw the largest difference of any weight or bias after the same epochs."""
    gaps = [one for one in reading.gaps if isfinite(one.weight_difference)]
    if not gaps:
        _say_in(axes, "the weights of both were not compared")
        return
    xs, ys = [one.epoch for one in gaps], [one.weight_difference for one in gaps]
    axes.plot(xs, ys, color="#444444", marker="." if len(xs) <= 30 else "")  # noqa: PLR2004
    if min(ys) > 0:
        _make_logarithmic(axes)
    _epochs_below(axes, "largest difference", "Gap in the weights")


def draw_scores(
    axes: Axes,
    found: Mapping[EngineName, Matrix],
    names: str,
    titles: Mapping[EngineName, str],
    split: str,
) -> None:
    """Draw the F1 score of each class, one mark per engine."""
    if not found:
        _say_in(axes, "no scores")
        return
    scores = {engine: score_classes(counts).f1 for engine, counts in found.items()}
    rows = np.arange(len(names))
    values = np.array(list(scores.values()))
    axes.hlines(rows, values.min(axis=0), values.max(axis=0), color="#BBBBBB", linewidth=1.2)
    for engine, f1 in scores.items():
        axes.plot(f1, rows, MARKERS[engine], color=COLOURS[engine], label=titles[engine],
                  markersize=5, markerfacecolor="white" if engine == "torch" else None)  # fmt: skip
    axes.set_yticks(rows, list(names), fontsize=7 if len(names) <= MOST_NUMBERED else 4)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    least = min(float(values.min()), 0.98)
    # Room for a mark at either end; a score is at most 1.
    axes.set_xlim(least - 0.05 * (1 - least), 1 + 0.05 * (1 - least))
    marks = {"numpy": "●", "torch": "□"}
    said = ", ".join(f"{marks[engine]} {titles[engine][:20]}" for engine in scores)
    axes.set_xlabel(f"F1 score: {said}")
    axes.set_ylabel("class")
    axes.set_title(f"Scores per class ({split})")


def draw_mistakes(
    area: SubFigure, found: Predictions, names: str, titles: Mapping[EngineName, str]
) -> None:
    """Draw the surest mistakes as images, each with what the engines predict.

    Args:
        area: to draw in.
        found: the predictions.
        names: one character per class.
        titles: of the engines.
    """
    rows = found.mistakes()
    shown = rows[: SHEET_ROWS * SHEET_COLUMNS]
    area.suptitle(
        f"{len(shown)} of {len(rows):,} mistakes ({found.split}), the surest first"
        if len(rows) else f"no mistake among {len(found.labels):,} {found.split} images",
        fontsize=9, weight="bold", x=0.01, ha="left",
    )  # fmt: skip
    grid = area.subplots(SHEET_ROWS, SHEET_COLUMNS).ravel()
    low, high = float(found.images.min()), float(found.images.max())
    for axes in grid:
        axes.set_axis_off()
    for axes, row in zip(grid, shown, strict=False):
        image = found.images[row].reshape(found.image_shape)
        axes.imshow(image, cmap="gray_r", vmin=low, vmax=high, interpolation="nearest")
        axes.set_title(f"true {names[found.labels[row]]}", fontsize=7, loc="center", pad=2)
        for line, (engine, one) in enumerate(found.engines.items()):
            predicted = int(one.predictions[row])
            text = (
                f"{titles[engine][:12]} {names[predicted]} {one.probabilities[row, predicted]:.0%}"
            )
            axes.text(0.5, -0.04 - 0.17 * line, text, transform=axes.transAxes, ha="center",
                      va="top", fontsize=6, color=COLOURS[engine])  # fmt: skip


def draw_points(
    axes: Axes, found: Predictions, names: str, titles: Mapping[EngineName, str]
) -> None:
    """Draw points of the plane by class, with a mark around those that an engine predicts wrong."""
    for label in range(len(names)):
        chosen = found.images[found.labels == label]
        axes.plot(chosen[:, 0], chosen[:, 1], ".", color=SETTING_COLOURS[label % 8], markersize=3,
                  label=f"class {names[label]}")  # fmt: skip
    for engine in found.engines:
        wrong = found.images[found.wrong(engine)]
        axes.plot(wrong[:, 0], wrong[:, 1], MARKERS[engine], color=COLOURS[engine],
                  markersize=7 if engine == "numpy" else 9, markerfacecolor="none",
                  markeredgewidth=1, label=f"wrong in {titles[engine]}: {len(wrong)}")  # fmt: skip
    axes.set_title(f"Mistakes ({found.split})")
    axes.set_xlabel("first feature")
    axes.set_ylabel("second feature")
    axes.set_aspect("equal")
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))


def draw_band(
    axes: Axes,
    reading: GroupReading,
    engine: EngineName,
    *,
    curve: CurveName,
    label: str,
    settings: Sequence[int],
) -> None:
    """Draw a curve of each setting: the mean over its seeds, and a standard deviation around it."""
    for number in settings:
        band, colour = reading.band(number, engine, curve), SETTING_COLOURS[number]
        name = reading.group.settings[number].label or "all seeds"
        axes.plot(band.epochs, band.mean, SETTING_LINES[number], color=colour, label=name)
        axes.fill_between(band.epochs, band.low, band.high, color=colour, alpha=0.18, linewidth=0)
    if curve.endswith("accuracy"):
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    title = reading.group.settings[0].config.title(engine)
    _epochs_below(axes, label, f"{title}: {label}")
    axes.legend()


def draw_finals(axes: Axes, reading: GroupReading, settings: Sequence[int]) -> None:
    """Draw the test accuracy of every run, and mean and standard deviation of each setting."""
    rows = reading.settings()
    labels = []
    for place, number in enumerate(settings):
        for engine, found in rows[number].test_accuracy.items():
            at = place + (0.15 if engine == "torch" else -0.15)
            values = list(reading.accuracies(number, engine).values())
            axes.plot(
                values, [at] * len(values), ".", color=COLOURS[engine], markersize=4, alpha=0.5
            )
            if found.n:
                axes.errorbar(found.mean, at, xerr=found.std or 0, fmt=MARKERS[engine],
                              color=COLOURS[engine], capsize=3, markersize=5)  # fmt: skip
        said = rows[number].verdict
        labels.append("\n".join(filter(None, (reading.group.settings[number].label, said))))
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("test accuracy: each run, mean and standard deviation")
    axes.set_title("Test accuracy")
    titles = reading.group.settings[0].config.titles
    for engine in reading.group.settings[0].config.engine_names:
        axes.plot([], [], MARKERS[engine], color=COLOURS[engine], label=titles[engine])
    axes.legend(loc="best")


def _drawn(value: float) -> float:
    """Return a number that an axis can show; NaN, a gap, for one that is too large."""
    return value if abs(value) <= LARGEST_DRAWN else nan


def _lone_mark(engine: EngineName, epochs: Sequence[int]) -> str:
    """Return the mark of a curve that has a single epoch, and so no line."""
    return MARKERS[engine] if len(epochs) == 1 else ""


def _epochs_below(axes: Axes, label: str, title: str) -> None:
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.set_title(title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _make_logarithmic(axes: Axes) -> None:
    """Number the powers of ten; in a short range, which has one or two, 2 and 5 times them too."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    subs = (1.0, 2.0, 5.0) if high < FAR * 5 * low else (1.0,)
    axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=8))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _say_in(axes: Axes, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color="#444444", transform=axes.transAxes)
