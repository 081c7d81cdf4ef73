"""Several ranks as threads of one process: their sums meet at a barrier."""

from collections.abc import Callable, Sequence
from functools import partial
from threading import Barrier, Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Rows
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.network.numpy_mlp import NumpyMLP
from mlpwatch.core.network.torch_mlp import TorchMLP
from mlpwatch.core.training.ranks.exchange import RankExchange
from tests.support.samples.engines import Images, build


class Meeting:
    """The sums of one engine in all ranks, in the order of the ranks."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.vectors: list[NDArray[np.floating] | None] = [None] * size
        self._total: NDArray[np.floating] = np.zeros(0)
        self._full = Barrier(size, self._add)
        self._read = Barrier(size)

    def _add(self) -> None:
        first, *others = [one for one in self.vectors if one is not None]
        self._total = first.copy()
        # Before the first step, the gradient's memory holds anything.
        with np.errstate(all="ignore"):
            for other in others:
                self._total += other

    def sum(self, rank: int, vector: NDArray[np.floating]) -> None:
        """Replace a rank's vector by the sum."""
        self.vectors[rank] = vector
        self._full.wait(10.0)
        vector[:] = self._total
        self._read.wait(10.0)


class MetVector:
    """Satisfies `SummedVector` for one rank."""

    def __init__(self, meeting: Meeting, rank: int, buffer: object, spare: int) -> None:
        # PyTorch's tensor shares its memory with its array.
        vector: Any = buffer if isinstance(buffer, np.ndarray) else buffer.numpy()  # type: ignore[attr-defined]
        self._vector: NDArray[np.floating] = vector
        self.tail = self._vector[-spare:]
        self.sum = partial(meeting.sum, rank, self._vector)


def ranked_engine(
    name: EngineName, config: RunConfig, images: Images, meeting: Meeting, rank: int
) -> tuple[Engine, RankExchange]:
    """Build one rank's engine."""
    engine = build(name, config, images)
    assert isinstance(engine, NumpyMLP | TorchMLP)
    exchange = RankExchange(name, rank, meeting.size)
    exchange.connect(MetVector(meeting, rank, engine.exchange_with(exchange), exchange.spare))
    return engine, exchange


def in_all_ranks(size: int, work: Callable[[int], object]) -> None:
    """Do the same in a thread for each rank; raise the first error."""
    errors: list[BaseException] = []

    def guarded(rank: int) -> None:
        try:
            work(rank)
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=guarded, args=(rank,), daemon=True) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    if errors:
        raise errors[0]


def train_on_ranks(
    name: EngineName, config: RunConfig, images: Images, steps: Sequence[Rows], size: int
) -> tuple[list[Engine], list[list[float]]]:
    """Train on these batches with `size` ranks; return their engines and their losses."""
    meeting = Meeting(size)
    engines = [ranked_engine(name, config, images, meeting, rank)[0] for rank in range(size)]
    losses: list[list[float]] = [[] for _ in range(size)]

    def work(rank: int) -> None:
        for number, rows in enumerate(steps):
            # Only rank 0's learning rate counts.
            engines[rank].set_learning_rate(0.05 / (1 + number) if rank == 0 else 99.0)
            engines[rank].train_batch(rows, measured=rank == 0)
            losses[rank] += engines[rank].take_losses()

    in_all_ranks(size, work)
    return engines, losses
