"""Types of arrays by their content; memory for the arrays of a training step."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
"""float32 or float64, see `RunConfig.dtype`."""

Labels = NDArray[np.int64]
"""(samples,) class numbers."""

Rows = NDArray[np.intp]
"""(batch,) row numbers into the training images."""

Tensors = Mapping[str, Floats]
"""Arrays by name: `layers.0.weight` (fan_out, fan_in), `layers.0.bias` (fan_out,), …"""

_CACHE_LINE = 64


def aligned_empty(
    shape: int | tuple[int, ...],
    dtype: np.dtype[np.floating],
    order: Literal["C", "F"] = "C",
) -> Floats:
    """Return an uninitialised array that begins at a cache line.

    NumPy's own arrays begin at any multiple of 16 bytes; θ ← θ - η g of 100,000 float32 then takes
    18 µs instead of 13 µs.
    """
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.empty(size + _CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    array: Floats = memory[start : start + size].view(dtype).reshape(shape, order=order)
    return array
