"""The state of the weights screen: copies of both models' weights as tiles, made in a thread."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from mlpwatch.core.config import EngineName
from mlpwatch.tui.state.watch import Watch

if TYPE_CHECKING:
    from mlpwatch.core.analysis.weight_store import WeightSnapshot
    from mlpwatch.core.analysis.weight_tiles import DeadCount, FirstLayer

DEAD_SECONDS = 3.0
"""Least time between two counts of dead units: each predicts all validation images, which takes
60 ms of a core at 784-512-256-10."""


class WeightsReader:
    """Keeps each model's newest first layer and its dead units.

    Args:
        watch: of the run.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.layers: dict[EngineName, FirstLayer] = {}
        self.dead: dict[EngineName, DeadCount] = {}
        self._counted_at: dict[EngineName, float] = {}
        self._reads = False

    @property
    def shown_layers(self) -> "dict[EngineName, FirstLayer]":
        """The layers to draw: of a past epoch, those of the engines that have done it."""
        past = self._watch.shown.past
        if past is None:
            return self.layers
        return {name: one for name, one in self.layers.items() if name in past.checkpoints}

    @property
    def units(self) -> int:
        """Units of the first layer; 0 before its first weights."""
        return max((len(layer.tiles) for layer in self.layers.values()), default=0)

    def dead_count(self, name: EngineName) -> "DeadCount | None":
        """Return the dead units; None before they have been counted.

        Of now they may be some seconds old; of a past epoch they are its own.
        """
        count, layer = self.dead.get(name), self.layers.get(name)
        is_past = self._watch.shown.epoch is not None
        is_other = count is not None and layer is not None and count.step != layer.shown.step
        return None if is_past and is_other else count

    def dead_units(self, name: EngineName) -> set[int]:
        """Return the first layer's dead units; none before they have been counted."""
        count = self.dead_count(name)
        return {int(unit) for unit in count.layers[0].nonzero()[0]} if count else set()

    def ask(self) -> None:
        """Ask the trainers for copies, which they make between two batches."""
        session = self._watch.session
        if session and not session.ended and self._watch.shown.epoch is None:
            session.ask_for_weights()

    def has_news(self) -> bool:
        """Return whether `read` has anything to do."""
        return not self._reads and any(
            self._is_new(one) or self._is_due(one) for one in self._all()
        )

    async def read(self, draw: Callable[[], None]) -> None:
        """Make tiles of new weights in a thread and draw them, then count dead units and draw."""
        from mlpwatch.core.analysis.weight_tiles import (  # noqa: PLC0415 - first frame
            count_dead,
            first_layer,
            units_over_plane,
        )

        session = self._watch.session
        if session is None or self._reads:
            return
        data, self._reads = session.dataset, True
        try:
            while True:
                # A key may move to another epoch meanwhile: only the newest is drawn.
                while news := [one for one in self._all() if self._is_new(one)]:
                    for one in news:
                        self.layers[one.engine] = await (
                            asyncio.to_thread(units_over_plane, one, session.config)
                            if data.are_points
                            else asyncio.to_thread(first_layer, one, data.image_shape)
                        )
                draw()
                due = next(filter(self._is_due, self._all()), None)
                if due is None:
                    break
                self._counted_at[due.engine] = monotonic()
                images = data.validation_images
                self.dead[due.engine] = await asyncio.to_thread(count_dead, due, images)
        except (MemoryError, RuntimeError) as error:
            # PyTorch raises RuntimeError if memory runs out. Training continues, and newer
            # weights are read again.
            if state := self._watch.state:
                fault = f"the weights could not be read: {error or 'out of memory'}"
                state.say(fault, bad=True, where="weights")
        finally:
            self._reads = False

    def _all(self) -> "list[WeightSnapshot]":
        session = self._watch.session
        if session is None:
            return []
        latest = (self._watch.shown.snapshot(name) for name in session.config.engine_names)
        return [one for one in latest if one is not None]

    def _is_new(self, shown: "WeightSnapshot") -> bool:
        layer = self.layers.get(shown.engine)
        return layer is None or layer.shown.step != shown.step

    def _is_due(self, shown: "WeightSnapshot") -> bool:
        """Return whether to count dead units, for a network that may have some."""
        session, count = self._watch.session, self.dead.get(shown.engine)
        if session is None or session.config.activation != "relu" or not session.config.hidden:
            return False
        if self._watch.shown.epoch is not None:
            return count is None or count.step != shown.step
        rested = monotonic() - self._counted_at.get(shown.engine, -DEAD_SECONDS)
        return rested >= DEAD_SECONDS and (count is None or count.step != shown.step)
