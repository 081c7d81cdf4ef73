"""Signals that end or save a run without a screen. Imports nothing slow."""

import math
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event as Flag
from time import monotonic
from types import FrameType

from mlpwatch.core.scheduling import available_cores
from mlpwatch.core.training.control import LEAVE_SECONDS

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)
"""Signals that save and end the run."""

PATIENT_SIGNALS = (signal.SIGHUP, signal.SIGXCPU)
"""The system sends these several times, so a second one does not mean "exit at once"."""

SAVING_CPU_SECONDS = 4
"""Processor time per core reserved for saving, below the limit at which the system kills."""

IMPATIENT_SECONDS = 0.1
"""A second signal within this time is the first one sent twice: `timeout` sends SIGTERM to its
child and then to the child's group, and a shell repeats the kernel's hangup."""

_NOTHING_LOST = b"stopped while loading: nothing was trained, nothing is lost\n"


class StopRequest:
    """Whether a signal has asked the run to stop, and which."""

    def __init__(self) -> None:
        self.flag = Flag()
        self.saves = Flag()
        """Set by SIGUSR1: save and continue training."""
        self.signal: int | None = None
        self.received_at = -math.inf
        """Time of the first signal on the monotonic clock."""
        self.leave_by = math.inf
        """End of the time for saving after a signal, on the monotonic clock."""
        self.is_loading = True
        """Before training there is nothing to save: the first signal exits at once."""

    @property
    def exit_status(self) -> int:
        """128 plus the signal's number, as in shells; 0 without a signal."""
        return 128 + self.signal if self.signal else 0

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Record the first signal. Exit at once while loading, or at a second signal."""
        if self.is_loading:
            # Not through sys.stderr: the interrupted code may be writing to it.
            with suppress(OSError):
                os.write(2, _NOTHING_LOST)
        if self.is_loading or is_impatient(number, self.received_at):
            os._exit(128 + number)
        if self.signal is None:
            self.signal, self.received_at = number, monotonic()
            self.leave_by = self.received_at + LEAVE_SECONDS
            self.flag.set()

    def receive_save(self, _number: int, _frame: FrameType | None) -> None:
        """Record a request for a checkpoint. While loading there is nothing to save."""
        if not self.is_loading:
            self.saves.set()


def is_impatient(number: int, first_at: float) -> bool:
    """Return whether a further signal means "exit at once"; one of `PATIENT_SIGNALS` never does.

    Args:
        number: of the signal that has just arrived.
        first_at: time of the first signal on the monotonic clock; -inf if this is the first.
    """
    is_second = first_at > -math.inf and number not in PATIENT_SIGNALS
    return is_second and monotonic() - first_at > IMPATIENT_SECONDS


def keep_time_to_save() -> None:
    """Make SIGXCPU arrive some seconds of processor time before the system kills at the limit.

    `ulimit -t` sets both limits to the same value: then the system kills without a warning.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard == resource.RLIM_INFINITY or soft < hard:
        return
    kept = min(hard // 4, SAVING_CPU_SECONDS * available_cores())
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (max(1, hard - kept), hard))


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn signals into a `StopRequest` while the block runs."""
    request = StopRequest()
    keep_time_to_save()
    # nohup ignores hangups on purpose: the run should outlive its terminal.
    ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
    before = {
        number: signal.signal(number, request.receive)
        for number in STOP_SIGNALS
        if number not in ignored
    }
    before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, request.receive_save)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
