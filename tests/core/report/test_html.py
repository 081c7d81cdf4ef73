"""The report: one file that loads nothing, opened in a real browser, with the run's own numbers."""

import json
import re
import shlex
import shutil
import struct
import subprocess
import zlib
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.cli.export import export_source
from mlpwatch.core.cli.options import add_training_options, config_from
from mlpwatch.core.cli.parser import Parser
from mlpwatch.core.report.pages.charts import ChartCurve, chart, log_ticks, ticks
from mlpwatch.core.report.pages.group_page import group_conclusion, group_page
from mlpwatch.core.report.pages.mistake_cards import grey_png
from mlpwatch.core.report.pages.run_page import run_page
from mlpwatch.core.report.pages.why_figure import why_parts
from mlpwatch.core.report.reading import RunReading, read_run, without_predictions
from mlpwatch.core.runs.layout import WHY_NAME
from mlpwatch.core.sweeps.reading import GroupReader
from mlpwatch.tui.__main__ import main
from tests.support.samples.run_samples import create
from tests.support.samples.sweep_samples import group_of, make_group, train_trial

pytestmark = pytest.mark.xdist_group("report")

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome", "chrome")
        if (path := shutil.which(name))
    ),
    None,
)

VOID = {"meta", "img", "br", "path", "circle", "rect"}


class Checker(HTMLParser):
    """Collects what a page refers to, and elements that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.sources += [found[name] or "" for name in ("src", "href") if name in found]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def reading(saved: Path) -> RunReading:
    return read_run(saved / "seed")


@pytest.fixture(scope="module")
def text(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("html") / "seed.html"
    words = ["export", "seed", "--saved", str(saved), "--to", "html", "-o", str(path)]
    assert main(words) == 0
    return path.read_text(encoding="utf-8")


def browse(page: Path, *flags: str) -> str:
    """Open a page in headless Chromium; return its document after loading, and its complaints."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
        f"--user-data-dir={page.parent / 'profile'}", *flags, page.as_uri(),
    ]  # fmt: skip
    found = subprocess.run(command, capture_output=True, timeout=60, check=True)
    said = found.stderr.decode(errors="replace")
    assert "CONSOLE" not in said, said
    return found.stdout.decode()


def test_it_is_whole_and_loads_nothing(text: str) -> None:
    page = Checker(text)
    assert page.open == []
    assert page.sources
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert "<script" not in text
    assert not re.search(r"url\(|@import|https?://", text)


def test_it_has_the_runs_numbers(text: str, reading: RunReading) -> None:
    for name in reading.engines:
        assert f"<td>{reading.test_accuracy(name):.2%}</td>" in text
    assert "loss-mean-over-classes" in text
    assert "<pre>mlpwatch train --recipe seed --data digits" in text
    assert reading.manifest.versions["torch"] in text
    assert 'class="changed">4</td>' in text, "the epochs differ from the recipe's"


def test_a_chromium_shows_it(text: str, tmp_path: Path) -> None:
    page = tmp_path / "seed.html"
    page.write_text(text, encoding="utf-8")
    document = browse(page, "--dump-dom")
    assert document.count("<figure") == text.count("<figure")
    assert "This page contains the following errors" not in document


