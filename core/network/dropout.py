"""Dropout masks that both engines share.

They depend on the run's seed and the step alone: both networks leave out the same numbers, and a
resumed run draws the masks that it would have drawn without the interruption.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import RunConfig

Masks = list[NDArray[np.floating] | None]
"""One per layer's input, (batch, fan_in): 0 or 1 / (1 - share); None where nothing is left out."""


class DropoutMasks:
    """Draws the masks of one network.

    Inverted dropout (Srivastava et al. 2014, section 10): what is kept is multiplied by
    1 / (1 - share) while training, so that prediction needs no factor.

    Args:
        config: seed, dtype and both shares are used.
        fan_ins: widths of the layers' inputs, pixels first.
    """

    def __init__(self, config: RunConfig, fan_ins: Sequence[int]) -> None:
        self._seed, self._dtype = config.seed, np.dtype(config.dtype)
        shares = [config.input_dropout, *[config.dropout] * (len(fan_ins) - 1)]
        self._layers = list(zip(fan_ins, shares, strict=True))
        self.drops = [share > 0 for share in shares]
        """Whether anything is left out of each layer's input."""
        self.active = any(self.drops)

    def draw(self, step: int, batch: int) -> Masks:
        """Return the masks of the step after `step` updates."""
        if not self.active:
            return [None] * len(self._layers)
        # Stream 3 of the seed; weights draw from stream 1, the batch order from stream 2.
        random = np.random.default_rng([self._seed, 3, step])
        return [
            self._mask(random, (batch, fan_in), share) if share else None
            for fan_in, share in self._layers
        ]

    def _mask(
        self, random: np.random.Generator, shape: tuple[int, int], share: float
    ) -> NDArray[np.floating]:
        kept = random.random(shape, np.float32) >= np.float32(share)
        mask: NDArray[np.floating] = kept.astype(self._dtype)
        mask *= self._dtype.type(1 / (1 - share))
        return mask
