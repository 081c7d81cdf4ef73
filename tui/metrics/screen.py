"""The screen of a foreign log, or of two beside each other: charts of whatever they hold."""

import math
from collections.abc import Sequence
from functools import partial
from time import monotonic, time
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Grid, Horizontal
from textual.events import Click, MouseScrollDown, MouseScrollUp, Resize
from textual.widgets import Input

from mlpwatch.core.scalars.curves import SMOOTHINGS
from mlpwatch.tui.charts.chart import Chart, Limits
from mlpwatch.tui.kit.base_screen import ClosesOnce, can_draw
from mlpwatch.tui.kit.dialogs import TypedLine
from mlpwatch.tui.kit.keys import Where, bindings
from mlpwatch.tui.kit.lines import Footer, TextLine
from mlpwatch.tui.kit.pace import NUMBERS_SECONDS, Pace
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.metrics.axes import MOST_ZOOM, whole_limits, zoomed
from mlpwatch.tui.metrics.following import FollowedMetrics
from mlpwatch.tui.metrics.grouping import MetricChart, charts_of, matching
from mlpwatch.tui.metrics.layout import (
    ChartGrid,
    chart_grid,
    mode_pieces,
    no_number_text,
    status_text,
)
from mlpwatch.tui.metrics.picture import (
    ChartCurves,
    ChartPicture,
    MetricOptions,
    ShownMetrics,
    curves_of,
    picture_of,
    shared_limits,
)

MESSAGE_SECONDS = 8.0

NOT_HERE = "not in this log"
NO_POINTS = "no point yet"

_FULL_LEAP = 10
"""Columns that shift and an arrow move the crosshair."""

_LINE_ROWS = 3
"""Status, message and footer."""


