"""The axes come from plotext through public names, whatever the terminal's size is."""

import plotext
import pytest

from mlpwatch.tui.charts.axes import draw_axes
from mlpwatch.tui.charts.dots import Frame

PUBLIC_NAMES = [
    *("clear_figure", "limit_size", "plot_size", "theme", "frame", "xlim", "ylim", "yaxes"),
    *("xticks", "yticks", "scatter", "build", "uncolorize"),
]


def test_plotext_still_has_the_public_names_that_axes_use() -> None:
    missing = [name for name in PUBLIC_NAMES if not callable(getattr(plotext, name, None))]
    assert not missing, f"plotext {plotext.__version__} has no {missing}: see tui/charts/axes.py"


def test_axes_are_as_large_as_their_frame_in_a_smaller_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "4")
    canvas = draw_axes(Frame(90, 12, (0.0, 10.0), (0.0, 2.5), x_label="epoch", y_ticks=(0, 1, 2)))
    assert (canvas.width, canvas.height) == (90, 12)
    labels = [canvas.row(y)[:7] for y in range(11)]
    assert labels[0] == "     │ ", "a row without a label"
    assert [label for label in labels if "┤" in label] == ["    2┤ ", "    1┤ ", "    0┤ "]
    assert canvas.row(11).split() == ["epoch", "0", "2", "4", "6", "8", "10"]
