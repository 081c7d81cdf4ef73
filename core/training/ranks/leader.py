"""Rank 0: it keeps the run, and the other ranks follow it step by step."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.errors import InputError
from mlpwatch.core.events import Notice
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.runs.checkpoints import Position
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.ranks.connection import (
    PLAN_KEY,
    READY_KEY,
    RankPlan,
    Start,
    check_for_ranks,
    connect_ranks,
    interruptible,
)
from mlpwatch.core.training.ranks.exchange import RankExchange, RankLostError
from mlpwatch.core.training.ranks.meter import RankMeter
from mlpwatch.core.training.ranks.watchdog import Watchdog
from mlpwatch.core.training.rates import Past
from mlpwatch.core.training.session import Session

if TYPE_CHECKING:
    from mlpwatch.core.training.ranks.torch_processes import Processes


class RankedSession(Session):
    """A session whose engines train together with those of other processes.

    The others do what this one does: its trainers take a step, and the others, which wait in the
    sum of that step, take it too. So pause, single step and stop need no message.
    """

    exchanges: Mapping[EngineName, RankExchange]
    watchdog: Watchdog

    def attach_ranks(
        self, exchanges: Mapping[EngineName, RankExchange], watchdog: Watchdog
    ) -> None:
        """Set what connects the ranks; call it before `start`."""
        self.exchanges, self.watchdog = exchanges, watchdog
        watchdog.on_silence = self._warn
        watchdog.on_gone = partial(self._end, "the process that started the ranks is gone")
        self._has_said_why = False
        for name, exchange in exchanges.items():
            before = self._positions.get(name, Position()).step
            meter = RankMeter(name, exchange.size, self.config.batch_size)
            exchange.on_step = partial(self._add_step, exchange, meter, before)

    def start(self) -> None:
        """See `Session`."""
        self.watchdog.start()
        super().start()

    def _train(self, name: EngineName) -> None:
        super()._train(name)
        with suppress(RankLostError):
            self.exchanges[name].end()

    def _add_step(
        self,
        exchange: RankExchange,
        meter: RankMeter,
        before: int,
        times: NDArray[np.floating],
        idle: float,
    ) -> None:
        if measured := meter.add(times, idle, before + exchange.steps):
            self.mailbox.put(measured)
        # A launcher that is stopped asks all ranks; this one's signals are handled elsewhere.
        if times[:, 2].any() and self._stopped_at == math.inf:
            rank = int(times[:, 2].argmax())
            self._end(f"rank {rank} was asked to stop")

    def _end(self, why: str) -> None:
        if not self._has_said_why:
            self._has_said_why = True
            self._warn(f"{why}: the run is saved and ends")
        self.stop()

    def _warn(self, text: str) -> None:
        self.mailbox.put(Notice(text, is_bad=True))


class RankLeader:
    """Satisfies `core.training.launch.Leader`.

    Args:
        processes: all ranks; this one is 0.
    """

    def __init__(self, processes: "Processes") -> None:
        self._processes = processes
        self.size = processes.size
        self._has_said = False

    def agree(
        self, config: RunConfig, dataset: Dataset, positions: Mapping[EngineName, Position]
    ) -> None:
        """See `Leader`.

        Raises:
            ConfigError: the settings need a single process.
            InputError: another rank can't train; the message has its reason.
        """
        check_for_ranks(config)
        at = {name: positions.get(name, Position()) for name in config.engine_names}
        # One update per step.
        starts = {name: Start(one.epoch, one.batch, one.step) for name, one in at.items()}
        store = self._processes.store
        store.set(PLAN_KEY, RankPlan(config, dataset.sha256, starts).to_text())
        self._has_said, self._starts = True, starts
        for rank in range(1, self.size):
            ready = interruptible(partial(store.get, READY_KEY.format(rank=rank)))
            if fault := ready.decode():
                raise InputError(f"rank {rank}: {fault}")

    def refuse(self) -> None:
        """End the other ranks, if they wait for a plan: this one can't start."""
        if not self._has_said:
            self._processes.store.set(PLAN_KEY, "")

    def session(
        self,
        config: RunConfig,
        dataset: Dataset,
        engines: Mapping[EngineName, Engine],
        run: Run,
        positions: Mapping[EngineName, Position] | None = None,
        *,
        notes: Sequence[str] = (),
        past: Past | None = None,
    ) -> Session:
        """See `Leader`."""
        exchanges = interruptible(partial(connect_ranks, self._processes, engines, self._starts))
        session = RankedSession(config, dataset, engines, run, positions, notes=notes, past=past)
        watchdog = Watchdog(self._processes.store, list(exchanges.values()))
        session.attach_ranks(exchanges, watchdog)
        return session
