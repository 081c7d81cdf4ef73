"""Both models' predictions for the drawing and the user's own set, one request at a time."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mlpwatch.core.config import EngineName
from mlpwatch.core.drawing.normalisation import network_input
from mlpwatch.core.drawing.own_set import Drawing
from mlpwatch.core.errors import DataError, MlpwatchError
from mlpwatch.tui.draw.easel import Easel
from mlpwatch.tui.draw.kept_drawings import KeptDrawings, KeptRow, OwnSet
from mlpwatch.tui.state.run_state import RunState
from mlpwatch.tui.state.shown_epoch import ShownEpoch

if TYPE_CHECKING:
    from mlpwatch.core.analysis.inference import Prediction
    from mlpwatch.core.run_source import RunSource


class DrawPredictions:
    """Predicts again when the drawing has changed or a model has trained, never twice at once.

    Args:
        session: has the networks.
        state: counts their steps and epochs.
        shown: the epoch whose networks predict.
        easel: has the drawing.
        show: called after every change.
    """

    def __init__(
        self,
        session: "RunSource",
        state: RunState,
        shown: ShownEpoch,
        easel: Easel,
        show: Callable[[], None],
    ) -> None:
        self._session, self._state, self._easel, self._show = session, state, easel, show
        self._shown = shown
        self.kept = KeptDrawings(session.dataset)
        self.probabilities: dict[EngineName, list[float]] = {}
        """For the drawing, by class; empty while the paper is blank."""
        self.own = OwnSet()
        self.error = ""
        """Why the last predictions failed, in one line; empty if they did not."""
        self.stale = True
        """Whether the drawing has changed since the last prediction."""
        self._asking = False
        self._steps: object = None
        self._epochs: object = None
        self._set_reads = 0

    def is_due(self) -> bool:
        """Return whether a prediction is due and none is running."""
        # An epoch's event may come after its last step, and then no step follows it.
        return not self._asking and (self._is_changed() or self._is_other_epoch())

    async def ask(self) -> None:
        """Predict the drawing until it stops changing, and the set once per epoch."""
        if self._asking:
            return
        self._asking = True
        try:
            while self._is_changed():
                self.stale, self._steps = False, self._steps_now()
                await self._ask_about_drawing()
                self._show()
            if self._is_other_epoch():
                await self.ask_about_set()
        except (MemoryError, RuntimeError, MlpwatchError) as error:
            # PyTorch raises RuntimeError if memory runs out. Training continues.
            self.error = f"the models could not be asked: {error}"
        finally:
            self._asking = False
        self._show()

    async def ask_about_set(self) -> None:
        """Read the user's own set from disk, and predict it with both models."""
        self._epochs, self._set_reads = self._epochs_now(), self._set_reads + 1
        this_one = self._set_reads
        try:
            drawings = await self.kept.read()
        except DataError as error:
            self.error = str(error)
            return
        found = await self._ask(self._inputs(drawings)) if drawings else {}
        # A drawing may have been kept or deleted during the prediction.
        if this_one == self._set_reads:
            self.own = _own_set(drawings, found)

    async def _ask_about_drawing(self) -> None:
        if self._easel.is_blank:
            self.probabilities = {}
            return
        found = await self._ask(self._easel.network_input)
        self.probabilities = {
            name: [float(p) for p in reading.probabilities[0]] for name, reading in found.items()
        }

    async def _ask(self, images: np.ndarray) -> "dict[EngineName, Prediction]":
        shown, data = self._shown, self._session.dataset
        if shown.epoch is not None:
            if shown.past is None or shown.epochs is None:
                return {}
            return await asyncio.to_thread(shown.epochs.predict, shown.past, data, images)
        names = self._session.config.engine_names
        answers = [asyncio.wrap_future(self._session.predict(name, images)) for name in names]
        return dict(zip(names, await asyncio.gather(*answers), strict=True))

    def _inputs(self, drawings: list[Drawing]) -> np.ndarray:
        pixel_range = self._session.config.pixel_range
        return np.concatenate([network_input(drawing.image, pixel_range) for drawing in drawings])

    def _is_changed(self) -> bool:
        # While another epoch is read, the predictions of the one before stay.
        is_new = self.stale or self._steps != self._steps_now()
        return is_new and not self._shown.is_reading

    def _is_other_epoch(self) -> bool:
        return self._epochs != self._epochs_now() and not self._shown.is_reading

    def _steps_now(self) -> object:
        if self._shown.epoch is not None:
            return self._shown.past
        return [engine.step for engine in self._state.engines.values()]

    def _epochs_now(self) -> object:
        if self._shown.epoch is not None:
            return self._shown.past
        return [engine.epochs_done for engine in self._state.engines.values()]


def _own_set(drawings: list[Drawing], found: "dict[EngineName, Prediction]") -> OwnSet:
    labels = [drawing.label for drawing in drawings]
    predicted = {
        name: [(int(c), float(p)) for c, p in zip(one.classes, one.confidences, strict=True)]
        for name, one in found.items()
    }
    rows = [
        KeptRow(label, {name: pairs[n] for name, pairs in predicted.items()})
        for n, label in enumerate(labels)
    ]
    return OwnSet(rows, {name: one.accuracy(labels) for name, one in found.items()})
