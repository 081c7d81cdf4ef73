"""JSON lines of any program: nested names, steps, restarts, half-written lines, hostile input."""

import json
import math
from collections.abc import Iterable
from pathlib import Path

import pytest

from mlpwatch.core.foreign_logs.json_lines import JsonLinesReader
from mlpwatch.core.scalars.store import ScalarPoint


def written(path: Path, *records: object) -> JsonLinesReader:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return JsonLinesReader(path)


def flat(points: Iterable[ScalarPoint]) -> list[tuple[str, float, float]]:
    return [(name, step, value) for name, step, value, _ in points]


def test_numbers_are_named_by_their_place_and_the_rest_is_left_out(tmp_path: Path) -> None:
    record = {
        "step": 7, "train": {"loss": 0.5, "lr": {"head": 1}}, "ok": True, "note": "x",
        "list": [1, 2],
    }  # fmt: skip
    reader = written(tmp_path / "log.jsonl", record)
    assert flat(reader.read()) == [("train/loss", 7, 0.5), ("train/lr/head", 7, 1)]
    assert reader.read() == []


def test_each_line_is_read_once_and_a_half_written_one_waits(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    reader = written(path, {"step": 0, "loss": 1})
    assert flat(reader.read()) == [("loss", 0, 1)]
    with path.open("a") as file:
        file.write('{"step": 1, "lo')
    assert reader.read() == []
    with path.open("a") as file:
        file.write('ss": 2}\n{"step": 2, "loss": 3}\n')
    assert flat(reader.read()) == [("loss", 1, 2), ("loss", 2, 3)]


def test_a_last_object_without_a_line_feed_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 0, "loss": 1}')
    reader = JsonLinesReader(path)
    assert flat(reader.read()) == [("loss", 0, 1)]
    path.write_text('{"step": 0, "loss": 1}\n{"step": 1, "loss": 2}\n')
    assert flat(reader.read()) == [("loss", 1, 2)]


@pytest.mark.parametrize("longer", [False, True])
def test_a_file_that_is_written_again_is_read_from_its_start(tmp_path: Path, longer: bool) -> None:
    path = tmp_path / "log.jsonl"
    written(path, *({"step": k, "loss": 1} for k in range(3)))
    reader = JsonLinesReader(path)
    reader.read()
    written(path, *({"step": k, "loss": 2} for k in range(9 if longer else 2)))
    assert flat(reader.read())[:2] == [("loss", 0, 2), ("loss", 1, 2)]


def test_batches_that_count_from_zero_in_each_epoch_follow_each_other(tmp_path: Path) -> None:
    records = [{"epoch": e, "batch": b, "loss": e} for e in (1, 2, 3) for b in (0, 1, 2)]
    reader = written(tmp_path / "log.jsonl", *records, {"epoch": 2, "batch": 0, "loss": 9})
    steps = [point.step for point in reader.read()]
    assert steps == [*range(9), 3], "the last record restarts epoch 2"


def test_a_record_without_a_step_has_the_last_one(tmp_path: Path) -> None:
    reader = written(
        tmp_path / "log.jsonl", {"step": 100, "epoch": 1, "loss": 1}, {"epoch": 1, "val_loss": 2}
    )
    assert flat(reader.read()) == [("loss", 100, 1), ("val_loss", 100, 2)]


def test_without_steps_the_epoch_counts_and_without_that_the_record(tmp_path: Path) -> None:
    reader = written(tmp_path / "a.jsonl", {"epoch": 3, "loss": 1}, {"epoch": 4, "loss": 2})
    assert flat(reader.read()) == [("loss", 3, 1), ("loss", 4, 2)]
    reader = written(tmp_path / "b.jsonl", {"loss": 1}, {"loss": 2})
    assert flat(reader.read()) == [("loss", 0, 1), ("loss", 1, 2)]


def test_writers_in_one_file_are_kept_apart(tmp_path: Path) -> None:
    reader = written(
        tmp_path / "log.jsonl",
        {"step": 1, "phase": "train", "loss": 1},
        {"step": 1, "phase": "val", "loss": 2},
        {"step": 1, "rank": 3, "loss": 4},
    )
    assert flat(reader.read()) == [("train/loss", 1, 1), ("val/loss", 1, 2), ("rank 3/loss", 1, 4)]


def test_a_metric_may_be_named_by_a_field(tmp_path: Path) -> None:
    reader = written(tmp_path / "log.jsonl", {"step": 1, "metric": "loss", "value": 0.5})
    assert flat(reader.read()) == [("loss", 1, 0.5)]


def test_nan_infinity_and_null_are_gaps(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step":0,"a":1}\n{"step":1,"a":NaN}\n{"step":2,"a":null,"b":null}\n')
    values = [(name, value) for name, _, value in flat(JsonLinesReader(path).read())]
    assert [name for name, _ in values] == ["a", "a", "a"]
    assert math.isnan(values[1][1])
    assert math.isnan(values[2][1])


def test_times_are_known_by_their_size(tmp_path: Path) -> None:
    reader = written(
        tmp_path / "log.jsonl",
        {"step": 0, "loss": 1, "time": 0.25},
        {"step": 1, "loss": 1, "timestamp": 1.7e9},
        {"step": 2, "loss": 1, "timestamp": 1.7e12},
    )
    points = reader.read()
    assert [one.name for one in points] == ["loss", "time", "loss", "loss"]
    assert [one.seconds for one in points[2:]] == [1.7e9, 1.7e9]


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\x00\x01", b"[1, 2]", b"7", b"{", b"{" * 100_000,
        b'{"step": ' + b"9" * 5_000 + b"}",
        b'{"a": 1' + b"0" * 400 + b"}", b"\0" * 2_000,
        b'{"a": {"b": ' * 2_000 + b"1" + b"}}" * 2_000,
        b'{"step": 1e999, "loss": 1}',
    ],
    ids=range(10),
)  # fmt: skip
def test_a_hostile_line_costs_only_itself(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line + b'\n{"step": 5, "fine": 1}\n')
    names = [point.name for point in JsonLinesReader(path).read() if point.name != "a"]
    assert "fine" in names


def test_a_name_is_made_printable(tmp_path: Path) -> None:
    reader = written(tmp_path / "log.jsonl", {"\x1b[31mred" + "x" * 1_000: 1})
    (point,) = reader.read()
    assert point.name.isprintable()
    assert len(point.name) <= 160


def test_a_line_above_the_limit_is_dropped_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 0, "loss": 1}\n' + b"x" * 9 * 2**20 + b'\n{"step": 1, "loss": 2}\n')
    reader = JsonLinesReader(path)
    points = [point for _ in range(5) for point in reader.read()]
    assert flat(points) == [("loss", 0, 1), ("loss", 1, 2)]


def test_a_sparse_file_of_ten_gigabytes_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with path.open("wb") as file:
        file.write(b'{"step": 0, "loss": 1}\n')
        file.truncate(10 * 2**30)
    reader = JsonLinesReader(path)
    assert reader.read() == []
    assert "10,737,418,240 bytes" in reader.file.fault


def test_a_file_that_disappears_and_comes_back_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    reader = written(path, {"step": 0, "loss": 1})
    reader.read()
    path.unlink()
    assert reader.read() == []
    assert reader.file.fault == "no such file or directory"
    written(path, {"step": 0, "loss": 3})
    assert flat(reader.read()) == [("loss", 0, 3)]
    assert reader.file.fault == ""
