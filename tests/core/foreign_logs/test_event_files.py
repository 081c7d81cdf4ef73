"""TensorBoard's event files, written by its own writers."""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpwatch.core.errors import InputError
from mlpwatch.core.foreign_logs import event_files
from mlpwatch.core.foreign_logs.event_files import EventFileReader, masked_crc32c
from mlpwatch.core.foreign_logs.source import LogSource
from mlpwatch.core.scalars.store import ScalarStore

pytest.importorskip("tensorboard")


def writer(folder: Path) -> Any:  # noqa: ANN401 - the package has no types
    from torch.utils.tensorboard.writer import FileWriter

    return FileWriter(str(folder))


def scalar(tag: str, value: float) -> Any:  # noqa: ANN401
    from torch.utils.tensorboard import summary

    return summary.scalar(tag, value)


def event_file(folder: Path) -> Path:
    return next(folder.glob("*tfevents*"))


def test_torch_s_scalars_are_read_as_tensorboard_reads_them(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as logged:
        for step in range(50):
            logged.add_scalar("train/loss", 1 / (step + 1), step, walltime=1e9 + step)
        logged.add_scalar("nan", math.nan, 0)
        logged.add_scalar("new style", 0.5, 3, new_style=True)
        logged.add_histogram("weights", np.arange(10.0), 0)
        logged.add_text("note", "hello")
        logged.add_image("digit", np.zeros((1, 4, 4)), 0)
    points = EventFileReader(event_file(tmp_path)).read()
    theirs = EventAccumulator(str(tmp_path)).Reload()
    for name in ("train/loss", "new style"):
        ours = [(p.seconds, p.step, p.value) for p in points if p.name == name]
        events = theirs.Tensors(name) if name == "new style" else theirs.Scalars(name)
        values = [one.value if name == "train/loss" else 0.5 for one in events]
        assert ours == [(e.wall_time, e.step, v) for e, v in zip(events, values, strict=True)]
    assert {p.name for p in points} == {"train/loss", "nan", "new style"}


def test_events_are_read_while_they_are_written_and_half_of_one_waits(tmp_path: Path) -> None:
    logged = writer(tmp_path)
    logged.add_summary(scalar("loss", 1.0), 0)
    logged.flush()
    path = event_file(tmp_path)
    whole = path.read_bytes()
    logged.add_summary(scalar("loss", 2.0), 1)
    logged.close()
    more = path.read_bytes()
    path.write_bytes(whole)
    reader = EventFileReader(path)
    assert [p.value for p in reader.read()] == [1]
    for end in range(len(whole) + 1, len(more)):
        path.write_bytes(more[:end])
        assert reader.read() == []
        assert reader.file.fault == ""
    path.write_bytes(more)
    assert [(p.step, p.value) for p in reader.read()] == [(1, 2)]


def test_a_restart_in_a_new_file_replaces_what_came_after_its_first_step(tmp_path: Path) -> None:
    first = writer(tmp_path)
    for step in range(6):
        first.add_summary(scalar("loss", 1.0), step, walltime=100.0 + step)
    first.close()
    source, store = LogSource(tmp_path), ScalarStore()
    store.add(drained(source))
    (tmp_path / "b").mkdir()
    second = writer(tmp_path / "b")
    for step in (3, 4):
        second.add_summary(scalar("loss", 2.0), step, walltime=200.0 + step)
    second.close()
    event_file(tmp_path / "b").rename(tmp_path / "z.tfevents.2")
    source._next_search = 0
    store.add(drained(source))
    assert store.names() == ("loss",)
    assert store.series("loss").values.tolist() == [1, 1, 1, 2, 2]


def test_two_writers_at_the_same_time_have_a_series_each(tmp_path: Path) -> None:
    for number in range(2):
        logged = writer(tmp_path / str(number))
        for step in range(4):
            logged.add_summary(scalar("loss", float(number)), step, walltime=100.0 + step)
        logged.close()
        event_file(tmp_path / str(number)).rename(tmp_path / f"events.out.tfevents.{number}")
    store = ScalarStore()
    store.add(drained(LogSource(tmp_path)))
    assert store.names() == ("loss", "loss (2)")
    assert store.series("loss (2)").values.tolist() == [1, 1, 1, 1]


def test_runs_in_subfolders_begin_their_names(tmp_path: Path) -> None:
    for part in ("train", "validation"):
        logged = writer(tmp_path / part)
        logged.add_summary(scalar("epoch_loss", 1.0), 0)
        logged.close()
    source = LogSource(tmp_path)
    assert {p.name for p in drained(source)} == {"train/epoch_loss", "validation/epoch_loss"}
    assert source.prefixes == ("train", "validation")


def drained(source: LogSource) -> Iterator[Any]:
    while points := source.read():
        yield from points


def record(data: bytes, length: int | None = None) -> bytes:
    head = struct.pack("<Q", len(data) if length is None else length)
    return head + struct.pack("<I", masked_crc32c(head)) + data + b"\0" * 4


@pytest.mark.parametrize(
    "damage",
    [
        b"\0" * 100_000,
        b"\xff" * 40,
        record(b"", length=2**60),
        record(b"\xff" * 30),
        b"no events" * 9,
    ],
    ids=["zeros", "ones", "length", "no event", "text"],
)
def test_a_damaged_file_is_read_up_to_the_damage(tmp_path: Path, damage: bytes) -> None:
    logged = writer(tmp_path)
    logged.add_summary(scalar("loss", 1.0), 0)
    logged.close()
    path = event_file(tmp_path)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(damage)
    reader = EventFileReader(path)
    assert [p.value for p in reader.read()] == [1]
    assert reader.read() == []
    assert reader.file.fault == f"damaged at byte {size:,}, read up to there"


def test_a_sparse_file_of_ten_gigabytes_is_given_up_at_once(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)
    reader = EventFileReader(path)
    assert reader.read() == []
    assert reader.file.fault == event_files.NO_EVENTS


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\0" * 5_000, "a file of zeros"),
        (b"\xff" * 40, "a binary file"),
        (b'{"step": 1, "loss": 2}\n', """a file that begins with '{"step": 1, "loss": 2}'"""),
        (b"<html>\nNot found", "a file that begins with '<html>'"),
    ],
    ids=["zeros", "ones", "JSON", "text"],
)
def test_what_is_no_event_file_is_refused_by_what_was_found(
    tmp_path: Path, content: bytes, found: str
) -> None:
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(content)
    for asked in (path, tmp_path):
        with pytest.raises(InputError) as caught:
            LogSource(asked)
        text = f"{path}: {found}, not an event file as its name says; mlpwatch reads TensorBoard"
        assert text in str(caught.value)
        assert str(caught.value).isprintable()
    # Beside a log that can be read it is left out, or named.
    (tmp_path / "metrics.csv").write_text("step,loss\n1,2\n")
    assert LogSource(tmp_path).format == "CSV"
    logged = writer(tmp_path / "b")
    logged.add_summary(scalar("loss", 1.0), 0)
    logged.close()
    source = LogSource(tmp_path)
    assert [(p.name, p.value) for p in drained(source)] == [("b/loss", 1)]
    assert source.fault == f"events.out.tfevents.1: {event_files.NO_EVENTS}"