@pytest.mark.rare
def test_it_is_light_dark_and_printed_on_a4(text: str, tmp_path: Path) -> None:
    page, grounds = tmp_path / "seed.html", []
    page.write_text(text, encoding="utf-8")
    for scheme in (0, 1):
        picture = tmp_path / f"{scheme}.png"
        browse(
            page, f"--screenshot={picture}", "--window-size=300,100",
            f"--blink-settings=preferredColorScheme={scheme}",
        )  # fmt: skip
        grounds.append(first_pixel(picture.read_bytes()))
    assert grounds == [(0x16, 0x18, 0x1B), (255, 255, 255)]
    paper = tmp_path / "seed.pdf"
    browse(page, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    boxes = re.findall(rb"/MediaBox\s*\[([\d. ]+)\]", paper.read_bytes())
    assert 3 <= len(boxes) <= 8
    for box in boxes:
        *_, width, height = map(float, box.split())
        assert (width, height) == pytest.approx((595, 842), abs=2)


def first_pixel(png: bytes) -> tuple[int, ...]:
    """Return red, green and blue of the upper left pixel; its filter has nothing to add there."""
    data = b"".join(
        png[at + 4 : at + 4 + struct.unpack(">I", png[at - 4 : at])[0]]
        for at in (one.start() for one in re.finditer(b"IDAT", png))
    )
    return tuple(zlib.decompressobj().decompress(data, 4)[1:4])


def test_hostile_names_stay_text(tmp_path: Path, reading: RunReading) -> None:
    name = "<img src=x onerror=alert(1)>&"
    run = create(tmp_path, name)
    bare = replace(reading, path=run.path)
    page = Checker(run_page(bare, "mlpwatch train --name '<b>'").decode())
    assert all(source.startswith("data:") for source in page.sources)
    assert page.open == []


def test_a_run_without_its_images_has_a_report(reading: RunReading) -> None:
    lines = ("no mistakes: no such file",)
    text = run_page(replace(without_predictions(reading), notes=lines), "").decode()
    assert "What could not be read" in text
    assert "no mistakes: no such file" in text
    assert "validation samples" in text
    assert Checker(text).sources == []
    assert "Make it again" not in text


def test_its_command_makes_the_same_settings(saved: Path, reading: RunReading) -> None:
    words = shlex.split(export_source(saved / "seed", is_group=False).again())
    parser = Parser()
    add_training_options(parser)
    options = parser.parse_args(words[2:])
    assert words[:2] == ["mlpwatch", "train"]
    assert config_from(options) == reading.config


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (0.951, 0.989, [0.96, 0.97, 0.98]), (1, 4, [1, 2, 3, 4])],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    found = [one for one in ticks(low, high) if round(one, 9) in expected]
    assert found == pytest.approx(expected)
    assert len(ticks(low, high)) <= 9


def test_logarithmic_ticks_are_few() -> None:
    assert log_ticks(1e-8, 1) == pytest.approx([1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1])
    assert log_ticks(0.02, 0.6) == pytest.approx([0.02, 0.05, 0.1, 0.2, 0.5])


def test_a_chart_draws_its_finite_points_in_place() -> None:
    nan = float("nan")
    points = [(1.0, 0.0), (2.0, nan), (3.0, 1.0)]
    text = chart("t", "y", [ChartCurve("<a>", "numpy", points)])
    path = re.search(r'class="curve numpy" d="M([\d. L]+)"/><circle', text)
    assert path is not None
    (x0, y0), (x1, y1) = (map(float, one.split()) for one in path[1].split("L"))
    assert x0 < x1
    assert y0 > y1, "a larger value lies higher"
    assert "&lt;a&gt;" in text
    assert chart("t", "y", [ChartCurve("a", "numpy", [(1.0, nan)])]) == ""
    assert 'd="M' in chart("t", "y", [ChartCurve("a", "numpy", [(1.0, 0.5)])])
    long = chart("t", "y", [ChartCurve("a", "numpy", [(float(k), k % 7) for k in range(100_000)])])
    assert len(long) < 60_000


def test_a_png_holds_the_grey_levels() -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    png = grey_png(pixels)
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    assert (width, height, depth, colour) == (3, 2, 8, 0)
    at = png.index(b"IDAT")
    size = struct.unpack(">I", png[at - 4 : at])[0]
    assert zlib.decompress(png[at + 4 : at + 4 + size]) == b"\0\0\1\2\0\3\4\5"
    assert png[at + 4 + size : at + 8 + size] == struct.pack(
        ">I", zlib.crc32(png[at : at + 4 + size])
    )


