"""The data sets of `--data`, and the checks before the first frame. Imports no NumPy.

A new data set needs a module with a `DataSource`, and an entry in `SOURCES`.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from mlpwatch.core.config import RecipeName
from mlpwatch.core.data.digits import DIGITS
from mlpwatch.core.data.mnist import MNIST
from mlpwatch.core.data.points import POINTS
from mlpwatch.core.data.source import FILES_NORMALISATION, DataSource, NormalisationName
from mlpwatch.core.errors import DataError

AUTO = "auto"

SOURCES: Mapping[str, DataSource] = MappingProxyType(
    {source.name: source for source in (MNIST, DIGITS, *POINTS)}
)
"""`auto` uses the first of these that is available and of images."""


def sources_for(data: str) -> tuple[str, ...]:
    """Return the sources that `data` may mean, best first; the last one needs no download.

    Reads no file, so a damaged cache counts as available.

    Args:
        data: `auto`, a name in `SOURCES`, or a path, which is returned unchanged.
    """
    return tuple(filter(_is_automatic, SOURCES)) if data == AUTO else (data,)


def resolve_source(data: str) -> str:
    """Return the first of `sources_for`: the meaning of `auto`, any other value unchanged."""
    return sources_for(data)[0]


def check_source(data: str) -> None:
    """Check that the data exists; read only the first bytes of its files.

    Raises:
        DataError: no such file or folder, not downloaded yet, or another kind of file; the
            message says what to do.
    """
    if (source := SOURCES.get(resolve_source(data))) is not None:
        source.check()
    else:
        # Here: the bundled digits need no reader of files, which takes 3 ms.
        from mlpwatch.core.data.readers.paths import check_path  # noqa: PLC0415

        check_path(data, names=(AUTO, *SOURCES))


def lasting_source(data: str) -> str:
    """Return a name in `SOURCES` unchanged, a path as one that is valid in any working folder."""
    return data if data in SOURCES else str(Path(data).expanduser().resolve())


def normalisation_for(data: str) -> NormalisationName:
    """Return how the images of this data set were scaled and centred."""
    return SOURCES[data].normalisation if data in SOURCES else FILES_NORMALISATION


def pace_for(data: str, recipe: RecipeName) -> Mapping[str, object]:
    """Return the settings that fit this data set better than the recipe's own."""
    source = SOURCES.get(resolve_source(data))
    return source.pace.get(recipe, {}) if source else {}


def _is_automatic(name: str) -> bool:
    try:
        SOURCES[name].check()
    except DataError:
        return False
    return SOURCES[name].is_automatic
