"""What each scenario gave, as JSON lines and arrays; the faults of the user's code by line."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from mlpwatch.core.foreign.loading import message_of, place_of
from mlpwatch.core.foreign.user_network import NotUnderstoodError

LARGEST = 20_000_000
"""Numbers of an array that are kept; none of a sound network comes near."""


class Stopped(Exception):  # noqa: N818 - it ends a scenario, it is no fault of ours
    """The user's code failed; what failed is recorded already."""


class Results:
    """Writes what each scenario gave.

    Args:
        stream: receives JSON lines.
        path: of the user's file, to name its lines.
    """

    def __init__(self, stream: IO[str], path: Path) -> None:
        self._stream = stream
        self._path = path
        self._folder = Path()
        self._count = 0

    def use(self, folder: Path) -> None:
        """Put arrays into this folder."""
        self._folder = folder

    def send(self, **line: Any) -> None:  # noqa: ANN401
        """Write one line."""
        print(json.dumps(line, allow_nan=True), file=self._stream, flush=True)

    def record(self, scenario: str, arrays: dict[str, Any], **flags: Any) -> None:  # noqa: ANN401
        """Write a scenario's arrays and flags."""
        named = {name: self._kept(value) for name, value in arrays.items()}
        self.send(kind="result", scenario=scenario, arrays=named, flags=flags)

    def _kept(self, value: Any) -> dict[str, Any]:  # noqa: ANN401
        if value is None:
            return {"missing": True}
        try:
            array = np.asarray(value)
        except Exception:
            return {"type": type(value).__name__}
        if array.dtype.kind not in "fiub":
            return {"type": f"{type(value).__name__} of {array.dtype.name}"}
        fact = {"shape": list(array.shape), "dtype": array.dtype.name}
        if array.size > LARGEST:
            return fact
        self._count += 1
        name = f"{self._count}.npy"
        np.save(self._folder / name, array.astype(np.float64), allow_pickle=False)
        return fact | {"file": name}

    @contextmanager
    def calling(self, scenario: str, call: str) -> Iterator[None]:
        """Record what the block raises as a fault of the user's code."""
        self.send(kind="call", scenario=scenario, call=call)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                yield
        except NotUnderstoodError as error:
            self.send(kind="error", scenario=scenario, call=call, code="shape", text=str(error))
            raise Stopped from error
        except Exception as error:
            self.send(kind="error", scenario=scenario, call=call, **self.fault(error))
            raise Stopped from error

    def fault(self, error: BaseException) -> dict[str, Any]:
        """Return an exception as the user's line and its message, without our frames."""
        place = place_of(error, self._path)
        where = ""
        if place is not None:
            named = f", in {place.function}" if place.function else ""
            file = "" if place.file == self._path.name else f"{place.file} "
            where = f"{file}line {place.line}{named}: {place.text}"
        return {"code": "exception", "text": message_of(error), "where": where}
