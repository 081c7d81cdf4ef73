"""Both models' planes on the dashboard, computed in a thread from copies of their weights."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from mlpwatch.core.config import EngineName
from mlpwatch.core.errors import MlpwatchError
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.watch import Watch

if TYPE_CHECKING:
    from mlpwatch.core.analysis.past.past_epochs import PastEpoch
    from mlpwatch.core.analysis.plane.regions import Predict
    from mlpwatch.core.run_source import RunSource

Size = tuple[int, int]
"""Columns and rows."""

TAKE_SECONDS = 0.1
"""Time between asking for weights and reading them: a batch takes less."""


class _Asked(NamedTuple):
    """What a plane is drawn from."""

    size: Size
    epoch: int | None
    """A past one; None for the newest weights."""
    step: int
    """Of the weights; -1 without any."""
    points: int
    """0 while they are loaded."""


class Planes:
    """The newest plane of each model.

    Args:
        watch: of the run.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.canvases: dict[EngineName, Canvas] = {}
        self._asked: dict[EngineName, _Asked] = {}
        self._is_busy = False

    async def read(
        self,
        sizes: Callable[[], Mapping[EngineName, Size]],
        epoch: Callable[[], int | None],
        look: Look,
        draw: Callable[[], None],
    ) -> None:
        """Compute planes until they show what is asked for; one call at a time does the work.

        Args:
            sizes: returns the room of each model's plane, 0 while it is hidden.
            epoch: returns the past epoch to show; None for the newest weights.
            look: of the terminal.
            draw: called when a plane has changed.
        """
        session = self._watch.session
        if session is None or self._is_busy:
            return
        self._is_busy = True
        try:
            await self._compute(session, sizes, epoch, look, draw)
            if not session.ended and epoch() is None:
                session.ask_for_weights()
                await asyncio.sleep(TAKE_SECONDS)
                await self._compute(session, sizes, epoch, look, draw)
        finally:
            self._is_busy = False

    async def _compute(
        self,
        session: "RunSource",
        sizes: Callable[[], Mapping[EngineName, Size]],
        epoch: Callable[[], int | None],
        look: Look,
        draw: Callable[[], None],
    ) -> None:
        while True:
            wanted = {
                name: self._request(session, name, size, epoch())
                for name, size in sizes().items()
                if min(size) > 0
            }
            news = [name for name, asked in wanted.items() if self._asked.get(name) != asked]
            if not news:
                return
            for name in news:
                past = self._watch.shown.past
                canvas = await asyncio.to_thread(_drawn, session, name, wanted[name], past, look)
                self.canvases[name], self._asked[name] = canvas, wanted[name]
            draw()

    def _request(
        self, session: "RunSource", name: EngineName, size: Size, epoch: int | None
    ) -> _Asked:
        store, past = session.weight_store, self._watch.shown.past
        if epoch is None:
            latest = store.latest(name)
        else:
            latest = past.store.latest(name) if past and past.epoch == epoch else None
        return _Asked(size, epoch, latest.step if latest else -1, session.dataset.train_count)


def _drawn(
    session: "RunSource", name: EngineName, asked: _Asked, past: "PastEpoch | None", look: Look
) -> Canvas:
    """Return a model's plane, or why there is none."""
    from mlpwatch.core.analysis.plane.regions import regions_of  # noqa: PLC0415 - after the first frame
    from mlpwatch.tui.dashboard.plane_page import layout_in, plane_page  # noqa: PLC0415

    data, config = session.dataset, session.config
    if not data.train_count:
        return _instead(session.images_missing, asked.size)
    try:
        predict = _predictor(session, name, asked.epoch, past)
        if predict is None:
            why = "no weights yet" if asked.epoch is None else "the weights are not kept"
            return _instead(why, asked.size)
        layout = layout_in(*asked.size)
        regions = regions_of(predict, data, layout.window(config.pixel_range, look))
        return plane_page(regions, data, layout, config.pixel_range, look)
    except (MlpwatchError, OSError, MemoryError, RuntimeError) as error:
        # PyTorch raises RuntimeError if memory runs out. Training continues.
        return _instead(str(error) or "out of memory", asked.size)


def _predictor(
    session: "RunSource", name: EngineName, epoch: int | None, past: "PastEpoch | None"
) -> "Predict | None":
    from mlpwatch.core.analysis.plane.regions import predictor  # noqa: PLC0415 - after the first frame

    latest = session.weight_store.latest(name)
    if epoch is not None:
        if past is None or past.epoch != epoch or (then := past.store.latest(name)) is None:
            return None
        return predictor(session.config, name, then.weights, session.dataset)
    if latest is None:
        return None
    if session.config.network_file(name) is not None:
        # The user's own code says what it predicts: 1 ms between two batches, once a second.
        return lambda points: session.predict(name, points).result()
    return predictor(session.config, name, latest.weights, session.dataset)


def _instead(text: str, size: Size) -> Canvas:
    width, height = size
    canvas = Canvas(width, height)
    canvas.mark_cut(
        canvas.put(max(0, (width - len(text)) // 2), height // 2, text, Role.DIM), height // 2
    )
    return canvas
