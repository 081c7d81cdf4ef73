"""Charts show what they are given, at every size, and change little as a curve grows."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpwatch.tui.charts.chart import Chart, Limits, Marker, Series
from mlpwatch.tui.charts.scales import LABEL_COLUMNS
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.theme import Role
from tests.support.pty.recording import RecordingApp
from tests.support.samples.chart_samples import (
    MARKERS,
    PLAN,
    cells,
    changed,
    loss_curve,
    painted,
    train,
)


def test_title_left_legend_right_and_labels_in_one_column() -> None:
    canvas = painted(
        train(loss_curve(20_000)),
        Series("validation", Role.NUMPY_SOFT, [(938.0 * n, 1.0) for n in range(1, 20)], "dot"),
    )
    first, *rest = canvas.text().split("\n")
    assert first.startswith("loss ")
    assert first.endswith("─ train  • validation")
    assert len(first) == 70
    labels = [row[:LABEL_COLUMNS] for row in rest[:-1]]
    assert [label for label in labels if label.strip()] == [
        f"{label:>5}" for label in ("2", "1.5", "1", "0.5", "0")
    ]
    assert all(row[LABEL_COLUMNS] in "│┤" for row in rest[:-1])
    assert rest[-1].split() == ["steps", "0", "10k", "20k", "30k", "40k"]


def test_the_curve_stands_where_its_values_are() -> None:
    canvas = painted(
        train([(0, 0.0), (PLAN, 2.5)]), Series("flat", Role.TORCH, [(0, 1.25), (PLAN, 1.25)])
    )
    rising, flat = cells(canvas, Role.NUMPY), cells(canvas, Role.TORCH)
    left, right = LABEL_COLUMNS + 1, 69
    bottom, top = 10, 1
    assert {(left, bottom), (right, top)} <= rising
    assert {x for x, _ in flat} == set(range(left, right + 1))
    assert len({y for _, y in flat}) == 1


@pytest.mark.parametrize(("ascii_only", "sign"), [(False, "▴"), (True, "^")])
def test_the_best_point_is_marked_at_the_foot_where_no_curve_is(
    ascii_only: bool, sign: str
) -> None:
    rising = train([(0, 0.0), (PLAN, 2.5)])
    best = [(PLAN / 2, Role.NUMPY), (0.0, Role.TORCH), (2.0 * PLAN, Role.TORCH)]
    canvas = painted(rising, best=best, ascii_only=ascii_only)
    rows = canvas.text().split("\n")
    assert rows[0].endswith(f"{sign} best")
    middle = LABEL_COLUMNS + 1 + (69 - LABEL_COLUMNS) // 2
    assert canvas.cell(middle, 10) == (sign, Role.NUMPY)
    assert "".join(rows[1:]).count(sign) == 1, "not on the curve, nor beyond the limits"
    assert sign not in painted(rising, ascii_only=ascii_only).text()


def test_a_growing_curve_changes_few_cells() -> None:
    chart = Chart()
    points = loss_curve(PLAN)
    before = painted(train(points[:100]), chart=chart)
    counts = []
    for end in range(101, 400):
        after = painted(train(points[:end]), chart=chart)
        counts.append(changed(before, after))
        before = after
    assert max(counts) <= 12
    assert sum(counts) / len(counts) < 3
    assert sum(counts) > 60  # it does grow


@pytest.mark.parametrize("marker", MARKERS)
def test_what_is_drawn_step_by_step_equals_what_is_drawn_at_once(marker: Marker) -> None:
    chart = Chart()
    points = [(x, math.nan if 9_000 < x < 12_000 else y) for x, y in loss_curve(PLAN, noise=1.0)]
    grown = Canvas(0, 0)
    for end in range(1, len(points), 7):
        grown = painted(train(points[:end], marker), chart=chart)
        assert changed(grown, painted(train(points[:end], marker))) == 0
    assert cells(grown, Role.NUMPY)


async def test_a_growing_curve_costs_few_bytes() -> None:
    chart, points = Chart(), loss_curve(PLAN)
    app = RecordingApp(chart)
    async with app.run_test(size=(70, 12)) as pilot:
        painted(train(points[:200]), chart=chart)
        await pilot.pause()
        app.sent.clear()
        for end in range(201, 241):
            painted(train(points[:end]), chart=chart)
            await pilot.pause()
        assert 0 < app.sent_bytes() < 40 * 120


async def test_the_same_data_again_sends_nothing() -> None:
    chart = Chart()
    app = RecordingApp(chart)
    async with app.run_test(size=(70, 12)) as pilot:
        painted(train(loss_curve(9_000)), chart=chart)
        await pilot.pause()
        app.sent.clear()
        painted(train(loss_curve(9_000)), chart=chart)
        await pilot.pause()
        assert app.sent == []


@pytest.mark.parametrize("gap", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_a_gap(gap: float) -> None:
    points = [(100.0 * n, gap if 150 <= n <= 300 else 1.0) for n in range(470)]
    columns = {x for x, _ in cells(painted(train(points)), Role.NUMPY)}
    width = 70 - LABEL_COLUMNS - 1
    missing = set(range(LABEL_COLUMNS + 1, 70)) - columns
    assert width * 0.3 < len(missing) < width * 0.34
    assert max(missing) - min(missing) + 1 == len(missing)


@pytest.mark.parametrize("marker", MARKERS)
@pytest.mark.parametrize("points", [[(0, 2.3)], [(700, 2.3)], [(0, 2.3), (700, 2.2)]])
def test_one_or_two_points_can_be_seen(points: list[tuple[float, float]], marker: Marker) -> None:
    for ascii_only in (False, True):
        canvas = painted(train(points, marker), ascii_only=ascii_only)
        assert len(cells(canvas, Role.NUMPY)) >= 1


def test_a_lone_point_is_more_than_one_braille_dot() -> None:
    canvas = painted(train([(0, 1.0)]))
    [(x, y)] = cells(canvas, Role.NUMPY)
    assert (ord(canvas.cell(x, y)[0]) - 0x2800).bit_count() >= 3


def test_without_data_there_are_axes_and_a_word() -> None:
    text = painted(train([])).text()
    assert "waiting for the first step" in text
    assert text.split("\n")[-1].startswith("steps 0")
    assert "waiting" not in painted(train([(0, 1.0)])).text()


def test_a_log_axis_says_when_nothing_is_positive_and_skips_what_is_not() -> None:
    bad = train([(0, 0.0), (100, -1.0)])
    text = painted(bad, y_limits=(0.01, 1), log_y=True).text()
    assert "nothing above 0 to show on a log axis" in text
    some = train([(100.0 * n, 0.0 if n % 2 else 0.1) for n in range(400)])
    canvas = painted(some, y_limits=(0.01, 1), log_y=True)
    assert len({y for _, y in cells(canvas, Role.NUMPY)}) == 1
    assert "nothing above" not in canvas.text()


def test_a_log_axis_gives_each_power_of_ten_the_same_height() -> None:
    canvas = painted(
        train([(0, 0.001), (PLAN / 3, 0.01), (2 * PLAN / 3, 0.1), (PLAN, 1.0)]),
        size=(70, 14),
        y_limits=(0.001, 1),
        log_y=True,
    )
    labels = [row[:LABEL_COLUMNS].strip() for row in canvas.text().split("\n")]
    places = [labels.index(label) for label in ("0.1", "0.01", "0.001")]
    assert {below - above for above, below in pairwise(places)} == {4}
    marks = {y for x, y in cells(canvas, Role.NUMPY) if x in (6, 27, 48, 69)}
    assert set(places) <= marks


def test_values_far_outside_leave_the_plot_and_cost_nothing() -> None:
    canvas = painted(train([(0, 1.0), (100, 1e300), (200, -1e300), (PLAN * 9, 1.0), (-5, 1.0)]))
    assert cells(canvas, Role.NUMPY)


@pytest.mark.parametrize("log_y", [False, True])
@pytest.mark.parametrize("marker", MARKERS)
def test_ascii_only_writes_no_character_above_the_tilde(marker: Marker, log_y: bool) -> None:
    other = Series("validation", Role.TORCH_SOFT, [(1000.0, 1.5)], "circle")
    text = painted(
        train(loss_curve(20_000), marker), other, ascii_only=True, y_limits=(0.1, 5), log_y=log_y
    ).text()
    assert max(text) <= "~"
    assert "+" in text
    assert "train" in text


@given(
    st.integers(0, 90),
    st.integers(0, 30),
    st.sampled_from(MARKERS),
    st.lists(st.tuples(st.floats(0, 100), st.floats(allow_nan=True)), max_size=20),
    st.booleans(),
)
def test_every_size_and_every_value_can_be_drawn(
    width: int, height: int, marker: Marker, points: list[tuple[float, float]], log_y: bool
) -> None:
    canvas = painted(
        train(sorted(points, key=lambda point: point[0]), marker),
        size=(width, height),
        x_limits=(0, 100),
        y_limits=(0.01, 10),
        log_y=log_y,
    )
    assert (canvas.width, canvas.height) == (width, height)
    assert "\u2800" not in canvas.text()
    assert "?" not in canvas.text()


@pytest.mark.parametrize("size", [(11, 9), (40, 3), (20, 1)])
def test_too_small_a_pane_shows_title_and_last_value(size: tuple[int, int]) -> None:
    canvas = painted(train([(0, 2.3), (100, 0.18249), (200, math.nan)]), size=size)
    assert canvas.text().strip() == "loss 0.182"


@pytest.mark.parametrize("size", [(12, 4), (24, 6), (80, 24), (200, 50)])
def test_a_plot_fills_its_pane(size: tuple[int, int]) -> None:
    canvas = painted(train([(0, 2.5), (PLAN, 0.0)]), size=size)
    columns = {x for x, _ in cells(canvas, Role.NUMPY)}
    assert max(columns) == size[0] - 1
    assert len(columns) == size[0] - (0 if size[0] < 24 else LABEL_COLUMNS + 1)


def test_dashes_let_a_curve_below_show_through() -> None:
    points = [(0.0, 1.0), (float(PLAN), 1.0)]
    canvas = painted(train(points), Series("PyTorch", Role.TORCH, points, "dashed"))
    assert len(cells(canvas, Role.NUMPY)) > 15
    assert len(cells(canvas, Role.TORCH)) > 30


def test_charts_of_one_scale_agree_column_for_column() -> None:
    first = painted(train([(0, 1.0), (PLAN, 1.0)]))
    second = painted(train([(PLAN / 2, 1.0), (PLAN, 1.0)]))
    assert cells(second, Role.NUMPY) <= cells(first, Role.NUMPY)


@pytest.mark.parametrize(
    ("x_limits", "y_limits", "log_y", "message"),
    [
        ((5, 5), (0, 1), False, "x limits 5 to 5: expected ascending"),
        ((0, 1), (2, 1), False, "y limits 2 to 1: expected ascending"),
        ((0, 1), (0, 1), True, "log y from 0: expected limits above 0"),
    ],
)
def test_impossible_limits_are_refused(
    x_limits: Limits, y_limits: Limits, log_y: bool, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        painted(x_limits=x_limits, y_limits=y_limits, log_y=log_y)
