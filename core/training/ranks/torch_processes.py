"""torch.distributed: the launcher, the meeting of the ranks, and the sum over them.

Beside `core.network.torch_mlp` the only module that imports torch.
"""

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from mlpwatch.core.config import EngineName
from mlpwatch.core.errors import MlpwatchError
from mlpwatch.core.training.ranks.watchdog import Store

MEET_SECONDS = 300.0
"""Longest wait at the start for the address at which the ranks meet."""

NO_LIMIT = timedelta(days=365)
"""A paused run waits in a sum; `Watchdog` says which rank is missing."""


class LaunchError(MlpwatchError):
    """The ranks could not be started, or did not meet."""


class TorchVector:
    """Satisfies `SummedVector`.

    Args:
        buffer: a NumPy array (gradient and numbers), summed without a copy, or PyTorch's tensor.
        spare: how many numbers are behind the gradient.
        group: the ranks that sum it.
    """

    def __init__(
        self, buffer: object, spare: int, group: "distributed.ProcessGroup | None"
    ) -> None:
        self._vector = buffer if isinstance(buffer, Tensor) else torch.from_numpy(buffer)
        self._group = group
        self._behind = self._vector[-spare:]
        self._is_far = self._vector.device.type != "cpu"
        near = torch.zeros(spare, dtype=self._vector.dtype) if self._is_far else self._behind
        self.tail: NDArray[np.floating] = near.numpy()

    def sum(self) -> None:
        """See `SummedVector`."""
        if self._is_far:
            self._behind.copy_(torch.from_numpy(self.tail))
        distributed.all_reduce(self._vector, group=self._group)
        if self._is_far:
            self.tail[:] = self._behind.cpu().numpy()


class Processes:
    """This process among all ranks; see `join`.

    Args:
        rank: of this process.
        size: number of ranks.
        store: small texts that all ranks can read.
    """

    def __init__(self, rank: int, size: int, store: Store) -> None:
        self.rank, self.size, self.store = rank, size, store
        self._groups: dict[EngineName, distributed.ProcessGroup | None] = {}

    def make_groups(self, names: Iterable[EngineName], device: str) -> None:
        """Make a group of all ranks for each engine, so that both sum at the same time.

        Args:
            names: of the engines, in the same order in every rank.
            device: where PyTorch trains: gloo sums on the CPU, NCCL on NVIDIA's GPUs.
        """
        for name in names:
            backend = "nccl" if device == "cuda" and name == "torch" else "gloo"
            self._groups[name] = distributed.new_group(backend=backend, timeout=NO_LIMIT)

    def vector(self, name: EngineName, buffer: object, spare: int) -> TorchVector:
        """Return an engine's vector, ready to be summed."""
        return TorchVector(buffer, spare, self._groups[name])

    def broadcast(self, arrays: Iterable[NDArray[np.floating]]) -> None:
        """Copy rank 0's arrays into those of the others."""
        for array in arrays:
            distributed.broadcast(torch.from_numpy(array), src=0)

    def leave(self) -> None:
        """Close all connections."""
        with suppress(RuntimeError):
            distributed.destroy_process_group()


def join() -> Processes:
    """Meet the other ranks at MASTER_ADDR:MASTER_PORT.

    Raises:
        LaunchError: they do not come.
    """
    where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    limit = timedelta(seconds=MEET_SECONDS)
    try:
        found, rank, size = next(rendezvous("env://", timeout=limit))
        # The launcher's store outlives a restart, with the addresses of ranks that are gone.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = PrefixStore(f"attempt {attempt}", found)
        distributed.init_process_group(
            "gloo", store=store, rank=rank, world_size=size, timeout=NO_LIMIT
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise LaunchError(f"the ranks did not meet at {where}: {reason}") from None
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    # A client of its own: the threads that ask would wait for each other.
    own = found.clone() if hasattr(found, "clone") else found
    return Processes(rank, size, PrefixStore(f"attempt {attempt}", own))


def launch(ranks: int, arguments: Sequence[str]) -> int:
    """Start `mlpwatch` in `ranks` processes on this machine; return rank 0's exit status.

    torch's own launcher ends the other processes if one fails, and passes signals on.

    Args:
        ranks: number of processes.
        arguments: of `mlpwatch`.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException  # noqa: PLC0415
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # noqa: PLC0415
    from torch.distributed.launcher.api import LaunchConfig, launch_agent  # noqa: PLC0415

    # What it says of a failure are forty lines; rank 0 says it in one.
    logging.disable(logging.CRITICAL)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "lo")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
    is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=ranks, run_id=str(os.getpid()),
        rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0", local_addr="127.0.0.1", max_restarts=0,
        signals_to_handle="SIGTERM,SIGINT,SIGQUIT" + (",SIGHUP" if not is_ignored else ""),
    )  # fmt: skip
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        launch_agent(config, sys.executable, ["-m", "mlpwatch", *arguments])
    except SignalException as stopped:
        return 128 + int(stopped.sigval)
    except ChildFailedError as failed:
        return _status({rank: failure.exitcode for rank, failure in failed.failures.items()})
    return 0


def _status(exits: dict[int, int]) -> int:
    """Return the exit status for those of the ranks that failed; name those that were killed.

    Args:
        exits: by rank; negative is the signal that killed it.
    """
    killed = {rank: signal.Signals(-code).name for rank, code in exits.items() if code < 0}
    for rank, name in killed.items():
        print(f"mlpwatch: rank {rank} was killed by {name}", file=sys.stderr)  # noqa: T201
    if (first := exits.get(0, 1)) < 0:
        return 128 - first
    return 1 if killed else first
