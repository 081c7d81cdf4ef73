"""The dropout masks of both engines.

They depend only on the run's seed and the step: both networks drop the same numbers, and a resumed
run draws the same masks as an uninterrupted one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import RunConfig

Masks = list[NDArray[np.floating] | None]
"""One per layer's input, (batch, fan_in): 0 or 1 / (1 - share); None if nothing is dropped."""


class DropoutMasks:
    """Draws the masks of one network.

    Inverted dropout (Srivastava et al. 2014, section 10): in training the kept numbers are
    multiplied by 1 / (1 - share), so prediction needs no factor.

    Args:
        config: seed, dtype and both shares are used.
        fan_ins: widths of the layers' inputs, pixels first.
    """

    def __init__(self, config: RunConfig, fan_ins: Sequence[int]) -> None:
        self._seed, self._dtype = config.seed, np.dtype(config.dtype)
        shares = [config.input_dropout, *[config.dropout] * (len(fan_ins) - 1)]
        self._layers = list(zip(fan_ins, shares, strict=True))
        self.drops = [share > 0 for share in shares]
        """Per layer: whether its input has dropout."""
        self.active = any(self.drops)

    def draw(self, step: int, batch: int, share: slice | None = None) -> Masks:
        """Return the masks of the step after `step` updates.

        Args:
            step: updates done.
            batch: rows of the whole batch; the masks are drawn for all of them.
            share: the rows whose masks are returned, where several processes share a batch: each
                row has the same mask however many there are. None for all.
        """
        if not self.active:
            return [None] * len(self._layers)
        # Stream 3 of the seed; the weights use stream 1, the batch order uses stream 2.
        random = np.random.default_rng([self._seed, 3, step])
        masks = [
            self._mask(random, (batch, fan_in), dropped) if dropped else None
            for fan_in, dropped in self._layers
        ]
        return masks if share is None else [m if m is None else m[share] for m in masks]

    def _mask(
        self, random: np.random.Generator, shape: tuple[int, int], share: float
    ) -> NDArray[np.floating]:
        kept = random.random(shape, np.float32) >= np.float32(share)
        mask: NDArray[np.floating] = kept.astype(self._dtype)
        mask *= self._dtype.type(1 / (1 - share))
        return mask
