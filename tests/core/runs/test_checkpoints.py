"""Checkpoints come back to the bit, and a bad file is refused by name."""

import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.core.files import tensor_files
from mlpwatch.core.files import tensor_files as errors
from mlpwatch.core.network.engine import EngineState
from mlpwatch.core.runs.checkpoints import (
    Checkpoint,
    Position,
    checkpoint_path,
    read_checkpoint,
    write_checkpoint,
)
from tests.support.samples.checkpoint_samples import assert_same_checkpoint, sample_checkpoint

VIEWS: tuple[Callable[[Floats], Floats], ...] = (
    lambda a: a,
    lambda a: a.T,
    np.asfortranarray,
    lambda a: a[::2, ::-1],
    lambda a: a[:, 1:],
    lambda a: np.broadcast_to(a[:1], a.shape),
    lambda a: a.astype(a.dtype.newbyteorder(">")),
)


@st.composite
def states(draw: st.DrawFn) -> EngineState:
    dtype = draw(st.sampled_from(["float32", "float64"]))
    elements = st.floats(allow_nan=False, allow_infinity=False, width=32)
    weights: dict[str, Floats] = {}
    slots: dict[str, Floats] = {}
    for k in range(draw(st.integers(1, 3))):
        array = draw(
            hnp.arrays(dtype, draw(hnp.array_shapes(min_dims=2, max_dims=2)), elements=elements)
        )
        weights[f"layers.{k}.weight"] = draw(st.sampled_from(VIEWS))(array)
        weights[f"layers.{k}.bias"] = array[0]
        for slot in draw(st.sampled_from([(), ("momentum",), ("adam_mean", "adam_square")])):
            slots[f"{slot}.layers.{k}.weight"] = -weights[f"layers.{k}.weight"]
            slots[f"{slot}.layers.{k}.bias"] = array[0][::-1]
    return EngineState(weights, slots, draw(st.integers(0, 2**62)))


wholes = st.integers(0, 2**62)
numbers = st.floats(min_value=0, allow_infinity=False)
positions = st.builds(Position, wholes, wholes, wholes, numbers, numbers, numbers)
checkpoints = st.builds(Checkpoint, st.sampled_from(ENGINE_NAMES), states(), positions)


@settings(deadline=None)
@given(checkpoint=checkpoints, seed=wholes)
def test_any_finite_state_comes_back_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, checkpoint: Checkpoint, seed: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    write_checkpoint(path, checkpoint, seed)
    expected = {n: a.shape for n, a in (checkpoint.state.weights | checkpoint.state.slots).items()}
    assert_same_checkpoint(read_checkpoint(path, expected, seed=seed), checkpoint)


def test_a_transposed_array_is_written_as_it_reads(tmp_path: Path) -> None:
    weight = np.arange(6.0).reshape(2, 3).T
    state = EngineState({"layers.0.weight": weight, "layers.0.bias": np.zeros(3)})
    write_checkpoint(tmp_path / "t", Checkpoint("numpy", state, Position()), 0)
    read = read_checkpoint(tmp_path / "t").state.weights["layers.0.weight"]
    assert read.tolist() == [[0, 3], [1, 4], [2, 5]]
    read[0, 0] = 7  # training goes on in it


def test_the_file_is_plain_safetensors_with_one_json_string(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path, "numpy")
    write_checkpoint(path, sample_checkpoint(23), seed=5)
    tensors = safetensors.numpy.load_file(path)
    assert tensors["layers.0.weight"].shape == (4, 6)
    with safetensors.safe_open(path, framework="np") as file:
        assert list(file.metadata()) == ["mlpwatch"]
        fields = json.loads(file.metadata()["mlpwatch"])
    assert fields["random_state"] == {"seed": 5, "epoch": 2, "batch": 3}
    assert (fields["format"], fields["step"], fields["updates"]) == (1, 23, 23)


