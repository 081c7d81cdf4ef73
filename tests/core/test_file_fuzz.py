"""Seeded injuries to small sound files: a `Dataset` or a `DataError` comes out, nothing else."""

import os
import random
import shutil
import zipfile
from pathlib import Path

import pytest

from core.data import Dataset, load_dataset
from core.errors import DataError
from tests.core.sample_files import (
    sample_arrays,
    sample_members,
    write_idx_folder,
    write_zip,
)

MUTATIONS = int(os.environ.get("MLPWATCH_FUZZ", "400"))
"""Per kind of file."""


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Return the content with one to three small injuries."""
    damaged = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(damaged) + 1)
        choice = rng.randrange(8)  # half of them: one flipped bit
        if choice == 0:
            del damaged[at:]
        elif choice == 1:
            damaged[at : at + rng.choice((1, 4, 8))] = rng.randbytes(rng.randint(0, 8))
        elif choice == 2:
            damaged[at : at + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"))
        elif choice == 3:
            damaged[at:at] = damaged[: rng.randint(1, 64)]
        elif at < len(damaged):
            damaged[at] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def outcome(path: Path) -> str:
    """Load, let nothing but `DataError` through, and see that the folder is as it was."""
    before = sorted(path.parent.rglob("*"))
    try:
        result: Dataset | str = load_dataset(str(path), 0, "0..1")
    except DataError as error:
        result = str(error)
    assert isinstance(result, Dataset) or result.isprintable(), result
    assert sorted(path.parent.rglob("*")) == before
    return "loaded" if isinstance(result, Dataset) else "refused"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_mutated_zips_load_or_are_refused(tmp_path: Path, compression: int) -> None:
    sound = write_zip(tmp_path / "fuzz.npz", sample_members(), compression).read_bytes()
    outcomes = set()
    for seed in range(MUTATIONS):
        (tmp_path / "fuzz.npz").write_bytes(mutated(sound, random.Random(seed)))
        outcomes.add(outcome(tmp_path / "fuzz.npz"))
    assert outcomes == {"loaded", "refused"}


def test_mutated_members_of_sound_zips_load_or_are_refused(tmp_path: Path) -> None:
    outcomes = set()
    for seed in range(MUTATIONS):
        rng = random.Random(seed)
        name = rng.choice(sorted(sample_members()))
        changed = sample_members()
        header, content = changed[name][:128], changed[name][128:]
        in_header = rng.random() < 0.7
        changed[name] = (
            mutated(header, rng) + content if in_header else header + mutated(content, rng)
        )
        outcomes.add(outcome(write_zip(tmp_path / "fuzz.npz", changed, zipfile.ZIP_STORED)))
    assert outcomes == {"loaded", "refused"}


@pytest.mark.parametrize("packed", [False, True])
def test_mutated_idx_files_load_or_are_refused(tmp_path: Path, packed: bool) -> None:
    folder = write_idx_folder(tmp_path / "idx", sample_arrays(), packed=packed)
    shutil.copytree(folder, tmp_path / "sound")
    outcomes = set()
    for seed in range(MUTATIONS):
        rng = random.Random(seed)
        path = rng.choice(sorted(folder.iterdir()))
        sound = (tmp_path / "sound" / path.name).read_bytes()
        path.write_bytes(mutated(sound, rng))
        outcomes.add(outcome(folder))
        path.write_bytes(sound)
    assert outcomes == {"loaded", "refused"}
