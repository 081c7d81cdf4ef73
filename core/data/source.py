"""The description of a named data set. Imports no NumPy."""

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from mlpwatch.core.config import RecipeName

if TYPE_CHECKING:
    from mlpwatch.core.data.raw_data import RawData

NormalisationName = Literal["full-height", "centre-of-mass"]
"""How the authors scaled and centred the images; `core.drawing` does the same with drawings."""

CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
"""A label is shown as its character: label 7 as 7, label 12 as C, label 36 as a."""

MAX_CLASSES = len(CHARACTERS)

FILES_NORMALISATION: NormalisationName = "centre-of-mass"
"""The normalisation for data files, most of which are like MNIST."""

Pace = Mapping[RecipeName, Mapping[str, object]]
"""Settings by recipe that fit this data set better than the recipe's own."""


@dataclass(frozen=True, slots=True)
class DataSource:
    """One named data set of `--data`."""

    name: str

    summary: str
    """A few words for `--help` and for messages."""

    check: Callable[[], None]
    """Raises `DataError` if the data set is missing; runs before the first frame."""

    load: Callable[[int], "RawData"]
    """Reads or, with the run's seed, makes the data set; raises `DataError`. May import NumPy, but
    only when called."""

    normalisation: NormalisationName

    pace: Pace = field(default_factory=lambda: MappingProxyType({}))

    is_automatic: bool = True
    """Whether `auto` may mean it."""