def test_equal_checkpoints_are_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_checkpoint(tmp_path / name, sample_checkpoint(3), 0)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_every_flipped_bit_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "c"
    # 1e-05 in the metadata: 1E-05 is one bit away, and the same number.
    position = Position(seconds=1e-05)
    write_checkpoint(path, replace(sample_checkpoint(1, (2, 1)), position=position), 0)
    sound = bytearray(path.read_bytes())
    for bit in range(len(sound) * 8):
        sound[bit // 8] ^= 1 << bit % 8
        path.write_bytes(sound)
        sound[bit // 8] ^= 1 << bit % 8
        with pytest.raises(errors.CheckpointError) as caught:
            read_checkpoint(path)
        assert str(caught.value).isprintable(), bit


def test_every_shorter_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "c"
    write_checkpoint(path, sample_checkpoint(1), 0)
    sound = path.read_bytes()
    for length in range(len(sound)):
        path.write_bytes(sound[:length])
        with pytest.raises(errors.TruncatedCheckpointError):
            read_checkpoint(path)


def encoded(tensors: dict[str, Floats] | None = None, **changed: object) -> bytes:
    """A file with a right checksum over fields that may be wrong."""
    fields: dict[str, Any] = {
        "engine": "numpy", "epoch": 0, "batch": 0, "step": 0, "updates": 0, "seconds": 0.0,
        "epoch_loss_sum": None, "epoch_seconds": 0.0, "planned_epochs": 0,
        "random_state": {"seed": 0},
    }  # fmt: skip
    weight = {"layers.0.weight": np.ones((2, 3))}
    return tensor_files.encode(weight if tensors is None else tensors, fields | changed)


def one_tensor(name: str, *values: float) -> bytes:
    return encoded({name: np.array(values)})


def headed(header: bytes, length: int | None = None) -> bytes:
    return (len(header) if length is None else length).to_bytes(8, "little") + header


BAD_FILES: dict[str, tuple[bytes, type[errors.CheckpointError]]] = {
    "a text": (b"These are not the weights.", errors.MalformedCheckpointError),
    "a header of 4 EiB": (headed(b"{}", 2**62), errors.MalformedCheckpointError),
    "a header of 9 MiB": (headed(b"{}", 9 * 2**20), errors.TruncatedCheckpointError),
    "no JSON": (headed(b"{,}"), errors.MalformedCheckpointError),
    "deep JSON": (headed(b"[" * 200_000), errors.MalformedCheckpointError),
    "not UTF-8": (headed(b"\xff\xfe{}"), errors.MalformedCheckpointError),
    "a list": (headed(b"[]"), errors.MalformedCheckpointError),
    "offsets of text": (
        headed(b'{"a":{"data_offsets":["x","y"]}}'), errors.MalformedCheckpointError),
    "a tensor of nothing": (headed(b'{"a":null}'), errors.MalformedCheckpointError),
    "a tensor of 2 EiB": (
        headed(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,2305843009213693952]}}'),
        errors.TruncatedCheckpointError),
    "no metadata": (
        safetensors.numpy.save({"a": np.ones(2)}), errors.ForeignCheckpointError),
    "another's metadata": (
        safetensors.numpy.save({"a": np.ones(2)}, {"format": "pt"}), errors.ForeignCheckpointError),
    "metadata of text": (
        headed(b'{"__metadata__":{"mlpwatch":"yes"}}'), errors.MalformedCheckpointError),
    "no checksum": (
        headed(b'{"__metadata__":{"mlpwatch":"{\\"format\\":1}"}}'), errors.ChecksumMismatchError),
    "a strange dtype": (
        headed(b'{"__metadata__":{"mlpwatch":"{\\"format\\":1}"},'
               b'"a":{"dtype":"F8_E4M3","shape":[0],"data_offsets":[0,0]}}'),
        errors.MalformedCheckpointError),
    "format 2": (
        headed(b'{"__metadata__":{"mlpwatch":"{\\"format\\":2}"}}'), errors.NewerFormatError),
    "more at the end": (encoded() + b"\0", errors.MalformedCheckpointError),
    "no engine": (encoded(engine="jax"), errors.MalformedCheckpointError),
    "a step of -1": (encoded(step=-1), errors.MalformedCheckpointError),
    "a step of True": (encoded(step=True), errors.MalformedCheckpointError),
    "no random state": (encoded(random_state=None), errors.MalformedCheckpointError),
    "seconds of text": (encoded(seconds="1"), errors.MalformedCheckpointError),
    "NaN": (one_tensor("layers.0.bias", 1, math.nan), errors.NonFiniteWeightsError),
    "infinity": (one_tensor("layers.0.bias", math.inf), errors.NonFiniteWeightsError),
    "two precisions": (
        encoded({"layers.0.bias": np.ones(2), "layers.1.bias": np.ones(2, np.float32)}),
        errors.DtypeMismatchError),
    "half precision": (
        encoded({"layers.0.bias": np.ones(2, np.float16)}), errors.DtypeMismatchError),
    "no tensors": (encoded({}), errors.DtypeMismatchError),
    "a slot of no weight": (
        one_tensor("momentum.layers.0.bias", 1, 1), errors.ShapeMismatchError),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_FILES)