class MetricsScreen(ClosesOnce[None]):
    """Shows one log, or two in columns, while they are read.

    Args:
        logs: one or two, already being read.
    """

    WHERE: ClassVar[Where] = "metrics"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)
    # The filter's line takes keys only after `/`.
    AUTO_FOCUS = ""

    def __init__(self, logs: Sequence[FollowedMetrics]) -> None:
        super().__init__()
        self._logs = tuple(logs)
        self._options = MetricOptions()
        self._words = ""
        self._page = 0
        self._single = self._overlaid = False
        self._kept: dict[tuple[str, int, bool], Limits] = {}
        self._curves: dict[tuple[object, ...], ChartCurves] = {}
        """As they were last drawn: a crosshair changes none of them."""
        self._pace = Pace(NUMBERS_SECONDS)
        self._drawn: tuple[object, ...] = ()
        self._shape = ChartGrid(0, 0)
        self._pages = 1
        self._message: tuple[str, Role] = ("", Role.DIM)

    def compose(self) -> ComposeResult:
        """Make a status per log, the filter, the charts, message and footer."""
        with Horizontal(id="log-status"):
            for number, _ in enumerate(self._logs):
                yield TextLine(id=f"log-{number}")
        with Horizontal(id="filter-row"):
            yield TextLine(id="filter-label")
            yield TypedLine("", id="filter", placeholder="words in the names of metrics")
        yield Grid(id="metric-charts")
        yield TextLine(id="message")
        yield Footer("metrics")

    def on_mount(self) -> None:
        """Draw once the size is known."""
        self.query_one("#filter-label", TextLine).update([(" / ", Role.STRONG)])
        self.query_one("#filter-row").display = False
        self.call_after_refresh(self.update, numbers=True)

    def on_resize(self, _event: Resize) -> None:
        """Arrange for the new size."""
        self.call_after_refresh(self.update, numbers=True)

    def update(self, *, numbers: bool = False) -> None:
        """Draw what has changed, at most twice a second unless asked for."""
        if not can_draw(self) or not self._pace.allows(monotonic(), at_once=numbers):
            return
        statuses = [status_text(log, time()) for log in self._logs]
        for number, status in enumerate(statuses):
            self.query_one(f"#log-{number}", TextLine).update(*status)
        drawn = (*(log.revision for log in self._logs), no_number_text(self._logs))
        if numbers or drawn != self._drawn:
            self._drawn = drawn
            self._curves.clear()
            self._draw()

    def _redraw(self) -> None:
        """Draw what a key changes; new points come twice a second, and no key waits for them."""
        if can_draw(self):
            self._draw()

    def say(self, text: str, *, bad: bool = False) -> None:
        """Show a message above the footer."""
        self._message = text, Role.BAD if bad else Role.TEXT
        self._redraw()
        if text:
            self.set_timer(MESSAGE_SECONDS, partial(self._forget, self._message))

    def action_page(self, by: int) -> None:
        """Show the page after or before."""
        self._page = min(max(0, self._page + by), self._pages - 1)
        self._acted("" if self._pages > 1 else "all charts are shown")

    def action_toggle_single(self) -> None:
        """Show one chart at a time, or as many as fit."""
        first = self._page * max(1, self._shape.size // self._charts_per_metric())
        self._single = not self._single
        if self._single:
            self._page = first
        else:
            self._page = first // max(1, self._shape_for(len(self._charts())).size)
        self._acted()

    def action_toggle_overlay(self) -> None:
        """Show two logs in the same charts, or beside each other."""
        self._overlaid = not self._overlaid
        self._acted("" if len(self._logs) > 1 else "there is only one log")

    def action_toggle_log(self) -> None:
        """Switch between linear and logarithmic y axes."""
        self._options.log_y = not self._options.log_y
        self._acted()

    def action_next_smoothing(self) -> None:
        """Smooth more, or not at all."""
        now = SMOOTHINGS.index(self._options.weight)
        self._options.weight = SMOOTHINGS[(now + 1) % len(SMOOTHINGS)]
        self._acted()

    def action_zoom_x(self, by: int) -> None:
        """Show half or twice the steps: around the crosshair, otherwise the newest."""
        self._options.halvings = min(max(0, self._options.halvings + by), MOST_ZOOM)
        self._acted()

    def action_crosshair(self, columns: int) -> None:
        """Move the crosshair by columns of the charts; beyond the newest step it disappears."""
        newest = self._newest()
        low, high = self._x_limits()
        if not math.isfinite(newest):
            return
        stride = (high - low) / self._shape.plot_columns(self.size.width)
        at = self._options.crosshair
        if at is None:
            at = min(newest, high) + stride * (columns < 0)
        # Whole steps, if the run counts in them.
        moved = at + columns * stride
        moved = float(round(moved)) if stride >= 1 else moved
        self._options.crosshair = None if moved > newest else max(self._first(), moved)
        self._acted()

    def action_end(self, which: int) -> None:
        """Move the crosshair to the first step, or away from the charts."""
        at = self._first() if which < 0 else None
        self._options.crosshair = at if math.isfinite(self._newest()) else None
        self._acted()

    def action_filter(self) -> None:
        """Type words by which the charts are chosen."""
        self.query_one("#filter-row").display = True
        self.query_one("#filter", Input).focus()

    def action_back(self) -> None:
        """Leave, one after the other: crosshair, zoom, single chart, filter."""
        line = self.query_one("#filter", Input)
        options = self._options
        if options.crosshair is not None and not line.has_focus:
            options.crosshair = None
        elif options.halvings and not line.has_focus:
            options.halvings = 0
        elif self._single and not line.has_focus:
            self.action_toggle_single()
            return
        elif self._words or line.has_focus:
            line.value = ""
            self._close_filter()
        self._acted()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Choose the charts with the words so far."""
        self._words, self._page = event.value, 0
        self.update(numbers=True)

    def on_input_submitted(self) -> None:
        """Keep the words, and give the keys back to the charts."""
        self._close_filter()

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Zoom in."""
        event.stop()
        self.action_zoom_x(1)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Zoom out."""
        event.stop()
        self.action_zoom_x(-1)

    def on_click(self, event: Click) -> None:
        """Put the crosshair where a chart was clicked."""
        chart = event.widget
        if not isinstance(chart, Chart) or not math.isfinite(self._newest()):
            return
        low, high = self._x_limits()
        columns = max(1, chart.plot_columns)
        share = (event.screen_x - chart.region.right + columns + 0.5) / columns
        if 0 <= share <= 1:
            at = low + share * (high - low)
            at = float(round(at)) if high - low > columns else at
            self._options.crosshair = min(max(self._first(), at), self._newest())
            self._acted()

    def _close_filter(self) -> None:
        self.query_one("#filter-row").display = bool(self._words)
        self.set_focus(None)

    def _acted(self, note: str = "") -> None:
        self.say(note)

    def _forget(self, message: tuple[str, Role]) -> None:
        if self._message is message:
            self.say("")

    def _newest(self) -> float:
        return max(log.last_step for log in self._logs)

    def _first(self) -> float:
        first = min(log.first_step for log in self._logs)
        return first if math.isfinite(first) else 0.0

    def _x_limits(self) -> Limits:
        newest = self._newest()
        if not math.isfinite(newest):
            return 0.0, 1.0
        known = [one for log in self._logs if math.isfinite(one := log.source.planned)]
        planned = max(known, default=math.nan)
        whole = whole_limits(self._first(), newest, planned)
        return zoomed(whole, self._options.halvings, newest, self._options.crosshair)

    def _charts(self) -> list[tuple[str, list[MetricChart | None]]]:
        """Return title and each log's part of all charts that the filter lets through."""
        found: dict[str, list[MetricChart | None]] = {}
        titles: dict[str, str] = {}
        for number, log in enumerate(self._logs):
            charts = charts_of(log.names(), log.source.prefixes)
            for chart in matching(charts, self._words):
                key = chart.title.casefold()
                titles.setdefault(key, chart.title)
                found.setdefault(key, [None] * len(self._logs))[number] = chart
        return [(titles[key], parts) for key, parts in found.items()]

    def _charts_per_metric(self) -> int:
        return 1 if self._overlaid else len(self._logs)

    def _shape_for(self, metrics: int) -> ChartGrid:
        """Return the page's grid; each metric has one chart, or one per log."""
        beside = self._charts_per_metric()
        if self._single:
            return ChartGrid(beside, 1)
        filter_row = int(self.query_one("#filter-row").display)
        height = self.size.height - _LINE_ROWS - filter_row
        return chart_grid(metrics * beside, self.size.width, height, by_twos=beside > 1)

    def _draw(self) -> None:
        charts = self._charts()
        beside = self._charts_per_metric()
        self._shape = self._shape_for(len(charts))
        per_page = max(1, self._shape.size // beside)
        self._pages = max(1, math.ceil(len(charts) / per_page))
        self._page = min(self._page, self._pages - 1)
        page = charts[self._page * per_page :][:per_page]
        views = self._views(self._shape.size)
        limits = self._x_limits()
        for n, (title, parts) in enumerate(page):
            self._draw_metric(views[n * beside : (n + 1) * beside], title, parts, limits)
        for view in views[len(page) * beside :]:
            view.display = False
        text, role = self._message
        if not charts and not text:
            text = f"no metric has {self._words!r}" if self._words else no_number_text(self._logs)
        modes = mode_pieces(
            self._options, self._words, self._page, self._pages, len(charts),
            axis=self._logs[0].axis,
        )  # fmt: skip
        self.query_one("#message", TextLine).update([(f" {text}", role)], modes)
        without = ["page(1)"] if self._pages == 1 else []
        if len(self._logs) == 1:
            without.append("toggle_overlay")
        self.query_one(Footer).update(without + list(NO_RUN_KEYS))

    def _draw_metric(
        self, views: Sequence[Chart], title: str, parts: Sequence[MetricChart | None], x: Limits
    ) -> None:
        # Not the charts' own: they are laid out only after this.
        columns = self._shape.plot_columns(self.size.width)
        names = [f"{n + 1}" for n in range(len(self._logs))] if self._overlaid else []
        shown = [
            ShownMetrics(log, part, names[n] if len(self._logs) > 1 and names else "")
            for n, (log, part) in enumerate(zip(self._logs, parts, strict=True))
        ]
        newest = self._newest()
        groups = [shown] if self._overlaid else [[one] for one in shown]
        options, all_curves, are_kept = self._options, [], True
        for n, group in enumerate(groups):
            key = title, n, self._overlaid, x, options.weight, columns
            if (curves := self._curves.get(key)) is None:
                curves = curves_of(group, x, newest, options, columns=columns)
                self._curves[key], are_kept = curves, False
            all_curves.append(curves)
        pictures = [picture_of(title, curves, options.crosshair) for curves in all_curves]
        scale = title, options.halvings, options.log_y
        if not are_kept or scale not in self._kept:
            old = self._kept.get(scale)
            self._kept[scale] = shared_limits(all_curves, old, log=options.log_y)
        y_limits = self._kept[scale]
        for view, picture, group in zip(views, pictures, groups, strict=True):
            view.display = True
            self._draw_chart(view, picture, y_limits, is_here=any(one.chart for one in group))

    def _draw_chart(
        self, view: Chart, picture: ChartPicture, y_limits: Limits, *, is_here: bool
    ) -> None:
        view.update(
            picture.title,
            picture.series,
            x_limits=picture.x_limits,
            y_limits=y_limits,
            log_y=self._options.log_y,
            crosshair=picture.crosshair,
            empty=NO_POINTS if is_here else NOT_HERE,
        )

    def _views(self, count: int) -> list[Chart]:
        """Return the charts of a page, arranged in its grid."""
        grid = self.query_one("#metric-charts", Grid)
        grid.styles.grid_size_columns = self._shape.across
        grid.styles.grid_size_rows = self._shape.down
        views = list(grid.query(Chart))
        if len(views) < count:
            new = [Chart() for _ in range(count - len(views))]
            grid.mount_all(new)
            views += new
        for view in views[count:]:
            view.display = False
        return views[:count]


NO_RUN_KEYS = ("toggle_pause", "step", "save", "faster", "slower")
"""Actions on a run that the footer leaves out here."""
