"""The life of a digit: what each kept epoch predicted for it, and how sure it was."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.past.past_epochs import Networks, PastEpochs, Split, split_of
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.network.losses import loss_for
from mlpwatch.core.runs.history import thinned

LIVES_BYTES = 2**24
"""Two bytes per image, engine and epoch: for the 10,000 test images of MNIST 40 kB an epoch."""

MOST_LIVES = 200
"""Epochs at most, as many as fit side by side on the widest screens."""

_FULL = 255

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Life:
    """One image over the epochs."""

    epochs: tuple[int, ...]
    """Those that are known, oldest first."""
    predicted: Mapping[EngineName, tuple[int | None, ...]]
    """The most probable class at each of these epochs; None where the engine had not done it."""
    shares: Mapping[EngineName, tuple[float, ...]]
    """Probability of the true class, 0 to 1."""


class Lives:
    """Predicts all images of a split with one kept epoch after the other. Thread-safe.

    Args:
        epochs: reads them.
        config: of the run.
        dataset: of the run.
        split: whose images.
    """

    def __init__(
        self, epochs: PastEpochs, config: RunConfig, dataset: Dataset, split: Split
    ) -> None:
        self._epochs, self._config, self._dataset = epochs, config, dataset
        self._images, self._labels = split_of(dataset, split)
        # Their own: a key that moves to another epoch does not wait for these.
        self._networks = Networks(config)
        self._found: dict[int, dict[EngineName, tuple[Bytes, Bytes]]] = {}
        self._failed: set[int] = set()
        self._lock = Lock()
        size = 2 * max(1, len(self._labels)) * len(config.engine_names)
        self._most = max(1, min(MOST_LIVES, LIVES_BYTES // size))

    def missing(self, kept: Collection[int]) -> list[int]:
        """Return the epochs that have to be predicted, newest first; drop those no longer wanted.

        Args:
            kept: in the history. Of more than fit some are left out, by the history's own rule.
        """
        wanted = thinned(kept, self._most)
        with self._lock:
            for epoch in self._found.keys() - set(wanted):
                del self._found[epoch]
            return [e for e in reversed(wanted) if e not in self._found and e not in self._failed]

    def add(self, epoch: int) -> None:
        """Predict all images with an epoch, each engine in turn; takes 10 to 200 ms.

        Raises:
            MlpwatchError: the epoch can't be read, or the user's own network raises; it is not
                asked for again.
            MemoryError, RuntimeError: memory ran out; likewise.
        """
        try:
            past, found = self._epochs.read(epoch), {}
            for name in past.checkpoints:
                logits = self._networks.logits(past, name, self._dataset, self._images)
                # A diverging network has logits without a finite softmax.
                with np.errstate(over="ignore", invalid="ignore"):
                    probabilities = loss_for(self._config, name).probabilities(logits)
                shares = np.nan_to_num(probabilities[np.arange(len(logits)), self._labels])
                bytes_of_shares = np.rint(_FULL * np.clip(shares, 0, 1)).astype(np.uint8)
                found[name] = logits.argmax(axis=1).astype(np.uint8), bytes_of_shares
        except Exception:
            self._failed.add(epoch)
            raise
        with self._lock:
            self._found[epoch] = found

    def of(self, row: int) -> Life:
        """Return the life of an image, by its row in the split, as known so far."""
        with self._lock:
            found = sorted(self._found.items())
        predicted: dict[EngineName, tuple[int | None, ...]] = {}
        shares: dict[EngineName, tuple[float, ...]] = {}
        for name in self._config.engine_names:
            own = [one.get(name) for _, one in found]
            predicted[name] = tuple(int(pair[0][row]) if pair else None for pair in own)
            shares[name] = tuple(float(pair[1][row]) / _FULL if pair else 0.0 for pair in own)
        return Life(tuple(epoch for epoch, _ in found), predicted, shares)
