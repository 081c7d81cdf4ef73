"""MNIST's cache and download, against a stand-in for openml.org on this machine."""

import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpwatch.core.data.dataset import load_dataset
from mlpwatch.core.data.mnist import cache_folder, mnist_cache_path
from mlpwatch.core.data.mnist_cache import fetch_mnist, load_cached_mnist
from mlpwatch.core.data.openml import OpenmlSource
from mlpwatch.core.data.registry import check_source, resolve_source
from mlpwatch.core.errors import DataError, DownloadError
from tests.support.samples.openml_server import (
    FILE_PATH,
    FakeOpenml,
    point_sklearn_at,
    serve_openml,
    write_arff,
)
from tests.support.samples.sample_files import write_npz

SMALL = OpenmlSource(
    side=4, train_count=60, test_count=20, retries=1, retry_seconds=0.001, report_seconds=0.02
)
IMAGES = np.random.default_rng(3).integers(0, 256, (80, 16), np.uint8)
LABELS = (np.arange(80) % 10).astype(np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLPWATCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenml]:
    with serve_openml(FakeOpenml(write_arff(IMAGES, LABELS), 16, 80), monkeypatch) as server:
        yield server


def quiet(_: str) -> None:
    """Report to nobody."""


def check_cached(cache: Path) -> None:
    """Check that the cache holds exactly the sound file, and that it loads."""
    assert [path.name for path in cache.iterdir()] == ["mnist.npz"]
    assert resolve_source("auto") == "mnist"
    data = load_dataset("auto", 0, "0..1")
    assert data.name == "mnist"
    assert np.array_equal(data.labels, LABELS[data.source_rows])
    np.testing.assert_allclose(data.images, IMAGES[data.source_rows] / 255, rtol=2e-7)
    assert np.array_equal(data.test_labels, LABELS[60:])
    np.testing.assert_allclose(data.test_images, IMAGES[60:] / 255, rtol=2e-7)


def test_fetch_caches_the_published_split(server: FakeOpenml, cache: Path) -> None:
    lines: list[str] = []
    assert fetch_mnist(lines.append, SMALL) == cache / "mnist.npz"
    assert server.requests[FILE_PATH] == 1
    check_cached(cache)
    assert lines[-2] == "writing"
    assert lines[-1].startswith(f"done: {cache / 'mnist.npz'}, ")
    with np.load(cache / "mnist.npz") as keras:
        assert keras["x_train"].shape == (60, 4, 4)
        assert {keras[name].dtype for name in keras} == {np.dtype(np.uint8)}


def test_a_second_fetch_asks_nobody(server: FakeOpenml, cache: Path) -> None:
    fetch_mnist(quiet, SMALL)
    asked = server.requests.total()
    lines: list[str] = []
    fetch_mnist(lines.append, SMALL)
    assert lines == [f"already there: {cache / 'mnist.npz'}"]
    assert server.requests.total() == asked


def test_progress_tells_the_size_while_it_grows(server: FakeOpenml, cache: Path) -> None:
    hold = server.hold = Event()
    # 1.2 MB of noise in a comment, 0.6 MB packed; the server sends half, then waits.
    server.arff = b"%" + random.Random(1).randbytes(600_000).hex().encode() + b"\n" + server.arff
    sizes: list[float] = []

    def report(line: str) -> None:
        if line.startswith("downloading: "):
            sizes.append(float(line.split()[1]))
            if 0.2 <= sizes[-1] <= 0.4:
                hold.set()

    fetch_mnist(report, SMALL)
    assert hold.is_set()
    check_cached(cache)


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_labels_may_be_quoted(server: FakeOpenml, cache: Path, quote: str) -> None:
    head, rows = server.arff.decode().split("@DATA\n")
    lines = [row.rsplit(",", 1) for row in rows.splitlines()]
    rows = "".join(f"{pixels},{quote}{label}{quote}\n" for pixels, label in lines)
    server.arff = f"{head}@DATA\n{rows}".encode()
    fetch_mnist(quiet, SMALL)
    check_cached(cache)


def failed(source: OpenmlSource = SMALL) -> str:
    """Fetch, and return the one line that it fails with."""
    with pytest.raises(DownloadError) as caught:
        fetch_mnist(quiet, source)
    message = str(caught.value)
    assert message.isprintable()
    assert "run `mlpwatch data fetch mnist` again" in message
    assert not mnist_cache_path().exists()
    return message


def test_offline_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        point_sklearn_at(f"http://127.0.0.1:{closed.getsockname()[1]}", monkeypatch)
        assert "Connection refused" in failed()


def test_a_failed_download_goes_on_where_it_stopped(server: FakeOpenml, cache: Path) -> None:
    server.file_status = 503
    assert "HTTP status 503" in failed()
    answered = {path: count for path, count in server.requests.items() if path != FILE_PATH}
    server.file_status = 200
    fetch_mnist(quiet, SMALL)
    check_cached(cache)
    again = {path: count for path, count in server.requests.items() if path != FILE_PATH}
    assert again == answered