def test_each_bad_file_has_its_named_error_in_one_line(tmp_path: Path, kind: str) -> None:
    content, expected = BAD_FILES[kind]
    path = tmp_path / "bad\n\x1b[31m.safetensors"
    path.write_bytes(content)
    with pytest.raises(expected) as caught:
        read_checkpoint(path)
    assert type(caught.value) is expected
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo"):
        with pytest.raises(errors.UnreadableCheckpointError):
            read_checkpoint(path)
    with pytest.raises(errors.MissingCheckpointError):
        read_checkpoint(tmp_path / "absent")


@pytest.mark.parametrize(
    ("changed", "expected", "named"),
    [
        ({"layers.0.weight": (6, 4)}, errors.ShapeMismatchError, "(4, 6), expected (6, 4)"),
        ({"layers.2.bias": (3,)}, errors.ShapeMismatchError, "absent, expected (3,)"),
        ({"momentum.layers.1.bias": None}, errors.ShapeMismatchError, "(3,), expected absent"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(
    tmp_path: Path, changed: dict[str, Any], expected: type[Exception], named: str
) -> None:
    state = sample_checkpoint(1).state
    write_checkpoint(tmp_path / "c", sample_checkpoint(1), 0)
    shapes = {name: array.shape for name, array in (state.weights | state.slots).items()} | changed
    wanted = {name: shape for name, shape in shapes.items() if shape is not None}
    with pytest.raises(expected) as caught:
        read_checkpoint(tmp_path / "c", wanted)
    assert named in str(caught.value)


def test_a_checkpoint_of_another_precision_or_seed_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c", sample_checkpoint(1), seed=4)
    read_checkpoint(tmp_path / "c", dtype="float32", seed=4)
    with pytest.raises(errors.DtypeMismatchError):
        read_checkpoint(tmp_path / "c", dtype="float64")
    with pytest.raises(errors.ForeignCheckpointError, match="seed 4, this one has 5"):
        read_checkpoint(tmp_path / "c", seed=5)


def test_a_diverged_state_does_not_replace_a_sound_one(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path, "numpy")
    write_checkpoint(path, sample_checkpoint(1), 0)
    diverged = sample_checkpoint(2)
    diverged.state.weights["layers.1.bias"][0] = math.nan
    with pytest.raises(errors.NonFiniteWeightsError, match=r"layers\.1\.bias"):
        write_checkpoint(path, diverged, 0)
    assert read_checkpoint(path).position.step == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_loss_sum_that_is_not_finite_comes_back_as_nan(tmp_path: Path) -> None:
    position = Position(epoch_loss_sum=math.inf)
    write_checkpoint(tmp_path / "c", replace(sample_checkpoint(1), position=position), 0)
    assert math.isnan(read_checkpoint(tmp_path / "c").position.epoch_loss_sum)


def test_tensors_come_back_in_the_order_of_the_layers(tmp_path: Path) -> None:
    names = [f"layers.{k}.{kind}" for k in range(12) for kind in ("weight", "bias")]
    state = EngineState({name: np.ones(2, np.float32) for name in names})
    path = checkpoint_path(tmp_path, "numpy")
    write_checkpoint(path, Checkpoint("numpy", state, Position()), seed=0)
    for _ in range(5):  # safetensors has another order each time
        assert list(read_checkpoint(path).state.weights) == names