def test_each_beginning_of_an_event_file_waits(tmp_path: Path) -> None:
    logged = writer(tmp_path / "whole")
    logged.add_summary(scalar("loss", 1.0), 0)
    logged.close()
    whole = event_file(tmp_path / "whole").read_bytes()
    path = tmp_path / "events.out.tfevents.1"
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        source = LogSource(path)
        assert (source.read(), source.fault) == ([], ""), end
    path.write_bytes(whole)
    assert [p.value for p in source.read()] == [1]


def test_a_record_of_megabytes_is_stepped_over(tmp_path: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event

    big = Event(step=1, graph_def=b"x" * 3 * 2**20).SerializeToString()
    small = Event(step=2, summary=scalar("loss", 1.0)).SerializeToString()
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(record(big) + record(small))
    reader = EventFileReader(path)
    points = [point for _ in range(3) for point in reader.read()]
    assert [(p.step, p.value) for p in points] == [(2, 1)]


def test_the_checksum_is_tensorboard_s() -> None:
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c as theirs

    for data in (b"", b"\0" * 8, b"abc", bytes(range(256))):
        assert masked_crc32c(data) == theirs(data)


def test_without_the_package_one_line_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = writer(tmp_path)
    logged.close()
    event_files.event_package.cache_clear()
    for name in ("tensorboard.compat.proto.event_pb2", "tensorboardX.proto.event_pb2"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(InputError, match=r"pip install 'mlpwatch\[tensorboard\]'"):
        LogSource(tmp_path)
    event_files.event_package.cache_clear()
