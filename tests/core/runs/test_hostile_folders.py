"""Whatever a run's files hold, the list shows a row, and readers stop soon and in little memory."""

import json
import os
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from mlpwatch.core.errors import RunError
from mlpwatch.core.runs.checkpoints import checkpoint_path, write_checkpoint
from mlpwatch.core.runs.export import export_runs
from mlpwatch.core.runs.layout import (
    CONFUSION_NAME,
    EVENTS_NAME,
    METRICS_NAME,
    OWNER_NAME,
    RESULT_NAME,
)
from mlpwatch.core.runs.listing import list_runs
from mlpwatch.core.runs.lock import is_locked, read_owner
from mlpwatch.core.runs.replay import RunTail, recorded_end
from mlpwatch.core.runs.run import Run
from tests.support.samples.checkpoint_samples import sample_checkpoint
from tests.support.samples.run_samples import create, line

HUGE = 10 * 2**30
"""Bytes of a file of holes."""

SLACK_BYTES = 40 * 2**20

DIGITS_400, DIGITS_9000 = int("9" * 400), "9" * 9_000

CONFIGS: dict[str, tuple[tuple[str, ...], Any]] = {
    "a million million classes": (("dataset", "classes"), 10**12),
    "no class": (("dataset", "classes"), 0),
    "three dimensions": (("dataset", "image_shape"), [8, 8, 3]),
    "one dimension": (("dataset", "image_shape"), [64]),
    "no height": (("dataset", "image_shape"), [0, 8]),
    "a huge image": (("dataset", "image_shape"), [10**9, 10**9]),
    "400 digits": (("config", "epochs"), DIGITS_400),
    "400 digits of a rate": (("config", "learning_rate"), DIGITS_400),
    "400 digits of a width": (("config", "hidden"), [DIGITS_400]),
    "a million layers": (("config", "hidden"), [1] * 1_000_000),
    "a share of 7": (("config", "dropout"), 7),
    "an object for a number": (("config", "seed"), {}),
}


def read_all(saved: Path, name: str) -> None:
    """Read all that the screens read of a run."""
    with suppress(RunError):
        run = Run.open(saved, name)
        RunTail(run).read()
        for engine in run.config.engine_names:
            recorded_end(run, engine)
            with suppress(RunError):
                run.read_latest(engine)
        run.read_metrics()
        export_runs([run.path], saved.parent, "csv")
        export_runs([run.path], saved.parent, "json")
    is_locked(saved / name)
    read_owner(saved / name)


@pytest.mark.parametrize("what", CONFIGS)
def test_a_setting_that_no_run_can_have_is_a_damaged_row(tmp_path: Path, what: str) -> None:
    create(tmp_path / "saved", "good")
    path = create(tmp_path / "saved", "bad").path / "config.json"
    place, value = CONFIGS[what]
    values = json.loads(path.read_text())
    values[place[0]][place[1]] = value
    path.write_text(json.dumps(values))
    runs = {run.name: run for run in list_runs(tmp_path / "saved")}
    assert (runs["good"].state, runs["bad"].state) == ("stopped", "damaged")
    assert len(runs["bad"].reason) < 500
    read_all(tmp_path / "saved", "bad")


NUMBERS = ["1" + "0" * 400, DIGITS_9000, "-1", "1e999", "1.5", "1e300", "true", '"9"', "[]", "{}"]


@pytest.mark.parametrize("name", [METRICS_NAME, EVENTS_NAME, CONFUSION_NAME, OWNER_NAME])
@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:6] + str(len(number)))
def test_a_number_that_no_run_can_have_is_a_damaged_line(
    tmp_path: Path, name: str, number: str
) -> None:
    run = create(tmp_path / "saved", "one")
    run.append_metrics(line("numpy", 1))
    lines = [
        {"engine": "torch", "epoch": 1, "step": 1, "seconds": 1.0, "train_loss": 1.0,
         "val_loss": 1.0, "val_accuracy": 0.5, "samples_per_second": 1.0, "classes": 10,
         "counts": [-100], "pid": 1, "host": "x"},
        {"kind": "plan", "epochs": 3, "epoch_steps": 20},
        {"kind": "steps", "engine": "torch", "step": 4, "count": 1, "seconds": 1.0,
         "loss": 0.5, "low": 0.5, "high": 0.5},
    ]  # fmt: skip
    with (run.path / name).open("a") as file:
        for values in lines:
            for key in values:
                text = json.dumps(values | {key: "NUMBER"}).replace('"NUMBER"', number)
                file.write(text + "\n")
    (row,) = list_runs(tmp_path / "saved")
    assert row.state == "stopped"
    read_all(tmp_path / "saved", "one")
    assert row.engines[0].epochs_done == 1


def fifo(path: Path) -> None:
    os.mkfifo(path)


def holes(path: Path) -> None:
    with path.open("ab") as file:
        file.truncate(HUGE)


def endless_line(path: Path) -> None:
    with path.open("ab") as file:
        for _ in range(32):
            file.write(b"x" * 2**20)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [fifo, holes, endless_line, device])
@pytest.mark.parametrize(
    "name",
    ["config.json", METRICS_NAME, EVENTS_NAME, CONFUSION_NAME, RESULT_NAME, OWNER_NAME,
     "numpy.safetensors", "numpy.safetensors.previous"],
)  # fmt: skip
def test_what_is_no_file_of_ours_is_neither_waited_for_nor_read_into_memory(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    run = create(tmp_path / "saved", "one")
    run.append_metrics(line("numpy", 1))
    write_checkpoint(checkpoint_path(run.path, "numpy"), sample_checkpoint(3), 0)
    if make in (fifo, device):
        (run.path / name).unlink(missing_ok=True)
    make(run.path / name)
    tracemalloc.start()
    began = process_time()
    try:
        (row,) = list_runs(tmp_path / "saved")
        read_all(tmp_path / "saved", "one")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert process_time() - began < 3.0
    assert peak < SLACK_BYTES
    if name in ("config.json", RESULT_NAME):
        assert row.state == "damaged"


def test_a_checkpoint_that_claims_ten_gigabytes_is_refused_by_its_shapes(tmp_path: Path) -> None:
    run = create(tmp_path / "saved", "one")
    path = checkpoint_path(run.path, "numpy")
    write_checkpoint(path, sample_checkpoint(3), 0)
    text = path.read_bytes()
    length = int.from_bytes(text[:8], "little")
    header = json.loads(text[8 : 8 + length])
    name, end = "layers.0.weight", 10 * 2**30
    header[name] = {"dtype": "F64", "shape": [end // 8, 1], "data_offsets": [0, end]}
    claimed = json.dumps(header).encode()
    path.write_bytes(len(claimed).to_bytes(8, "little") + claimed)
    with path.open("ab") as file:
        file.truncate(8 + len(claimed) + end)
    tracemalloc.start()
    try:
        with pytest.raises(RunError, match=r"layers\.0\.weight|layers\.0\.bias"):
            run.read_latest("numpy")
        assert tracemalloc.get_traced_memory()[1] < SLACK_BYTES
    finally:
        tracemalloc.stop()
