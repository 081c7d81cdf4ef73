"""IDX files, plain and gzipped: sound ones are read, any other gives one `DataError`."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.data.dataset import load_dataset
from mlpwatch.core.data.readers.loaders import read_array_file
from mlpwatch.core.errors import DataError
from tests.support.samples.sample_files import (
    IDX_TYPE_CODES,
    idx_bytes,
    sample_arrays,
    write_idx_folder,
)

IDX = idx_bytes(sample_arrays()["x_train"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "expected"),
        (b"\0\0", "00 00"),
        (b"PK\x03\x04", "an archive in another one"),
        (b"\0\0\x07\x03" + IDX[4:], "starts with bytes 00 00 07 03"),
        (b"\0\0\x08\x00", "rank 0"),
        (b"\0\0\x08\xff" + bytes(1020), "rank 255"),
        (b"\0\0\x08\x03\0\0", "can't be read"),
        (IDX[:-1], "639"),
        (IDX + b"\0", "more"),
        (IDX[:4] + b"\xff" * 12 + IDX[16:], "bytes, the file can hold"),
        (IDX[:4] + b"\0\0\0\0" + IDX[8:], "(0, 4, 4)"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_bad_idx_files_are_refused(
    tmp_path: Path, content: bytes, words: str, packed: bool
) -> None:
    folder = write_idx_folder(tmp_path / "idx", sample_arrays(), packed=packed)
    path = next(folder.glob("train-images*"))
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError) as caught:
        load_dataset(str(folder), 0, "0..1")
    assert words in str(caught.value)
    assert path.name in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:-9],
        lambda packed: packed[:15],
        lambda packed: packed + b"tail",
        lambda packed: packed[:-8] + b"\0\0\0\0" + packed[-4:],
    ],
)
def test_damaged_gzip_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    folder = write_idx_folder(tmp_path / "idx", sample_arrays(), packed=True)
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        DataError, match=r"train-images.*(expected a sound IDX or|expected a whole gzip)"
    ):
        read_array_file(path)


@pytest.mark.parametrize("kind", sorted(IDX_TYPE_CODES))
def test_every_idx_number_type_is_read(tmp_path: Path, kind: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    (tmp_path / "array").write_bytes(idx_bytes(array))
    assert np.array_equal(read_array_file(tmp_path / "array"), array)
