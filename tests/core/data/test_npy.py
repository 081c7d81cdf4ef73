"""Hostile and damaged files: each gives one `DataError`, at no cost in memory, and no trace."""

import os
import random
import struct
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.data.dataset import load_dataset
from mlpwatch.core.data.readers.npy import read_npz
from mlpwatch.core.errors import DataError
from tests.support.samples.sample_files import (
    npy_bytes,
    npy_with_header,
    sample_arrays,
    sample_members,
    write_npz,
    write_zip,
)

LIE = "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 28, 28)}"


def refused(path: Path, *words: str, most_bytes: int = 4_000_000) -> None:
    """Check for one line of error that names the file, within this much memory."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            load_dataset(str(path), 0, "0..1")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.isprintable(), message
    for word in (path.name, "expected", *words):
        assert word in message
    assert peak < most_bytes


def patch_entry(path: Path, name: str, offset: int, value: int) -> None:
    """Overwrite four bytes of a member's entry in the zip's central directory."""
    content = bytearray(path.read_bytes())
    entry = content.rindex(f"{name}.npy".encode()) - 46
    assert content[entry : entry + 4] == b"PK\x01\x02"
    struct.pack_into("<I", content, entry + offset, value)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (LIE, "784,000,000,000,000 bytes"),
        (LIE.replace("(1000000000000, 28, 28)", "(41, 4, 4)"), "656 bytes"),
        (LIE.replace("(1000000000000, 28, 28)", "(1, 4, 4)"), "holds more"),
        (LIE.replace("1000000000000", "-1"), "(-1, 28, 28)"),
        (LIE.replace("1000000000000", "9" * 300), "999"),
        (LIE.replace("1000000000000", "9" * 5000), "can't be read"),
        (LIE.replace("|u1", "|O"), "never unpickled"),
        (LIE.replace("|u1", "|V8"), "integers or floats"),
        (LIE.replace("|u1", "S9999999999"), "can't be read"),
        (LIE.replace("|u1", "<f16"), "64 bits"),
        (LIE.replace("'|u1'", "[('a', '<i4')]"), "integers or floats"),
        (LIE.replace("'|u1'", "()"), "can't be read"),
        (LIE.replace("'|u1'", "{}"), "integers or floats"),
        (LIE.replace("False", "0"), "fortran_order"),
        (LIE.replace("'shape'", "'size'"), "keys"),
        ("__import__('os').system('true')", "can't be read"),
        ("{[]: 1}", "can't be read"),
        ("(" * 900, "can't be read"),
        ("-" * 900 + "1", "can't be read"),
        ("'\\d", "can't be read"),
        ("", "can't be read"),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_lying_npy_header_is_refused_unread(
    tmp_path: Path, header: str, words: str, version: int
) -> None:
    changed = {"x_train": npy_with_header(header, bytes(640), version)}
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        refused(write_zip(tmp_path / "lie.npz", sample_members() | changed, compression), words)


@pytest.mark.parametrize(
    "member",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPX\x01\x00",
        b"\x93NUMPY\x09\x00",
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
        b"\x80\x04N.",
    ],
)
def test_a_broken_npy_start_is_refused(tmp_path: Path, member: bytes) -> None:
    refused(
        write_zip(tmp_path / "start.npz", sample_members() | {"x_train": member}), "can't be read"
    )


def test_a_header_by_python_2_is_read_without_a_warning(tmp_path: Path) -> None:
    header = LIE.replace("1000000000000, 28, 28", "40L, 4L, 4L")
    path = write_zip(
        tmp_path / "old.npz",
        sample_members() | {"x_train": npy_with_header(header, bytes(range(64)) * 10)},
    )
    assert load_dataset(str(path), 0, "0..1").features == 16


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_sizes_that_lie_in_every_place_are_refused(tmp_path: Path, compression: int) -> None:
    """Member header and zip entry promise the same 3 GB; only the bytes in the file are honest."""
    # From Python 3.13 on zipfile itself may refuse the file first: its entries overlap.
    words = "" if sys.version_info >= (3, 13) else "3,136,000,000 bytes, the file can hold"
    header = LIE.replace("1000000000000", "4000000")
    lie = npy_with_header(header, bytes(range(64)) * 10)
    path = write_zip(tmp_path / "agreed.npz", sample_members() | {"x_train": lie}, compression)
    patch_entry(path, "x_train", 24, 4_000_000 * 784 + len(lie) - 640)
    refused(path, words)
    patch_entry(path, "x_train", 20, 2**32 - 2)
    refused(path, words)


def test_a_byte_too_many_is_found_after_a_read_that_ends_where_the_array_does(
    tmp_path: Path,
) -> None:
    header = LIE.replace("1000000000000, 28, 28", "40, 4, 4").ljust(1024 - 640 - 10)
    path = write_zip(
        tmp_path / "tail.npz", sample_members() | {"x_train": npy_with_header(header, bytes(641))}
    )
    refused(path, "640 bytes, it holds more")


def test_padding_that_makes_a_lie_plausible_costs_only_what_is_there(tmp_path: Path) -> None:
    # 3 MB packed could hold 3 GB by deflate's ratio; they hold 3 MB.
    noise = random.Random(1).randbytes(3_000_000)
    lie = npy_with_header(LIE.replace("1000000000000", "3000000"), noise)
    path = write_zip(tmp_path / "padded.npz", sample_members() | {"x_train": lie})
    patch_entry(path, "x_train", 24, 3_000_000 * 784 + len(lie) - len(noise))
    refused(path, most_bytes=4 * len(noise))


def test_honest_content_takes_less_than_twice_its_size(tmp_path: Path) -> None:
    images = np.zeros((20_000, 28, 28), np.uint8)
    path = write_npz(tmp_path / "big.npz", x=images, y=np.arange(20_000) % 2)
    tracemalloc.start()
    read_npz(path, ("x", "y"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * images.nbytes


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "secret.npz", sample_members(), zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.rindex(b"x_train.npy") - 46 + 8] |= 1
    path.write_bytes(content)
    refused(path, "write it unencrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(tmp_path: Path, method: int) -> None:
    refused(write_zip(tmp_path / "other.npz", sample_members(), method), f"zip method {method}")


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "flipped.npz", sample_members(), zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(sample_arrays()["x_train"].tobytes()) + 100] ^= 1
    path.write_bytes(content)
    refused(path, "CRC")


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"text" * 99])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.npz"
    path.write_bytes(content)
    refused(path)


def test_other_names_are_listed(tmp_path: Path) -> None:
    arrays = {"odd\n\x1b[31m": np.zeros(3)} | {f"a{i}": np.zeros(1) for i in range(30)}
    refused(write_npz(tmp_path / "names.npz", **arrays), r"\x1b", "a0", "x_train and y_train")


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"

    class Trap:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return os.mkdir, (str(witness),)

    traps = np.array([Trap()] * 40, dtype=object)
    path = write_zip(tmp_path / "trap.npz", sample_members() | {"x_train": npy_bytes(traps)})
    refused(path, "never unpickled")
    assert not witness.exists()


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    refused(tmp_path / "pipe.npz", "not a regular file")


def test_a_file_without_permission_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_npz(tmp_path / "closed.npz", **sample_arrays())

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Patched, because no mode keeps the root user out.
    monkeypatch.setattr(Path, "open", refuse)
    refused(path, "no permission")
