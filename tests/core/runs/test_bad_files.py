"""Each way in which a run's file can be bad: named, or repaired with a word, and nothing is lost.

The newest checkpoint is bad, then the one before it as well; `left_alone` sees that no reader
changes a byte of either.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import RunError
from mlpwatch.core.files import tensor_files
from mlpwatch.core.files import tensor_files as errors
from mlpwatch.core.runs.checkpoints import checkpoint_path, previous_path
from mlpwatch.core.runs.manifest import DatasetInfo
from mlpwatch.core.runs.run import Run
from tests.support.faults.run_losses import left_alone
from tests.support.samples.checkpoint_samples import SIZES, sample_checkpoint

CONFIG = RunConfig(hidden=(4,), optimizer="momentum")
CARD = DatasetInfo("six", "0" * 64, (2, 3), 3)
NEWEST, BEFORE = 25, 13

Damage = Callable[[bytes], bytes]
"""Makes a bad file of a sound one."""


def rewritten(**changed: object) -> Damage:
    """Return what puts other values into a file, under a right checksum.

    Args:
        changed: `dtype` or `shape` of every tensor, or `fill`, a value in one of them.
    """

    def rewrite(sound: bytes) -> bytes:
        tensors = {name: np.array(array) for name, array in safetensors.numpy.load(sound).items()}
        length = int.from_bytes(sound[:8], "little")
        text = json.loads(sound[8 : 8 + length])["__metadata__"][tensor_files.METADATA_KEY]
        fields = {k: v for k, v in json.loads(text).items() if k not in ("format", "checksum")}
        if "dtype" in changed:
            tensors = {name: array.astype(str(changed["dtype"])) for name, array in tensors.items()}
        if "transposed" in changed:
            tensors = {name: array.T for name, array in tensors.items()}
        if "fill" in changed:
            tensors["layers.1.bias"][0] = changed["fill"]
        return tensor_files.encode(tensors, fields | {"step": NEWEST})

    return rewrite


def flip_a_bit(sound: bytes) -> bytes:
    """Flip one bit of the last weight."""
    return sound[:-1] + bytes([sound[-1] ^ 1])


BAD_CHECKPOINTS: dict[str, tuple[Damage, type[errors.CheckpointError], str]] = {
    "truncated": (lambda sound: sound[:-9], errors.TruncatedCheckpointError, "truncated, "),
    "zero-length": (lambda _sound: b"", errors.TruncatedCheckpointError, "0 bytes of 8"),
    "bit-flipped": (flip_a_bit, errors.ChecksumMismatchError, "damaged, its checksum differs"),
    "wrong shape": (
        rewritten(transposed=True), errors.ShapeMismatchError, "(6, 4), expected (4, 6)"),
    "wrong dtype": (
        rewritten(dtype="float64"), errors.DtypeMismatchError, "float64, expected float32"),
    "NaN-holding": (
        rewritten(fill=math.nan), errors.NonFiniteWeightsError, "'layers.1.bias' holds NaN"),
    "foreign": (
        lambda _sound: safetensors.numpy.save({"a": np.ones(3)}, {"format": "pt"}),
        errors.ForeignCheckpointError, "not of mlpwatch"),
    "no safetensors": (
        lambda _sound: b"PK\x03\x04 or any other file", errors.MalformedCheckpointError, "not a"),
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Saved twice."""
    run = Run.create(tmp_path, "demo", CONFIG, CARD)
    for step in (BEFORE, NEWEST):
        run.write_checkpoint(sample_checkpoint(step, SIZES))
    return run


@pytest.mark.parametrize("kind", BAD_CHECKPOINTS)
def test_a_bad_checkpoint_gives_way_to_the_one_before_or_is_refused_by_name(
    run: Run, kind: str
) -> None:
    damage, error, fault = BAD_CHECKPOINTS[kind]
    newest = checkpoint_path(run.path, "numpy")
    newest.write_bytes(damage(newest.read_bytes()))
    with left_alone(run.path):
        latest = run.read_latest("numpy")
    assert latest is not None
    assert (latest.checkpoint.position.step, latest.path) == (BEFORE, previous_path(newest))
    assert fault in latest.note
    assert latest.note.endswith(f"; going on from the one before, step {BEFORE}")
    before = previous_path(newest)
    before.write_bytes(damage(before.read_bytes()))
    with left_alone(run.path), pytest.raises(error) as caught:
        run.read_latest("numpy")
    assert "start a new run" in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("kind", BAD_CHECKPOINTS)
def test_going_on_from_the_one_before_keeps_it_until_the_next_is_whole(run: Run, kind: str) -> None:
    damage, _, _ = BAD_CHECKPOINTS[kind]
    newest = checkpoint_path(run.path, "numpy")
    newest.write_bytes(damage(newest.read_bytes()))
    run.write_checkpoint(sample_checkpoint(31, SIZES))
    latest = run.read_latest("numpy")
    assert latest is not None
    assert (latest.checkpoint.position.step, latest.note) == (31, "")
    newest.write_bytes(b"")
    fallback = run.read_latest("numpy")
    assert fallback is not None
    assert fallback.checkpoint.position.step == BEFORE


def test_a_config_from_a_newer_version_is_refused_by_name(run: Run) -> None:
    card = run.path / "config.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "format": 99}))
    with left_alone(run.path), pytest.raises(RunError, match=r"format 99.*update mlpwatch"):
        Run.open(run.path.parent, "demo")
