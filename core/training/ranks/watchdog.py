"""Signs of life of all ranks, and which of them keeps the others waiting."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event as Flag
from threading import Thread
from time import monotonic
from typing import Protocol

from mlpwatch.core.training.ranks.exchange import RankExchange

BEAT_SECONDS = 0.25
"""Time between two signs of life: a text of 20 bytes to the store, where the ranks met."""

SILENT_SECONDS = 10.0
"""A rank is named once the others have waited for it so long."""

GONE_SECONDS = 0.75
"""After an error in a sum: a rank that gives no sign of life for so long is the one that ended.
The launcher ends the others soon, and they have 1.2 s to save and to say why."""


class Store(Protocol):
    """Small texts that all ranks can read."""

    def set(self, key: str, value: str) -> None:
        """Store a text."""

    def get(self, key: str) -> bytes:
        """Return a text; wait until there is one."""


class Watchdog:
    """Sends the signs of life of one rank; in rank 0 it also reads those of the others.

    Args:
        store: where the ranks met.
        exchanges: of this rank's engines.
    """

    def __init__(self, store: Store, exchanges: Sequence[RankExchange]) -> None:
        self._store, self._exchanges = store, exchanges
        self.rank, self._size = exchanges[0].rank, exchanges[0].size
        self.on_silence: Callable[[str], None] = lambda _text: None
        """Called in rank 0 with a line for the user."""
        self.on_gone: Callable[[], None] = lambda: None
        """Called once if the launcher is gone."""
        self._parent = os.getppid()
        self._beats = 0
        self._heard: dict[int, tuple[bytes, float]] = {}
        """The newest sign of each other rank, and when it was new."""
        self._named: tuple[int, float] | None = None
        """The rank that was named, and since when it is waited for."""
        self._closing = Flag()
        self._thread = Thread(target=self._work, name="rank-watchdog", daemon=True)
        for exchange in exchanges:
            exchange.explain = self.explain

    def start(self) -> None:
        """Send the first sign, and start."""
        self._beat()
        self._thread.start()

    def close(self) -> None:
        """End the thread soon."""
        self._closing.set()

    def explain(self, error: Exception) -> str:
        """Return which rank has ended, after an error in a sum; waits for up to a second."""
        until = monotonic() + GONE_SECONDS + BEAT_SECONDS
        while monotonic() < until and not self._closing.wait(BEAT_SECONDS / 4):
            with suppress(RuntimeError):
                self._listen()
            if len(gone := self._silent_for(GONE_SECONDS)) == 1:
                return f"rank {gone[0]} has ended"
        return f"another rank has ended: {' '.join(str(error).split())[:120]}"

    def _work(self) -> None:
        while not self._closing.wait(BEAT_SECONDS):
            try:
                self._beat()
                if self.rank == 0:
                    self._listen()
                    self._look()
            except RuntimeError:  # the launcher, which keeps the store, or rank 0 is gone
                self.on_gone()
                return
            if "TORCHELASTIC_RUN_ID" in os.environ and os.getppid() != self._parent:
                self.on_gone()
                return

    def _beat(self) -> None:
        self._beats += 1
        steps = " ".join(str(one.steps) for one in self._exchanges)
        self._store.set(f"beat/{self.rank}", f"{self._beats} {steps}")

    def _listen(self) -> None:
        for rank in range(self._size):
            if rank == self.rank:
                continue
            sign, before = self._store.get(f"beat/{rank}"), self._heard.get(rank)
            if before is None or before[0] != sign:
                self._heard[rank] = (sign, monotonic())

    def _silent_for(self, seconds: float) -> list[int]:
        now = monotonic()
        return [rank for rank, (_, at) in self._heard.items() if now - at >= seconds]

    def _look(self) -> None:
        """Name the rank that a sum waits for, once it takes long; say it when it answers."""
        waits = [(one.waits_since, k) for k, one in enumerate(self._exchanges) if one.waits_since]
        if self._named and not any(since == self._named[1] for since, _ in waits):
            rank, since = self._named
            self._named = None
            self.on_silence(f"rank {rank} answers again, after {monotonic() - since:.0f} s")
        if not waits:
            return
        since, k = min(waits)
        waited = monotonic() - (since or 0.0)
        if self._named or waited < SILENT_SECONDS:
            return
        late = self._silent_for(SILENT_SECONDS / 2) or self._behind(k)
        if late:
            self._named = late[0], since or 0.0
            self.on_silence(
                f"rank {late[0]} has not answered for {waited:.0f} s; the others wait for it"
            )

    def _behind(self, k: int) -> list[int]:
        """Return the ranks that live, but have not begun the sum of the k-th engine."""
        own = self._exchanges[k].steps
        return [rank for rank, (sign, _) in self._heard.items() if int(sign.split()[1 + k]) < own]
