"""Types of arrays, by what they hold."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
"""float32 or float64, as `RunConfig.dtype` says."""

Labels = NDArray[np.int64]
"""(samples,) class numbers."""

Rows = NDArray[np.intp]
"""(batch,) row numbers into the training images."""

Tensors = Mapping[str, Floats]
"""Arrays by name: `layers.0.weight` (fan_out, fan_in), `layers.0.bias` (fan_out,), …"""
