"""Download MNIST with scikit-learn's `fetch_openml`, and report the progress."""

import shutil
import socket
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.error import HTTPError, URLError

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.data.mnist import FETCH_COMMAND
from mlpwatch.core.errors import DownloadError
from mlpwatch.core.text import excerpt

Report = Callable[[str], None]
"""Receives one line of progress; called from this thread and from a watcher thread."""

_SILENCE_SECONDS = 60.0  # scikit-learn sets no time limit: a dead connection would hang forever

# What scikit-learn raises for network errors, a cut-off archive, unexpected JSON or a full disk.
_DOWNLOAD_ERRORS = (
    OSError,
    HTTPException,
    EOFError,
    zlib.error,
    ValueError,
    LookupError,
    TypeError,
    MemoryError,
)


@dataclass(frozen=True, slots=True)
class OpenmlSource:
    """The data set to request from openml.org, and its expected content."""

    name: str = "mnist_784"
    version: int = 1
    side: int = 28
    """Height and width of an image, in pixels."""
    train_count: int = 60_000
    """Number of published training images, the first rows."""
    test_count: int = 10_000
    """Number of published test images, the last rows."""
    packed_bytes: int = 15_000_000
    """Approximate size of the download."""
    retries: int = 3
    retry_seconds: float = 1.0
    report_seconds: float = 1.0


MNIST_784 = OpenmlSource()


def download_images(
    source: OpenmlSource, folder: Path, report: Report
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Download and parse all images; complete files already in `folder` are used again.

    Args:
        source: the data set to request.
        folder: scikit-learn's `data_home`; keeps the raw download.
        report: receives the size so far, the retries, and the start of parsing.

    Returns:
        Images (samples, side, side) and labels (samples,).

    Raises:
        DownloadError: no network, a cut-off or altered file, or other data than expected.
    """
    try:
        with _progress(source, folder, report), _warnings_reported(report), _time_limit():
            data, target = _fetch(source, folder)
    except _DOWNLOAD_ERRORS as error:
        raise DownloadError(
            f"MNIST download failed ({_reason(error)}); expected to reach openml.org;"
            f" run `{FETCH_COMMAND}` again to go on"
        ) from error
    try:
        return _check_images(source, data), _check_labels(source, target)
    except DownloadError:
        # If the files stayed, every further attempt would fail too.
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _fetch(source: OpenmlSource, folder: Path) -> tuple[Any, Any]:
    # Imported late: scikit-learn's data sets and pandas take one to four seconds.
    from sklearn.datasets import fetch_openml  # noqa: PLC0415

    data, target = fetch_openml(
        source.name,
        version=source.version,
        as_frame=False,
        return_X_y=True,
        parser="auto",
        data_home=folder,
        n_retries=source.retries,
        delay=source.retry_seconds,
        read_csv_kwargs={"dtype": _column_types(source)},
    )
    return data, target


def _column_types(source: OpenmlSource) -> dict[int, type]:
    """Return the type that pandas parses each column as, by column number.

    By default pandas 3.1 reads the labels as integer categories, on which scikit-learn 1.9.1 fails
    (scikit-learn issue 34892), and the pixels as int64.
    """
    pixels = source.side**2
    # Not uint8: pandas would silently wrap a pixel of 256 to 0.
    return dict.fromkeys(range(pixels), np.float32) | {pixels: str}


def _reason(error: BaseException) -> str:
    if isinstance(error, HTTPError):
        error.close()
        return excerpt(f"HTTP status {error.code} from {error.url}")
    if isinstance(error, URLError) and isinstance(error.reason, BaseException):
        error = error.reason
    return excerpt(getattr(error, "strerror", None) or error or type(error).__name__, limit=400)


@contextmanager
def _progress(source: OpenmlSource, folder: Path, report: Report) -> Iterator[None]:
    """Report the growth of `folder` from its own thread: `fetch_openml` reports no progress."""
    done = Event()

    def watch() -> None:
        while True:
            # Files appear and vanish during the listing, and stderr may be closed.
            with suppress(OSError):
                report(_progress_line(source, folder))
            if done.wait(source.report_seconds):
                return

    watcher = Thread(target=watch, name="download-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _progress_line(source: OpenmlSource, folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file()]
    # scikit-learn writes into a folder tmp…, and moves the archive up when it is complete.
    if any(f.name.endswith(".arff.gz") and not f.parent.name.startswith("tmp") for f in files):
        return "parsing"
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    return f"downloading: {megabytes:.1f} MB of about {source.packed_bytes / 1e6:.0f}"


@contextmanager
def _warnings_reported(report: Report) -> Iterator[None]:
    """Turn scikit-learn's warnings ("Retrying...") into lines of progress."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:  # noqa: ANN401
        report(excerpt(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield


@contextmanager
def _time_limit() -> Iterator[None]:
    """Give up on a connection without data for a minute."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _check_images(source: OpenmlSource, data: NDArray[Any]) -> NDArray[np.uint8]:
    expected = (source.train_count + source.test_count, source.side**2)
    if data.shape != expected:
        raise DownloadError(
            f"openml.org sent images of shape {data.shape}; expected {expected};"
            f" run `{FETCH_COMMAND}` again"
        )
    with np.errstate(invalid="ignore"):  # NaN, for a missing pixel, is not a byte
        pixels = data.astype(np.uint8)
    if not np.array_equal(pixels, data):
        raise DownloadError(
            f"openml.org sent pixels from {data.min():g} to {data.max():g}; expected whole numbers"
            f" from 0 to 255; run `{FETCH_COMMAND}` again"
        )
    return pixels.reshape(-1, source.side, source.side)


def _check_labels(source: OpenmlSource, target: NDArray[Any]) -> NDArray[np.uint8]:
    # ARFF may quote the labels: '5'.
    labels = [str(label).strip("'") for label in target]
    count = source.train_count + source.test_count
    unknown = sorted(set(labels) - set("0123456789"))
    if len(labels) != count or unknown:
        raise DownloadError(
            f"openml.org sent {len(labels):,} labels, of them {len(unknown)} unknown ones like"
            f" {unknown[:3]}; expected {count:,} from 0 to 9; run `{FETCH_COMMAND}` again"
        )
    return np.array(labels, np.uint8)
