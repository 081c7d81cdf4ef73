"""The page of figures: it shows the run's own numbers, in a file that programs open."""

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from mlpwatch.core.report import panels
from mlpwatch.core.report.figures import STYLE, run_figure
from mlpwatch.core.report.reading import RunReading, read_run, without_predictions
from mlpwatch.core.runs.layout import METRICS_NAME
from mlpwatch.tui.__main__ import main
from tests.support.samples.sweep_samples import group_of, make_group, train_trial

pytestmark = pytest.mark.xdist_group("report")

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def reading(saved: Path) -> RunReading:
    return read_run(saved / "seed")


def test_png_is_a_page_of_a4(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.png"
    words = ["export", "seed", "--saved", str(saved), "--to", "png", "-o", str(path)]
    assert main(words) == 0
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    assert height / width == pytest.approx(297 / 210, rel=0.002)
    assert width > 1600


def test_svg_is_the_same_file_each_time_and_leaves_the_style_alone(reading: RunReading) -> None:
    before, bare = dict(mpl.rcParams), without_predictions(reading)
    first = run_figure(bare, "svg")
    assert ElementTree.fromstring(first).tag == f"{SVG}svg"
    assert first == run_figure(bare, "svg")
    assert {key: before[key] for key in STYLE} == {key: mpl.rcParams[key] for key in STYLE}


def test_curves_are_the_epochs(reading: RunReading) -> None:
    loss, accuracy = Figure().subplots(1, 2)
    panels.draw_loss(loss, reading)
    panels.draw_accuracy(accuracy, reading)
    drawn = {line.get_label(): line for line in loss.get_lines()}
    assert list(drawn) == [
        "NumPy, validation", "NumPy, training", "PyTorch, validation", "PyTorch, training",
    ]  # fmt: skip
    records = reading.epochs["torch"]
    assert list(drawn["PyTorch, training"].get_xdata()) == [1, 2, 3, 4]
    assert list(drawn["PyTorch, training"].get_ydata()) == [one.train_loss for one in records]
    assert {line.get_linestyle() for line in loss.get_lines()} == {"-", "--"}
    assert [text.get_text() for text in accuracy.texts] == [
        f"{reading.test_accuracy(name):.2%}" for name in reading.engines
    ]
    for axes in (loss, accuracy):
        assert axes.get_xlabel() == "epoch"
        assert axes.get_ylabel()
        assert axes.get_title(loc="center") or axes.get_title(loc="left")


def test_matrices_and_gap_are_the_runs(reading: RunReading) -> None:
    split, found = reading.matrices()
    assert split == "test"
    matrix, gap = Figure().subplots(1, 2)
    panels.draw_matrix(matrix, found["numpy"], reading.class_names, "NumPy", split)
    written = sum(int(text.get_text()) for text in matrix.texts)
    assert written == found["numpy"].sum()
    wrong = int(found["numpy"].sum() - found["numpy"].trace())
    assert matrix.get_title().startswith(f"NumPy: {wrong} of {written} test samples wrong")
    panels.draw_accuracy_gap(gap, reading)
    one, other = (np.array([r.val_accuracy for r in reading.epochs[n]]) for n in reading.engines)
    assert gap.get_lines()[-1].get_ydata() == pytest.approx(100 * (other - one))


def test_mistakes_are_wrong_and_the_surest_come_first(reading: RunReading) -> None:
    found = reading.predictions
    assert found is not None
    rows = found.mistakes()
    assert set(rows) == set(np.flatnonzero(found.wrong("numpy") | found.wrong("torch")))
    sure = [
        max(
            one.probabilities[row].max()
            for name, one in found.engines.items()
            if found.wrong(name)[row]
        )
        for row in rows
    ]
    assert sure == sorted(sure, reverse=True)
    area = Figure()
    panels.draw_mistakes(area, found, reading.class_names, reading.config.titles)
    first = area.axes[0]
    assert first.get_title() == f"true {found.labels[rows[0]]}"
    np.testing.assert_array_equal(first.images[0].get_array(), found.images[rows[0]].reshape(8, 8))
    probabilities = found.engines["numpy"].probabilities[rows[0]]
    assert first.texts[0].get_text() == f"NumPy {probabilities.argmax()} {probabilities.max():.0%}"


def test_a_sweep_shows_means_and_spread(tmp_path: Path) -> None:
    group = group_of({"learning_rate": (0.1, 0.3)}, seeds=3)
    path = make_group(tmp_path, "lr", group)
    for trial in group.trials:
        train_trial(path, trial, {"numpy": 0.9 + trial.seed / 100, "torch": 0.8})
    out = tmp_path / "lr.svg"
    assert main(["export", "lr", "--saved", str(tmp_path), "--to", "svg", "-o", str(out)]) == 0
    assert ElementTree.parse(out).getroot().tag == f"{SVG}svg"


def test_without_matplotlib_one_line_names_the_extra(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [one for one in sys.modules if one.startswith("mlpwatch.core.report.")]:
        if name.endswith((".figures", ".panels")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    path = tmp_path / "page.png"
    words = ["export", "seed", "--saved", str(saved), "--to", "png", "-o", str(path)]
    assert main(words) == 2
    assert capsys.readouterr().err == (
        "mlpwatch: --to png: needs matplotlib, which is not installed; "
        "pip install 'mlpwatch[report]'\n"
    )
    assert not path.exists()


def test_the_table_of_formats_imports_none_of_them() -> None:
    code = (
        "import sys; import mlpwatch.core.report.formats, mlpwatch.core.cli.export;"
        "print(*sorted({'matplotlib', 'numpy', 'torch', 'onnx', 'nbformat'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "\n"


@pytest.mark.parametrize("kind", ["svg", "html"])
def test_losses_near_the_largest_float_are_gaps(saved: Path, tmp_path: Path, kind: str) -> None:
    copy = tmp_path / "saved/huge"
    shutil.copytree(saved / "seed", copy)
    lines = [json.loads(line) for line in (copy / METRICS_NAME).read_text().splitlines()]
    for line in lines[1:]:
        line |= {"train_loss": 1.7e308, "val_loss": -1.7e308}
    (copy / METRICS_NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
    path = tmp_path / f"page.{kind}"
    words = ["export", "huge", "--saved", str(copy.parent), "--to", kind, "-o", str(path)]
    assert main(words) == 0
    assert path.stat().st_size > 10_000
