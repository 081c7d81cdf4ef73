"""Seeded injuries to small sound files: a `Dataset` or a `DataError`, soon, in little memory.

MLPWATCH_FUZZ=20000 for as many inputs per kind of file as the release was tried with.
"""

import os
import random
import shutil
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import pytest

from mlpwatch.core.data.dataset import Dataset, load_dataset
from mlpwatch.core.errors import DataError
from tests.support.faults.run_losses import Loss, check
from tests.support.samples.sample_files import (
    sample_arrays,
    sample_members,
    write_idx_folder,
    write_zip,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("traced")]

MUTATIONS = int(os.environ.get("MLPWATCH_FUZZ", "400"))
"""Per kind of file."""

LONGEST_SECONDS = 5.0
"""Of processor time, for one input of a few kB: other programs may have the cores meanwhile."""

SLACK_BYTES = 256 * 1024
"""Python's own: error messages, regular expressions, caches that grow at first use."""


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


@pytest.fixture
def traced() -> Iterator[None]:
    """Count what Python and NumPy hold."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


class Loader:
    """Loads a damaged file, or folder of files, again and again.

    Args:
        path: holds the sound one; its peak of memory is the measure of all others'.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.outcomes: set[str] = set()
        self.files = 0
        # Twice: what the first reading imports and caches is nobody's fault.
        self.honest = [self._load() for _ in range(2)][-1]

    def load(self, seed: int) -> None:
        """Load, let nothing but `DataError` through, and see that no file has changed."""
        before, began = self._contents(), process_time()
        peak = self._load()
        assert process_time() - began < LONGEST_SECONDS, f"seed {seed}"
        if peak > 2 * self.honest + SLACK_BYTES:
            peak = self._load()  # a table of Python's own that has just grown does so once
        assert peak <= 2 * self.honest + SLACK_BYTES, f"seed {seed}: {peak:,} bytes"
        assert self._contents() == before, f"seed {seed}"
        self.files += len(before)

    def finish(self) -> None:
        """See that some inputs were loaded and some refused; note that no file was lost."""
        assert self.outcomes == {"loaded", "refused"}
        check(Loss(self.files, (), 0))

    def _load(self) -> int:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        try:
            result: Dataset | str = load_dataset(str(self._path), 0, "0..1")
        except DataError as error:
            result = str(error)
        peak = tracemalloc.get_traced_memory()[1] - before
        assert isinstance(result, Dataset) or result.isprintable(), result
        self.outcomes.add("loaded" if isinstance(result, Dataset) else "refused")
        return peak

    def _contents(self) -> dict[Path, bytes]:
        files = (path for path in self._path.parent.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_mutated_zips_load_or_are_refused(tmp_path: Path, compression: int) -> None:
    sound = write_zip(tmp_path / "fuzz.npz", sample_members(), compression).read_bytes()
    loader = Loader(tmp_path / "fuzz.npz")
    for seed in range(MUTATIONS):
        (tmp_path / "fuzz.npz").write_bytes(mutated(sound, random.Random(seed)))
        loader.load(seed)
    loader.finish()


def test_mutated_members_of_sound_zips_load_or_are_refused(tmp_path: Path) -> None:
    loader = Loader(write_zip(tmp_path / "fuzz.npz", sample_members(), zipfile.ZIP_STORED))
    for seed in range(MUTATIONS):
        rng = random.Random(seed)
        name = rng.choice(sorted(sample_members()))
        changed = sample_members()
        header, content = changed[name][:128], changed[name][128:]
        in_header = rng.random() < 0.7
        changed[name] = (
            mutated(header, rng) + content if in_header else header + mutated(content, rng)
        )
        write_zip(tmp_path / "fuzz.npz", changed, zipfile.ZIP_STORED)
        loader.load(seed)
    loader.finish()


@pytest.mark.parametrize("packed", [False, True])
def test_mutated_idx_files_load_or_are_refused(tmp_path: Path, packed: bool) -> None:
    folder = write_idx_folder(tmp_path / "idx", sample_arrays(), packed=packed)
    shutil.copytree(folder, tmp_path / "sound")
    loader = Loader(folder)
    for seed in range(MUTATIONS):
        rng = random.Random(seed)
        path = rng.choice(sorted(folder.iterdir()))
        sound = (tmp_path / "sound" / path.name).read_bytes()
        path.write_bytes(mutated(sound, rng))
        loader.load(seed)
        path.write_bytes(sound)
    loader.finish()
