"""The metrics log gives back every epoch's layers, and reads lines without them."""

import csv
import json
from dataclasses import replace
from math import isnan, nan
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpwatch.core.epochs import EpochRecord, LayerRecord
from mlpwatch.core.runs.export import export_runs
from mlpwatch.core.runs.metrics import MOST_LAYERS, MetricsLog, parse_epoch
from tests.support.samples.run_samples import create, line

LAYERS = (LayerRecord(0.25, 1.5e-3, 0.5, True), LayerRecord(0.125, 2e-3))

norms = st.floats(0, 1e30)
layer_records = st.builds(LayerRecord, norms, norms, st.floats(0, 1), st.booleans())


@settings(deadline=None, max_examples=40)
@given(layers=st.lists(layer_records, max_size=12))
def test_any_layers_come_back(
    tmp_path_factory: pytest.TempPathFactory, layers: list[LayerRecord]
) -> None:
    log = MetricsLog(tmp_path_factory.getbasetemp() / "layers.jsonl")
    log.path.unlink(missing_ok=True)
    record = replace(line("torch", 4), layers=tuple(layers))
    log.append(record)
    (found,) = log.read().lines
    assert found.layers == record.layers


def test_unknown_numbers_are_null_and_come_back_as_nan(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append(replace(line("numpy", 1), layers=(LAYERS[0], LayerRecord(nan, nan))))
    assert json.loads(log.path.read_text())["layers"] == {
        "gradient_norm": [0.25, None],
        "update_ratio": [0.0015, None],
        "flat_share": [0.5, None],
        "uniform": [0],
    }
    (found,) = log.read().lines
    assert found.layers[0] == LAYERS[0]
    assert isnan(found.layers[1].gradient_norm)


def test_a_line_without_layers_is_read(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append(line("numpy", 1))
    assert "layers" not in json.loads(log.path.read_text())
    assert log.read().lines[0].layers == ()


SOUND = {"gradient_norm": [1, 2.5], "update_ratio": [0, 1e-3], "flat_share": [0.5, None]}


@pytest.mark.parametrize(
    "fields",
    [
        {"gradient_norm": None}, {"gradient_norm": [1]}, {"gradient_norm": [-1, 2]},
        {"update_ratio": ["1", 2]}, {"update_ratio": [True, 2]}, {"flat_share": [1.5, 0]},
        {"flat_share": {"0": 1}}, {"uniform": 3},
        {name: [0.5] * (MOST_LAYERS + 1) for name in SOUND},
    ],
    ids=lambda fields: str(fields)[:40],
)  # fmt: skip
def test_damaged_layers_are_a_damaged_line(tmp_path: Path, fields: dict[str, object]) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append(line("numpy", 1))
    numbers = json.loads(log.path.read_text())

    def read(layers: dict[str, object]) -> EpochRecord | None:
        return parse_epoch(json.dumps(numbers | {"layers": layers}).encode())

    assert read(SOUND | fields) is None
    assert read(SOUND | {"uniform": [[], "0", 1, 10**30]}) is not None
    assert parse_epoch(json.dumps(numbers | {"layers": [1]}).encode()) is None


def test_exports_have_the_layers_after_all_else(tmp_path: Path) -> None:
    for name, layers in (("deep", LAYERS), ("old", ())):
        run = create(tmp_path / "saved", name)
        run.append_metrics(replace(line("numpy", 1), layers=layers))
    runs = [tmp_path / "saved" / name for name in ("deep", "old")]
    path = export_runs(runs, tmp_path, "csv")
    with path.open(newline="") as file:
        deep, old = csv.DictReader(file)
    assert list(deep)[-6:] == [
        "layer_0_gradient_norm", "layer_0_update_ratio", "layer_0_flat_share",
        "layer_1_gradient_norm", "layer_1_update_ratio", "layer_1_flat_share",
    ]  # fmt: skip
    assert list(deep.values())[-6:] == ["0.25", "0.0015", "0.5", "0.125", "0.002", ""]
    assert list(old.values())[-6:] == [""] * 6
    first, second = json.loads(export_runs(runs, tmp_path, "json").read_text())
    assert first["metrics"][0]["layers"]["gradient_norm"] == [0.25, 0.125]
    assert "layers" not in second["metrics"][0]
