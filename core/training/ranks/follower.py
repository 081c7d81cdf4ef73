"""The ranks above 0: they load the same data, compute their share of each step, write nothing."""

import os
import signal
from collections.abc import Iterator
from threading import Thread, Timer
from types import FrameType
from typing import TYPE_CHECKING

from mlpwatch.core.arrays import Rows
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset, batch_order, dataset_for, steps_per_epoch
from mlpwatch.core.errors import DataError, MlpwatchError, error_text
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.scheduling import available_cores, share_interpreter
from mlpwatch.core.training.launch import build_engines
from mlpwatch.core.training.ranks.connection import (
    PLAN_KEY,
    READY_KEY,
    RankPlan,
    Start,
    connect_ranks,
    interruptible,
)
from mlpwatch.core.training.ranks.exchange import RankExchange, RankLostError, RanksEndedError
from mlpwatch.core.training.ranks.watchdog import Watchdog

if TYPE_CHECKING:
    from mlpwatch.core.training.ranks.torch_processes import Processes

GRACE_SECONDS = 5.0
"""After a signal, rank 0 saves and ends the run; a rank that it does not reach ends by itself."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Follower:
    """One rank above 0.

    Args:
        processes: all ranks.
    """

    def __init__(self, processes: "Processes") -> None:
        self._processes = processes
        self._exchanges: dict[EngineName, RankExchange] = {}
        self._working: set[EngineName] = set()
        self._is_lost = False

    def run(self) -> int:
        """Follow rank 0 to its end; return the exit status."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._receive)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        return interruptible(self._run)

    def _run(self) -> int:
        processes = self._processes
        plan = RankPlan.from_text(processes.store.get(PLAN_KEY))
        if plan is None:
            return 0
        ready = READY_KEY.format(rank=processes.rank)
        try:
            dataset = self._load(plan)
            engines = build_engines(plan.config, dataset, lambda _text: None)
        except Exception as error:  # rank 0 says it
            processes.store.set(ready, error_text(error))
            return error.exit_status if isinstance(error, MlpwatchError) else 1
        processes.store.set(ready, "")
        try:
            self._exchanges = connect_ranks(processes, engines, plan.starts)
        except RuntimeError:  # rank 0 could not make the run, and has said why
            return 1
        self._follow(plan, dataset, engines)
        return int(self._is_lost)

    def _load(self, plan: RankPlan) -> Dataset:
        dataset = dataset_for(plan.config)
        if dataset.sha256 != plan.sha256:
            raise DataError(
                f"{plan.config.data} holds other data here than where rank 0 is: copy it from there"
            )
        return dataset

    def _follow(self, plan: RankPlan, dataset: Dataset, engines: dict[EngineName, Engine]) -> None:
        share_interpreter()
        watchdog = Watchdog(self._processes.store, list(self._exchanges.values()))
        watchdog.on_gone = self._ask_to_stop
        watchdog.start()
        self._working = set(engines)
        threads = [
            Thread(target=self._train, args=(plan, dataset, engine), daemon=True)
            for engine in engines.values()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        watchdog.close()

    def _train(self, plan: RankPlan, dataset: Dataset, engine: Engine) -> None:
        exchange = self._exchanges[engine.name]
        threads = 0
        try:
            for rows in rows_from(plan.config, dataset, plan.starts[engine.name]):
                if threads != (threads := self._threads(plan.config, engine.name)):
                    engine.use_threads(threads)
                engine.train_batch(rows)
                engine.take_losses()
            exchange.await_end()
        except RanksEndedError:
            pass
        except RankLostError:
            self._is_lost = True
        self._working.discard(engine.name)

    def _threads(self, config: RunConfig, name: EngineName) -> int:
        """Return an engine's threads: PyTorch gets NumPy's cores too when that ends."""
        cores = config.threads or available_cores()
        shares = 1 if name == "torch" and "numpy" not in self._working else len(self._exchanges)
        return max(1, cores // shares)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if not self._exchanges:
            os._exit(128 + number)
        self._ask_to_stop()
        timer = Timer(GRACE_SECONDS, os._exit, [128 + number])
        timer.daemon = True
        timer.start()

    def _ask_to_stop(self) -> None:
        for exchange in self._exchanges.values():
            exchange.is_asked_to_stop = True


def rows_from(config: RunConfig, dataset: Dataset, start: Start) -> Iterator[Rows]:
    """Yield the rows (batch,) of each step to the planned end; the same in every rank."""
    count, size = dataset.train_count, config.batch_size
    for epoch in range(start.epoch, config.epochs):
        order = batch_order(config.seed, epoch, count)
        first = start.batch if epoch == start.epoch else 0
        for batch in range(first, steps_per_epoch(count, size)):
            yield order[batch * size : (batch + 1) * size]
