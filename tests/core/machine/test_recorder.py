"""The file of figures: written, thinned, continued, read; and when there is none."""

import sys
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

import mlpwatch
from mlpwatch.core.files.durable import OpenFolder
from mlpwatch.core.machine import recorder as recorder_module
from mlpwatch.core.machine.recorder import MachineRecorder
from mlpwatch.core.machine.samples import Sample, parse_sample
from mlpwatch.core.machine.source import MachineSource, why_no_figures
from mlpwatch.core.runs.layout import MACHINE_NAME
from mlpwatch.core.scalars.store import ScalarStore
from tests.support.waiting import wait_until


def samples_in(folder: Path) -> list[Sample]:
    """Return the samples of a folder; none before the first write."""
    if not (path := folder / MACHINE_NAME).exists():
        return []
    found = [parse_sample(one) for one in path.read_bytes().splitlines()]
    assert None not in found
    return [one for one in found if one]


def has_more_than(folder: Path, samples: int) -> bool:
    return len(samples_in(folder)) > samples


def recorder_in(folder: Path) -> MachineRecorder:
    opened = OpenFolder(folder)
    return MachineRecorder(folder, lambda: opened, sample_seconds=0.005)


@pytest.fixture
def writes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "WRITE_SECONDS", 0.0)


@pytest.mark.usefixtures("writes_at_once")
def test_samples_are_written_and_continued(tmp_path: Path) -> None:
    for sessions in (1, 2):
        recorder = recorder_in(tmp_path)
        recorder.start()
        wait_until(partial(has_more_than, tmp_path, len(samples_in(tmp_path)) + 5))
        recorder.close()
        seconds = [one.seconds for one in samples_in(tmp_path)]
        assert seconds == sorted(set(seconds)), f"session {sessions}"
    store, source = ScalarStore(), MachineSource(tmp_path)
    store.add(source.read())
    assert store.series("process/CPU %").steps.tolist() == seconds
    assert source.prefixes == ("machine", "process")
    assert source.ended
    assert source.written_at == samples_in(tmp_path)[-1].time


@pytest.mark.usefixtures("writes_at_once")
def test_a_long_run_is_thinned_and_followed_through_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "MOST_SAMPLES", 8)
    recorder = recorder_in(tmp_path)
    recorder.start()
    store, source, largest = ScalarStore(), MachineSource(tmp_path), 0

    def has_been_thinned_twice() -> bool:
        nonlocal largest
        store.add(source.read())
        largest = max(largest, len(samples_in(tmp_path)))
        return (found := samples_in(tmp_path)) != [] and found[-1].seconds > 0.15

    wait_until(has_been_thinned_twice)
    recorder.close()
    assert largest <= 8
    store.add(source.read())
    kept = samples_in(tmp_path)
    assert store.series("machine/CPU %").steps.tolist() == [one.seconds for one in kept]
    gaps = [b.seconds - a.seconds for a, b in pairwise(kept)]
    assert min(gaps) > 0.01


def test_nothing_is_raised_or_written_without_psutil(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    recorder = recorder_in(tmp_path)
    recorder.start()
    recorder.close()
    assert not (tmp_path / MACHINE_NAME).exists()
    assert why_no_figures(tmp_path).endswith("pip install 'mlpwatch[machine]'")
    monkeypatch.undo()
    assert why_no_figures(tmp_path).startswith("no CPU, memory and GPU figures")


def test_a_disk_that_fails_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / MACHINE_NAME).mkdir()
    recorder = recorder_in(tmp_path)
    recorder.start()
    wait_until(lambda: bool(recorder._pending))
    recorder.close()
    assert (tmp_path / MACHINE_NAME).is_dir()


@pytest.mark.parametrize(
    "line",
    [
        b"{", b"[]", b'{"time":1,"values":{}}', b'{"seconds":1,"time":1,"values":3}',
        b'{"seconds":-1,"time":1,"values":{}}', b'{"seconds":1e99,"time":1,"values":{}}',
        b'{"seconds":1,"time":1,"values":{"a":"x"}}',
    ],
)  # fmt: skip
def test_damaged_lines_are_left_out(tmp_path: Path, line: bytes) -> None:
    good = Sample(1.5, 1e9, {"process/CPU %": 50.0}).encoded().encode()
    (tmp_path / MACHINE_NAME).write_bytes(line + b"\n" + good + b"\n")
    (point,) = MachineSource(tmp_path).read()
    assert point == ("process/CPU %", 1.5, 50.0, 1e9)


def test_a_watched_loop_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "WRITE_SECONDS", 0.0)
    monkeypatch.setattr(MachineRecorder.__init__, "__defaults__", (0.005,))
    with mlpwatch.watch("loop", saved=tmp_path) as run:
        run.log(loss=1.0)
        wait_until(lambda: bool(samples_in(tmp_path / "loop")))
        assert not MachineSource(tmp_path / "loop").ended
    assert MachineSource(tmp_path / "loop").ended


def test_a_short_run_asks_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(recorder_module, "MachineFigures", lambda: asked.append("figures"))
    one = MachineRecorder(tmp_path, lambda: None, sample_seconds=60.0)
    one.start()
    one.close(10.0)
    assert asked == []
