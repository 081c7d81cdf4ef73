"""MNIST in the user's cache folder, see `mlpwatch data fetch mnist`. Imports no NumPy."""

from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_cache_path

from mlpwatch.core.data.source import DataSource
from mlpwatch.core.errors import DataError
from mlpwatch.core.files.user_folders import user_folder

if TYPE_CHECKING:
    from mlpwatch.core.data.raw_data import RawData

FETCH_COMMAND = "mlpwatch data fetch mnist"


def cache_folder() -> Path:
    """Return the folder of cached data sets: `MLPWATCH_CACHE`, or the user's cache folder.

    Raises:
        DataError: there is no such folder.
    """
    return user_folder("MLPWATCH_CACHE", lambda: user_cache_path("mlpwatch", appauthor=False))


def mnist_cache_path() -> Path:
    """Return the path of the parsed MNIST, which need not exist."""
    return cache_folder() / "mnist.npz"


def check_mnist() -> None:
    """Check that MNIST has been downloaded, without reading it.

    Raises:
        DataError: it has not been downloaded; the message says how to do it.
    """
    if not mnist_cache_path().is_file():
        raise DataError(f"data 'mnist': not downloaded yet; run `{FETCH_COMMAND}` first")


def _load(_seed: int) -> "RawData":
    from mlpwatch.core.data.mnist_cache import load_cached_mnist  # noqa: PLC0415

    return load_cached_mnist()


MNIST = DataSource(
    name="mnist",
    summary="MNIST, once it is downloaded",
    check=check_mnist,
    load=_load,
    normalisation="centre-of-mass",
)
