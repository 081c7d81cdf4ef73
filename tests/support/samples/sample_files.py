"""Small sound data files, for tests to read and to break."""

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

IDX_TYPE_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def sample_arrays(train: int = 40, test: int = 10, side: int = 4) -> dict[str, NDArray[Any]]:
    """Return Keras' four arrays: uint8 images (n, side, side), labels of 3 classes in turn."""
    random = np.random.default_rng(7)
    return {
        "x_train": random.integers(0, 256, (train, side, side), np.uint8),
        "y_train": (np.arange(train) % 3).astype(np.uint8),
        "x_test": random.integers(0, 256, (test, side, side), np.uint8),
        "y_test": (np.arange(test) % 3).astype(np.uint8),
    }


def write_npz(path: Path, **arrays: NDArray[Any]) -> Path:
    """Write arrays with NumPy's own writer."""
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def npy_bytes(array: NDArray[Any]) -> bytes:
    """Return one `.npy` member."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def sample_members() -> dict[str, bytes]:
    """Return the sample arrays as `.npy` members."""
    return {name: npy_bytes(array) for name, array in sample_arrays().items()}


def npy_with_header(header: str, content: bytes = b"", version: int = 1) -> bytes:
    """Return a `.npy` member whose header is this text."""
    text = header.encode("latin1")
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + content


def write_zip(
    path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED
) -> Path:
    """Write members, named without `.npy`, under the names that NumPy gives them."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def idx_bytes(array: NDArray[Any]) -> bytes:
    """Return an array as an IDX file."""
    code = IDX_TYPE_CODES[array.dtype.str[1:]]
    start = bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return start + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_idx_folder(
    folder: Path, arrays: dict[str, NDArray[Any]], dot: bool = False, packed: bool = False
) -> Path:
    """Write the arrays that are there under the names that MNIST was published under."""
    folder.mkdir()
    names = {
        "x_train": "train-images-idx3-ubyte",
        "y_train": "train-labels-idx1-ubyte",
        "x_test": "t10k-images-idx3-ubyte",
        "y_test": "t10k-labels-idx1-ubyte",
    }
    for key, array in arrays.items():
        name = names[key].replace("-idx", ".idx") if dot else names[key]
        content = idx_bytes(array)
        path = folder / (name + ".gz" if packed else name)
        path.write_bytes(gzip.compress(content) if packed else content)
    return folder