def test_a_cut_off_archive_is_fetched_again(server: FakeOpenml, cache: Path) -> None:
    server.cut_after = 300
    failed()
    server.cut_after = None
    fetch_mnist(quiet, SMALL)
    check_cached(cache)


def test_an_altered_archive_is_refused_and_fetched_again(server: FakeOpenml, cache: Path) -> None:
    sound = server.arff
    fetch_description(server)
    server.arff = sound.replace(b"pixel1 ", b"pixel0 ")
    assert "md5 checksum" in failed()
    server.arff = sound
    fetch_mnist(quiet, SMALL)
    check_cached(cache)


def fetch_description(server: FakeOpenml) -> None:
    """Let scikit-learn keep the description, with the checksum of the archive as it is now."""
    server.file_status = 503
    failed()
    server.file_status = 200


def test_an_interrupt_leaves_nothing_half_written(server: FakeOpenml, cache: Path) -> None:
    def interrupt(line: str) -> None:
        if line == "writing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_mnist(interrupt, SMALL)
    assert not (cache / "mnist.npz").exists()
    lines: list[str] = []
    fetch_mnist(lines.append, SMALL)
    assert server.requests[FILE_PATH] == 1
    assert lines[0] == "parsing"
    check_cached(cache)


def test_a_retry_is_reported_and_not_warned_of(server: FakeOpenml) -> None:
    server.file_status = 503
    lines: list[str] = []
    with pytest.raises(DownloadError):
        fetch_mnist(lines.append, SMALL)
    assert any("Retrying" in line for line in lines)


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (IMAGES[:79], LABELS[:79], "(79, 16)"),
        (IMAGES.astype(np.int64) + 1, LABELS, "whole numbers from 0 to 255"),
        (IMAGES / 2, LABELS, "whole numbers"),
        (IMAGES, LABELS + 1, "['10']"),
    ],
)
def test_other_data_than_expected_is_refused_and_not_kept(
    server: FakeOpenml,
    cache: Path,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    words: str,
) -> None:
    sound = server.arff
    server.arff = write_arff(images, labels)
    assert words in failed()
    server.arff = sound
    fetch_mnist(quiet, SMALL)
    check_cached(cache)


def test_a_folder_that_cant_be_written_is_one_line(server: FakeOpenml, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match="can't be written") as caught:
        fetch_mnist(quiet, SMALL)
    assert str(cache) in str(caught.value)
    assert server.requests.total() == 0


def test_no_cache_names_the_command_that_fills_it() -> None:
    for load in (check_source, lambda data: load_dataset(data, 0, "0..1")):
        with pytest.raises(DataError, match="run `mlpwatch data fetch mnist`"):
            load("mnist")


def damage_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def damage_pixels(path: Path) -> None:
    """Change one pixel and every zip checksum with it: only the hash inside can tell."""
    with np.load(path) as cached:
        arrays = dict(cached)
    arrays["x_train"][0, 0, 0] ^= 1
    write_npz(path, **arrays)


def damage_names(path: Path) -> None:
    write_npz(path, x=np.zeros(3))


@pytest.mark.parametrize("damage", [damage_end, damage_pixels, damage_names])
@pytest.mark.usefixtures("server")
def test_a_damaged_cache_is_found_and_mended(cache: Path, damage: Callable[[Path], None]) -> None:
    fetch_mnist(quiet, SMALL)
    damage(mnist_cache_path())
    with pytest.raises(DataError, match="delete it and run `mlpwatch data fetch mnist` again"):
        load_dataset("mnist", 0, "0..1")
    assert load_dataset("auto", 0, "0..1").name == "digits"
    fetch_mnist(quiet, SMALL)
    check_cached(cache)


def test_the_cache_lies_in_the_users_folder_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLPWATCH_CACHE")
    assert cache_folder().name == "mlpwatch"
    assert cache_folder().is_absolute()


@pytest.mark.rare
def test_real_mnist_survives_the_cache(mnist_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlpwatch.core.data import mnist_cache

    with np.load(mnist_path) as published:
        images = np.concatenate([published["x_train"], published["x_test"]])
        labels = np.concatenate([published["y_train"], published["y_test"]])
    monkeypatch.setattr(mnist_cache, "download_images", lambda *_: (images, labels))
    path = fetch_mnist(quiet)
    assert path.stat().st_size < 12_000_000
    cached, direct = load_dataset("mnist", 1, "0..1"), load_dataset(str(mnist_path), 1, "0..1")
    assert cached.sha256 == direct.sha256 == load_cached_mnist().sha256
    assert np.array_equal(cached.images, direct.images)
