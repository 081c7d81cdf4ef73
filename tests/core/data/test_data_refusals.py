"""Data that can't be trained on: each source gives one line that says what to do."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpwatch.core.data.dataset import Dataset, load_dataset
from mlpwatch.core.data.registry import check_source
from mlpwatch.core.errors import DataError
from tests.support.samples.sample_files import sample_arrays, write_idx_folder, write_npz


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPWATCH_CACHE", str(tmp_path / "cache"))


def save_pair(path: Path, images: NDArray[Any], labels: NDArray[Any]) -> str:
    return str(write_npz(path / "pair.npz", x=images, y=labels))


def some_images(count: int = 40) -> NDArray[np.uint8]:
    return sample_arrays(count)["x_train"]


def refused(data: str, *words: str) -> None:
    """Check that `data` gives one line of error with these words in it."""
    with pytest.raises(DataError) as caught:
        load_dataset(data, 0, "0..1")
    message = str(caught.value)
    assert message.isprintable(), message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("mnist", "mlpwatch data fetch mnist"),
        ("none.npz", "no such file"),
        ("two\nlines\x1b[31m.npz", r"two\nlines\x1b"),
        ("nul\0.npz", r"nul\x00.npz"),
        ("", "train-images"),
        ("x" * 5000, "too long"),
        ("bad\udcff.npz", r"bad\udcff"),
    ],
)
def test_a_missing_source_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for check in (check_source, lambda source: load_dataset(source, 0, "0..1")):
        with pytest.raises(DataError) as caught:
            check(data)
        assert str(caught.value).isprintable()
        assert words in str(caught.value)


@pytest.mark.parametrize("missing", ["x_train", "y_train", "x_test", "y_test"])
def test_half_an_idx_pair_is_refused(tmp_path: Path, missing: str) -> None:
    arrays = sample_arrays()
    del arrays[missing]
    folder = str(write_idx_folder(tmp_path / "idx", arrays))
    with pytest.raises(DataError, match=r"the (images|labels) of .* are missing"):
        check_source(folder)


def test_a_folder_without_idx_files_is_refused(tmp_path: Path) -> None:
    refused(str(tmp_path), "train-images-idx3-ubyte")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x_train": np.zeros((40, 4, 5), np.uint8)}, ["x_train", "(40, 4, 5)", "square"]),
        ({"x_train": np.zeros((40, 15), np.uint8)}, ["(40, 15)", "square"]),
        ({"x_train": np.arange(1920).reshape(40, 4, 4, 3)}, ["(40, 4, 4, 3)", "colour", "grey"]),
        ({"x_train": np.zeros(40, np.uint8)}, ["(40,)"]),
        ({"x_train": np.zeros((), np.uint8)}, ["()"]),
        ({"x_train": np.zeros((0, 4, 4), np.uint8)}, ["(0, 4, 4)", "at least one"]),
        ({"x_train": np.zeros((40, 4, 4), bool)}, ["every pixel", "is 0"]),
        ({"x_train": np.full((40, 4, 4), 9, np.uint8)}, ["every pixel", "is 9"]),
        ({"x_train": np.zeros((40, 4, 4), complex)}, ["complex128"]),
        ({"x_train": np.full((40, 4, 4), "a")}, ["dtype <U1"]),
        ({"x_train": np.array([None] * 40)}, ["objects", "never unpickled"]),
        ({"x_train": np.full((40, 4, 4), np.nan)}, ["NaN"]),
        ({"x_train": np.full((40, 4, 4), np.inf)}, ["infinity"]),
        ({"x_train": np.zeros((39, 4, 4), np.uint8)}, ["39 images", "40 labels"]),
        ({"x_test": np.zeros((10, 3, 3), np.uint8)}, ["3x3", "4x4"]),
        ({"x_test": np.zeros((10, 4, 4))}, ["float64", "uint8"]),
        ({"y_train": np.zeros(40, np.uint8)}, ["two classes"]),
        ({"y_train": np.arange(40) - 1}, ["from -1 to 38"]),
        ({"y_train": np.arange(40) + 30}, ["from 30 to 69", "0 to 61"]),
        ({"y_train": np.full(40, 2**64 - 1, np.uint64)}, [str(2**64 - 1)]),
        ({"y_train": np.arange(40) / 2}, ["float64", "integer"]),
        ({"y_train": np.eye(40, 3, dtype=np.uint8)}, ["(40, 3)", "one-hot"]),
        ({"y_train": np.array(3)}, ["shape ()"]),
    ],
)
def test_unfit_arrays_are_refused_by_name(
    tmp_path: Path, change: dict[str, NDArray[Any]], words: list[str]
) -> None:
    path = write_npz(tmp_path / "unfit.npz", **(sample_arrays() | change))
    refused(str(path), "unfit.npz", "expected", *words)


@pytest.mark.parametrize(
    "images", [np.full((40, 1), -1.0), np.full((40, 1), 256.0), np.full((40, 1), -1)]
)
def test_pixels_out_of_range_are_refused(tmp_path: Path, images: NDArray[Any]) -> None:
    refused(save_pair(tmp_path, images, np.arange(40) % 2), "pixels from", "0 to 255")


def test_too_few_images_for_three_parts_are_refused(tmp_path: Path) -> None:
    refused(save_pair(tmp_path, some_images(2), np.arange(2)), "2 training images", "at least 3")
    data = load_dataset(save_pair(tmp_path, some_images(3), np.arange(3)), 0, "0..1")
    assert isinstance(data, Dataset)


def test_more_than_the_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save_pair(tmp_path, some_images(), np.arange(40) % 2)
    monkeypatch.setattr(os, "sysconf", lambda _: 50)
    refused(source, "GB of memory")
