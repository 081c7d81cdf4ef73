"""Past epochs in a run's folder: which are kept, and that they are whole."""

import errno
import json
from itertools import pairwise
from pathlib import Path

import pytest

from mlpwatch.core.config import ENGINE_NAMES, EngineName, RunConfig
from mlpwatch.core.errors import ConfigError, RunError
from mlpwatch.core.files.tensor_files import ChecksumMismatchError
from mlpwatch.core.network.build import initial_weights, layer_sizes
from mlpwatch.core.network.engine import EngineState
from mlpwatch.core.runs.changes import delete_run, measure_run, rename_run
from mlpwatch.core.runs.checkpoints import Checkpoint, Position
from mlpwatch.core.runs.history import thinned
from mlpwatch.core.runs.layout import past_name
from mlpwatch.core.runs.manifest import DatasetInfo
from mlpwatch.core.runs.run import Run
from tests.support.samples.checkpoint_samples import assert_same_checkpoint

CONFIG = RunConfig(hidden=(3,))
DATA = DatasetInfo("tiny", "0" * 64, (2, 2), 2)


def past(engine: EngineName, epoch: int) -> Checkpoint:
    weights = initial_weights(layer_sizes(4, CONFIG.hidden, 2), RunConfig(hidden=(3,), seed=epoch))
    position = Position(epoch=epoch, step=10 * epoch, planned_epochs=20)
    return Checkpoint(engine, EngineState(weights, {}, 10 * epoch), position)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, "run", CONFIG, DATA)


def keep(run: Run, *epochs: int) -> None:
    for epoch in epochs:
        for engine in ENGINE_NAMES:
            run.write_past(past(engine, epoch))


def test_all_of_the_newest_stay_and_older_ones_ever_sparser() -> None:
    kept: list[int] = []
    for epoch in range(1001):
        kept = thinned([*kept, epoch], 40)
        assert len(kept) == min(40, epoch + 1)
        assert kept[0] == 0
        newest = range(max(0, epoch - 19), epoch + 1)
        assert set(newest) <= set(kept)
    older = kept[1:20]
    gaps = [b - a for a, b in pairwise(older)]
    # Three halves of the age at most between two neighbours, and no hole near the present.
    for epoch, gap in zip(older, gaps, strict=False):
        assert gap <= 0.5 * (1000 - epoch) + 2
    assert sum(gaps[:5]) > 4 * sum(gaps[-5:])


def test_thinning_is_a_rule_and_takes_any_set() -> None:
    epochs = [0, 1, 2, 4, 8, 16, 17, 18, 40, 41, 42, 43]
    assert thinned(epochs, 8) == thinned(reversed(epochs), 8)  # type: ignore[arg-type]
    assert thinned(epochs, 12) == epochs
    assert thinned(epochs, 1) == [43]
    assert thinned(epochs, 0) == []
    assert thinned(epochs, 2) == [0, 43]


def test_what_is_kept_is_read_back_and_listed(run: Run) -> None:
    keep(run, 0, 3)
    run.write_past(past("numpy", 4))
    assert run.history.kept() == {"numpy": [0, 3, 4], "torch": [0, 3]}
    assert run.history.epochs(ENGINE_NAMES) == [0, 3]
    assert run.history.epochs(["numpy"]) == [0, 3, 4]
    assert_same_checkpoint(run.read_past("torch", 3), past("torch", 3))
    run.history.write_index(10)
    index = json.loads((run.path / "history" / "index.json").read_text())
    assert index["epochs"][1:] == [
        {"epoch": 3, "step": 30, "engines": ["numpy", "torch"]},
        {"epoch": 4, "step": 40, "engines": ["numpy"]},
    ]


def test_a_flipped_bit_is_refused(run: Run) -> None:
    keep(run, 1)
    path = run.history.path / past_name("numpy", 1)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(ChecksumMismatchError):
        run.read_past("numpy", 1)


def test_a_writer_that_was_killed_leaves_nothing_but_whole_epochs(run: Run) -> None:
    keep(run, 1)
    left = run.history.path / ".numpy.2.safetensors.0123abcd.tmp"
    left.write_bytes(b"half")
    theirs = run.history.path / ".notes.tmp"
    theirs.write_bytes(b"")
    assert run.history.kept()["numpy"] == [1]
    run.acquire()
    assert not left.exists()
    assert theirs.exists()
    run.release()


def test_a_full_disk_leaves_the_history_as_it_was(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(run, 1)
    before = sorted(run.history.path.iterdir())

    def fail(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        run.write_past(past("numpy", 2))
    assert sorted(run.history.path.iterdir()) == before


def test_the_history_goes_with_the_run(run: Run) -> None:
    keep(run, 1, 2)
    saved = run.path.parent
    sizes = [file.stat().st_size for file in run.path.rglob("*") if file.is_file()]
    contents = measure_run(saved, "run")
    assert (contents.files, contents.size) == (5, sum(sizes))
    rename_run(saved, "run", "other")
    assert Run.open(saved, "other").history.epochs(ENGINE_NAMES) == [1, 2]
    (saved / "other" / "history" / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match=r"a file, 'history/thesis.txt', that mlpwatch did not make"):
        delete_run(saved, "other")
    (saved / "other" / "history" / "thesis.txt").unlink()
    delete_run(saved, "other")
    assert list(saved.iterdir()) == []


def test_a_history_that_is_a_link_is_not_written_into(run: Run, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run.history.path.symlink_to(elsewhere)
    run.acquire()
    with pytest.raises(OSError, match=r"."):
        run.write_past(past("numpy", 1))
    run.release()
    assert list(elsewhere.iterdir()) == []


def test_its_size_is_a_whole_number_of_megabytes() -> None:
    with pytest.raises(ConfigError, match="history -1: expected a whole number from 0 to"):
        RunConfig(history=-1)
