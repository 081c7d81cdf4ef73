"""A run, or a sweep, as one printed page of figures: PNG or SVG, drawn by matplotlib."""

from io import BytesIO

import matplotlib as mpl
from matplotlib.figure import Figure, SubFigure

from mlpwatch.core.report.panels import (
    draw_accuracy,
    draw_accuracy_gap,
    draw_band,
    draw_finals,
    draw_loss,
    draw_matrix,
    draw_mistakes,
    draw_points,
    draw_scores,
    draw_weight_gap,
)
from mlpwatch.core.report.reading import RunReading
from mlpwatch.core.report.sentences import heading, subheading
from mlpwatch.core.sweeps.reading import CurveName, GroupReading, group_state

PAGE = (8.27, 11.69)
"""A4 in inches."""

DOTS = 200
"""Per inch: 1654 x 2338 pixels."""

MOST_SETTINGS = 8
"""Of a sweep: more curves look alike."""

STYLE = {
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    # Names of runs and classes may have a dollar sign.
    "text.parse_math": False,
    # A file of the same run is the same to the byte.
    "svg.hashsalt": "mlpwatch",
}


def run_figure(reading: RunReading, kind: str) -> bytes:
    """Return a page of a run's figures.

    Args:
        reading: at least one engine has done an epoch.
        kind: `png` or `svg`.
    """
    with mpl.rc_context(STYLE):
        page = Figure(figsize=PAGE, layout="constrained")
        page.get_layout_engine().set(w_pad=0.08, h_pad=0.06)
        title, curves, tables, gaps, below = page.subfigures(
            5, 1, height_ratios=(0.55, 2.6, 3.6, 2.6, 2.6)
        )
        _write_title(title, heading(reading), subheading(reading))
        loss, accuracy = curves.subplots(1, 2)
        draw_loss(loss, reading)
        draw_accuracy(accuracy, reading)
        handles, labels = loss.get_legend_handles_labels()
        curves.legend(handles, labels, loc="outside lower center", ncols=4)
        _draw_matrices(tables, reading)
        _draw_gaps(gaps, reading)
        _draw_samples(below, reading)
        return _saved(page, kind)


def group_figure(reading: GroupReading, kind: str) -> bytes:
    """Return a page of a sweep's figures: mean and spread of each setting.

    Args:
        reading: at least one trial has done an epoch.
        kind: `png` or `svg`.
    """
    with mpl.rc_context(STYLE):
        page = Figure(figsize=(PAGE[0], PAGE[1] * 0.75), layout="constrained")
        title, curves, finals = page.subfigures(3, 1, height_ratios=(0.5, 5.2, 3.0))
        seeds = len(reading.group.seeds)
        second = f"{group_state(reading)}; mean ± standard deviation of {seeds} seeds"
        _write_title(title, reading.name, second)
        names = reading.group.settings[0].config.engine_names
        shown = range(min(MOST_SETTINGS, len(reading.group.settings)))
        charts: tuple[tuple[CurveName, str], ...] = (
            ("val_accuracy", "validation accuracy"), ("train_loss", "training loss"),
        )  # fmt: skip
        grid = curves.subplots(2, len(names), squeeze=False, sharex=True)
        for row, (curve, label) in zip(grid, charts, strict=True):
            for axes, engine in zip(row, names, strict=True):
                draw_band(axes, reading, engine, curve=curve, label=label, settings=shown)
        draw_finals(finals.subplots(), reading, settings=shown)
        return _saved(page, kind)


def _write_title(area: SubFigure, first: str, second: str) -> None:
    area.text(0.01, 0.78, first, fontsize=13, weight="bold", va="center")
    area.text(0.01, 0.22, second, fontsize=8, color="#444444", va="center")


def _draw_matrices(area: SubFigure, reading: RunReading) -> None:
    split, found = reading.matrices()
    if not found:
        _say(area, "no confusion matrix in this run's folder")
        return
    grid = area.subplots(1, max(2, len(found)), squeeze=False)[0]
    for axes, (engine, counts) in zip(grid, found.items(), strict=False):
        draw_matrix(axes, counts, reading.class_names, reading.config.title(engine), split)
    for axes in grid[len(found) :]:
        axes.set_axis_off()


def _draw_gaps(area: SubFigure, reading: RunReading) -> None:
    split, found = reading.matrices()
    *gaps, scores = area.subplots(1, 3 if len(reading.engines) > 1 else 1, squeeze=False)[0]
    if gaps:
        draw_accuracy_gap(gaps[0], reading)
        draw_weight_gap(gaps[1], reading)
    draw_scores(scores, found, reading.class_names, reading.config.titles, split)


def _draw_samples(area: SubFigure, reading: RunReading) -> None:
    found = reading.predictions
    if found is None:
        _say(area, "; ".join(reading.notes) or "no mistakes")
    elif found.are_points:
        draw_points(area.subplots(), found, reading.class_names, reading.config.titles)
    else:
        draw_mistakes(area, found, reading.class_names, reading.config.titles)


def _say(area: SubFigure, text: str) -> None:
    area.text(0.5, 0.5, text, ha="center", va="center", color="#444444", wrap=True)


def _saved(page: Figure, kind: str) -> bytes:
    file = BytesIO()
    metadata = {"Date": None} if kind == "svg" else None
    page.savefig(file, format=kind, dpi=DOTS, metadata=metadata)
    return file.getvalue()
