"""The checkpoint before the newest is kept, and read when the newest is damaged."""

import re
from pathlib import Path

import pytest

from mlpwatch.core.files import tensor_files as errors
from mlpwatch.core.runs.checkpoints import (
    checkpoint_path,
    previous_path,
    read_checkpoint,
    read_latest,
    write_checkpoint,
)
from tests.support.samples.checkpoint_samples import sample_checkpoint


def test_the_one_before_is_kept_and_read_when_the_newest_is_bad(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path, "numpy")
    assert read_latest(tmp_path, "numpy") is None
    for step in (1, 2, 3):
        write_checkpoint(path, sample_checkpoint(step), 0)
    newest = read_latest(tmp_path, "numpy")
    assert newest is not None
    assert (newest.checkpoint.position.step, newest.path, newest.note) == (3, path, "")
    path.write_bytes(path.read_bytes()[:-1])
    before = read_latest(tmp_path, "numpy")
    assert before is not None
    assert (before.checkpoint.position.step, before.path) == (2, previous_path(path))
    assert re.fullmatch(
        r".*numpy.safetensors: truncated, .*; going on from the one before, step 2", before.note
    )


def test_a_damaged_newest_never_pushes_out_the_whole_one_before(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path, "numpy")
    for step in (1, 2):
        write_checkpoint(path, sample_checkpoint(step), 0)
    path.write_bytes(b"")
    write_checkpoint(path, sample_checkpoint(3), 0)
    assert read_checkpoint(previous_path(path)).position.step == 1


def test_with_none_whole_the_error_names_both(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path, "numpy")
    path.write_bytes(b"")
    with pytest.raises(errors.TruncatedCheckpointError):
        read_latest(tmp_path, "numpy")
    previous_path(path).write_bytes(b"text that is no checkpoint")
    with pytest.raises(
        errors.TruncatedCheckpointError, match=r"truncated.*, and the one before, .*not a safe"
    ):
        read_latest(tmp_path, "numpy")
