"""Curves, charts of them, and what can be seen of a chart."""

import math
import random
from collections.abc import Sequence
from itertools import product

from mlpwatch.tui.charts.chart import Chart, Limits, Marker, Series
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import Role

PLAN = 46_900
MARKERS: tuple[Marker, ...] = ("braille", "dashed", "dot", "circle")


def painted(
    *series: Series,
    size: tuple[int, int] = (70, 12),
    x_limits: Limits = (0, PLAN),
    y_limits: Limits = (0, 2.5),
    log_y: bool = False,
    ascii_only: bool = False,
    best: Sequence[tuple[float, Role]] = (),
    chart: Chart | None = None,
) -> Canvas:
    chart = chart or Chart()
    chart.look = Look(ascii_only)
    chart.update(
        "loss",
        series,
        x_limits=x_limits,
        y_limits=y_limits,
        log_y=log_y,
        x_label="steps",
        best=best,
    )
    return chart.paint(*size)


def loss_curve(steps: int, noise: float = 0.03) -> list[tuple[float, float]]:
    dice = random.Random(0)
    return [
        (step, 0.1 + 2.2 * math.exp(-step / 6000) + noise * dice.random())
        for step in range(0, steps, 100)
    ]


def train(points: Sequence[tuple[float, float]], marker: Marker = "braille") -> Series:
    return Series("train", Role.NUMPY, points, marker)


def cells(canvas: Canvas, role: Role) -> set[tuple[int, int]]:
    """Cells of a role below the legend."""
    return {
        (x, y)
        for x, y in product(range(canvas.width), range(1, canvas.height))
        if canvas.cell(x, y)[0] != " " and canvas.cell(x, y)[1] == role
    }


def changed(before: Canvas, after: Canvas) -> int:
    return sum(
        before.cell(x, y) != after.cell(x, y)
        for x, y in product(range(before.width), range(before.height))
    )
