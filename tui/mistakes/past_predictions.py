"""What both models predicted at the past epoch that is shown, computed off the event loop."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlpwatch.core.analysis.mistakes import SplitEvaluations
from mlpwatch.core.analysis.past.past_epochs import PastEpoch, PastEpochs, Split, split_of
from mlpwatch.core.errors import MlpwatchError
from mlpwatch.tui.state.watch import Watch

if TYPE_CHECKING:
    from mlpwatch.core.data.dataset import Dataset

Key = tuple[PastEpoch, Split]


class PastPredictions:
    """Predicts a split with the weights of one past epoch after the other, never two at once.

    Args:
        watch: of the run; it knows the epoch.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._found: tuple[Key, SplitEvaluations] | None = None
        self._failed: tuple[Key, str] | None = None
        self._is_working = False

    def of(self, split: Split) -> SplitEvaluations | None:
        """Return the predictions of the epoch shown; None until they are there."""
        found = self._found
        return found[1] if found and self._is_now(found[0], split) else None

    def fault(self, split: Split) -> str:
        """Return why there are none, in one line; empty if they are there or will be."""
        failed = self._failed
        if self._watch.shown.fault:
            return self._watch.shown.fault
        return failed[1] if failed and self._is_now(failed[0], split) else ""

    def is_due(self, split: Split) -> bool:
        """Return whether `work` has something to do."""
        session, past = self._watch.session, self._watch.shown.past
        has_images = session is not None and not session.images_missing
        is_open = self.of(split) is None and not self.fault(split)
        return past is not None and has_images and is_open and not self._is_working

    async def work(self, split: Callable[[], Split], draw: Callable[[], None]) -> None:
        """Predict in a thread and draw; of several epochs asked for only the newest."""
        session, shown = self._watch.session, self._watch.shown
        if session is None:
            return
        while self.is_due(split()) and shown.past is not None and shown.epochs is not None:
            key, self._is_working = (shown.past, split()), True
            try:
                found = await asyncio.to_thread(
                    predictions_of, shown.epochs, *key, session.dataset, set(shown.kept)
                )
                self._found = key, found
            except (MemoryError, RuntimeError, MlpwatchError) as error:
                # PyTorch raises RuntimeError if memory runs out. Training continues.
                why = str(error) or "out of memory"
                self._failed = key, f"epoch {key[0].epoch} can't be shown: {why}"
            finally:
                self._is_working = False
        draw()

    def _is_now(self, key: Key, split: Split) -> bool:
        return key[0] is self._watch.shown.past and key[1] == split


def predictions_of(
    epochs: PastEpochs, past: PastEpoch, split: Split, dataset: "Dataset", kept: set[int]
) -> SplitEvaluations:
    """Return the predictions of an epoch, and of the one before if that is kept.

    Raises:
        UserCodeError: the user's own network raises.
        MemoryError, RuntimeError: memory ran out.
    """
    now = epochs.evaluate(past, dataset, split)
    before = {}
    if past.epoch - 1 in kept:
        try:
            before = epochs.evaluate(epochs.read(past.epoch - 1), dataset, split)
        except (MlpwatchError, OSError):
            before = {}  # thinned out meanwhile, or damaged: the lists of changes are left out
    return SplitEvaluations(split_of(dataset, split)[1], now, before)
