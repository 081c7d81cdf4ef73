"""What the program knows about a named data set. Imports no NumPy."""

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from mlpwatch.core.config import RecipeName

if TYPE_CHECKING:
    from mlpwatch.core.data.raw_data import RawData

NormalisationName = Literal["full-height", "centre-of-mass"]
"""How a data set's makers scaled and centred its images; `core.drawing` does it to drawings."""

CHARACTERS = string.digits + string.ascii_uppercase
"""A label is shown as its character: 7 as 7, 12 as C."""

MAX_CLASSES = len(CHARACTERS)

FILES_NORMALISATION: NormalisationName = "centre-of-mass"
"""Of data files, which are most often laid out as MNIST is."""

Pace = Mapping[RecipeName, Mapping[str, object]]
"""Settings by recipe that fit this data set better than the recipe's own."""


@dataclass(frozen=True, slots=True)
class DataSource:
    """One data set that `--data` can name."""

    name: str

    summary: str
    """A few words for `--help` and for messages."""

    check: Callable[[], None]
    """Raises `DataError` if the data set is not there; runs before the first frame."""

    load: Callable[[], "RawData"]
    """Reads it; raises `DataError`. May import NumPy, but only when it is called."""

    normalisation: NormalisationName

    pace: Pace = field(default_factory=lambda: MappingProxyType({}))
