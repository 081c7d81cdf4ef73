"""How charts share the screen, and what the lines around them say."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from mlpwatch.core.text import excerpt
from mlpwatch.tui.charts.scales import LABEL_COLUMNS
from mlpwatch.tui.kit.theme import Role, Text
from mlpwatch.tui.metrics.following import FollowedMetrics
from mlpwatch.tui.metrics.picture import MetricOptions

_LEAST_COLUMNS, _COLUMNS = 37, 46
_LEAST_ROWS, _ROWS = 6, 9
"""Of a chart: on a small screen, and on one with room."""

_ROOMY_COLUMNS, _ROOMY_ROWS = 100, 30

_MOST_ACROSS, _MOST_DOWN = 4, 6

_GUTTER = 2
"""Columns between two charts, and at both ends together, as in the stylesheet."""

_WIDE = 4.0
"""Columns per row of a chart that looks best."""

_LONGEST = 1e12
"""Larger steps are written with an exponent."""

LIVE = "live"
LIVE_SECONDS = 10.0
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


class ChartGrid(NamedTuple):
    """Charts on a page."""

    across: int
    down: int

    @property
    def size(self) -> int:
        """Number of charts."""
        return self.across * self.down

    def plot_columns(self, width: int) -> int:
        """Return the columns of a plot without its labels, on a screen of this width."""
        chart = (width - _GUTTER * self.across) // max(1, self.across)
        return max(1, chart - LABEL_COLUMNS - 1)


def chart_grid(charts: int, width: int, height: int, *, by_twos: bool = False) -> ChartGrid:
    """Return the grid of a page; its charts fill the screen if they are few.

    Args:
        charts: in all, on as many pages as needed; two logs' charts are counted twice.
        width: columns of the screen.
        height: rows for the charts.
        by_twos: two charts beside each other belong together.
    """
    least = _COLUMNS if width >= _ROOMY_COLUMNS else _LEAST_COLUMNS
    across = min(_MOST_ACROSS, max(1, width // least))
    if by_twos:
        across = max(2, across // 2 * 2)
    down = min(_MOST_DOWN, max(1, height // (_ROWS if height >= _ROOMY_ROWS else _LEAST_ROWS)))
    if not 0 < charts < across * down:
        return ChartGrid(across, down)
    fitting = [
        ChartGrid(n, math.ceil(charts / n))
        for n in range(2 if by_twos else 1, across + 1, 2 if by_twos else 1)
        if math.ceil(charts / n) <= down
    ]

    def cost(grid: ChartGrid) -> float:
        shape = abs(math.log(width / grid.across / max(1, height / grid.down) / _WIDE))
        return shape + (grid.size - charts) / max(1, charts)

    return min(fitting, key=cost, default=ChartGrid(across, down))


def status_text(followed: FollowedMetrics, now: float) -> tuple[Text, Text]:
    """Return a log's name, state and last step; and, for the right end, its format.

    Args:
        followed: the log.
        now: in Unix time.
    """
    source = followed.source
    pieces: Text = [(f" {source.title}", Role.STRONG), ("  ", Role.DIM)]
    if followed.error or source.fault:
        pieces.append((followed.error or source.fault, Role.BAD))
    elif not followed.has_read_all:
        pieces.append(("reading …", Role.DIM))
    elif source.ended:
        pieces.append(("ended", Role.GOOD))
    else:
        text = age_text(now - source.written_at)
        pieces.append((text, Role.GOOD if text == LIVE else Role.DIM))
    if math.isfinite(followed.last_step):
        planned = f" of {step_text(source.planned)}" if math.isfinite(source.planned) else ""
        pieces.append((f" · {followed.axis} {step_text(followed.last_step)}{planned}", Role.TEXT))
    return pieces, [(f" {source.format} ", Role.DIM)]


def no_number_text(logs: Sequence[FollowedMetrics]) -> str:
    """Return why no log has a number: it can't be read, or has none yet; empty while it is read."""
    if fault := next((log.error or log.source.fault for log in logs), ""):
        return f"no number: {fault}"
    return "no number yet" if all(log.has_read_all for log in logs) else ""


def step_text(step: float) -> str:
    """Return a step, or a fraction of an epoch: `12,345`, `0.25`."""
    is_whole = step.is_integer() and abs(step) < _LONGEST
    return f"{step:,.0f}" if is_whole else f"{step:.6g}"


def age_text(seconds: float) -> str:
    """Return when a log was written, coarsely: an unchanged text sends no byte."""
    if seconds < LIVE_SECONDS:
        return LIVE
    if seconds < _MINUTE:
        return f"written {seconds // 10 * 10:.0f} s ago"
    if seconds < _HOUR:
        return f"written {seconds // _MINUTE:.0f} min ago"
    if seconds < 2 * _DAY:
        return f"written {seconds // _HOUR:.0f} h ago"
    return f"written {seconds // _DAY:.0f} days ago"


def mode_pieces(
    options: MetricOptions, words: str, page: int, pages: int, charts: int, *, axis: str = "step"
) -> Sequence[tuple[str, Role]]:
    """Return what is switched on, and the page."""
    modes = []
    if words:
        modes.append(f"/{excerpt(words, 20)}")
    if options.crosshair is not None:
        modes.append(f"{axis} {step_text(options.crosshair)}")
    if options.halvings:
        modes.append(f"zoom x {2**options.halvings}")
    if options.weight:
        modes.append(f"smooth {options.weight:g}")
    if options.log_y:
        modes.append("log y")
    if pages > 1:
        modes.append(f"page {page + 1} of {pages}")
    elif charts == 0:
        modes.append("no chart")
    return [(f"{' · '.join(modes)} ", Role.TEXT)] if modes else []