def sweep(saved: Path, accuracies: Mapping[int, float], failed: int = 0) -> Path:
    """Train 4 seeds of two learning rates; NumPy's accuracy by setting, with noise by seed."""
    group = group_of({"learning_rate": (0.1, 0.3)}, seeds=4)
    path = make_group(saved, "lr", group)
    for trial in group.trials[: len(group.trials) - failed]:
        value = accuracies[trial.setting] + trial.seed / 1000
        train_trial(path, trial, {"numpy": value, "torch": value - 0.04})
    return path


def test_a_sweeps_best_is_named_only_if_its_seeds_carry_it(tmp_path: Path) -> None:
    clear = GroupReader(sweep(tmp_path / "a", {0: 0.80, 1: 0.90})).read()
    found = " ".join(group_conclusion(clear))
    assert "NumPy does best with learning-rate 0.3: 10.00 ± 0.00 points above" in found
    assert "With learning-rate 0.1: PyTorch is 4.00 ± 0.00 points lower: real (4 seeds" in found
    assert "may change" not in found
    group = GroupReader(
        make_group(tmp_path / "b", "lr", group_of({"learning_rate": (0.1, 0.3)}, 2))
    )
    for trial in group.read().group.trials:
        noise = 0.05 * (trial.seed if trial.setting else 1 - trial.seed)
        train_trial(group.path, trial, {"numpy": 0.9 + noise, "torch": 0.9})
    found = " ".join(group_conclusion(group.read()))
    assert "NumPy's best setting is not shown" in found
    assert "does best" not in found


def test_a_sweep_has_a_report_with_bands_and_its_command(tmp_path: Path) -> None:
    sweep(tmp_path, {0: 0.8, 1: 0.9}, failed=1)
    path = tmp_path / "lr.html"
    words = ["export", "lr", "--saved", str(tmp_path), "--to", "html", "-o", str(path)]
    assert main(words) == 0
    text = path.read_text()
    assert Checker(text).open == []
    assert text.count('class="band') == 8
    assert "7 of 8 finished: its numbers may change." in text
    assert "<td>80.15% ± 0.13%</td>" in text
    command = export_source(tmp_path / "lr", is_group=True).again()
    assert command == ("mlpwatch sweep --hidden 64,32 --epochs 3 --learning-rate 0.1,0.3 --seeds 4")
    assert command in text


WHY = {
    "gap": {"numpy": -7.0},
    "attributions": {
        "numpy": [
            {"setting": "learning_rate", "from": 0.3, "to": 0.01, "points": -6.5, "low": -7.1,
             "high": -5.9},
            {"setting": "initialization", "from": "scaled", "to": "<b>", "points": -0.5,
             "low": None, "high": None},
        ]
    },
    "sentence": {"numpy": "6.5 of 7.0 points: learning rate; 0.5: initialization"},
    "epochs": 3,
    "seeds": 2,
}  # fmt: skip


def test_what_why_found_is_a_figure(tmp_path: Path) -> None:
    folder = sweep(tmp_path, {0: 0.8, 1: 0.9})
    (folder / WHY_NAME).write_text(json.dumps(WHY))
    text = group_page(GroupReader(folder).read(), "").decode()
    assert Checker(text).open == []
    assert "NumPy: the gap is -7.00 points (3 epochs, 2 seeds, 95 % intervals)" in text
    assert text.count('<rect class="bar numpy"') == 2
    assert text.count('class="span"') == 1, "no interval of one seed"
    assert "learning rate: 0.3 → 0.01" in text
    assert "initialization: scaled → &lt;b&gt;" in text
    assert "6.5 of 7.0 points: learning rate; 0.5: initialization" in text


@pytest.mark.parametrize(
    "damage",
    [
        b"{", b"[]",
        json.dumps(WHY | {"gap": {"numpy": "much"}}).encode(),
        json.dumps(WHY | {"attributions": {"numpy": []}}).encode(),
        json.dumps(WHY | {"attributions": {"numpy": [{"setting": "a", "points": 1e300}]}}).encode(),
        json.dumps(WHY | {"sentence": {}}).encode(),
    ],
)  # fmt: skip
def test_a_damaged_finding_is_left_out(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / WHY_NAME).write_bytes(damage)
    assert why_parts(tmp_path) == []
