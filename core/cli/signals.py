"""Signals that end or save a run without a screen. Imports nothing that takes time."""

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
"""Save and end."""

PATIENT_SIGNALS = (signal.SIGHUP, signal.SIGXCPU)
"""The system sends these several times: a second one does not ask to leave at once."""

SAVING_CPU_SECONDS = 4
"""Processor time of each core that is kept for saving, below a limit at which the system kills."""

IMPATIENT_SECONDS = 0.1
"""A signal that follows the first one sooner is the same one, sent twice: `timeout` sends SIGTERM
to its child and then to the child's group, a shell passes on the hangup that the kernel sent."""

_NOTHING_LOST = b"stopped while loading: nothing was trained, nothing is lost\n"


class StopRequest:
    """Whether, and by which signal, the run was asked to stop."""

    def __init__(self) -> None:
        self.flag = Flag()
        self.saves = Flag()
        """SIGUSR1 came: save, and train on."""
        self.signal: int | None = None
        self.received_at = -math.inf
        """On the monotonic clock."""
        self.leave_by = math.inf
        """On the monotonic clock: the end of the time that a signal leaves for saving."""
        self.is_loading = True
        """Until training starts there is nothing to save: the first signal leaves at once."""

    @property
    def exit_status(self) -> int:
        """128 plus the signal's number, as shells have it; 0 without one."""
        return 128 + self.signal if self.signal else 0

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Note the first signal; while loading, and at a second one, leave at once."""
        if self.is_loading:
            # Not through sys.stderr: what the signal interrupted may be writing there.
            with suppress(OSError):
                os.write(2, _NOTHING_LOST)
        if self.is_loading or is_impatient(number, self.received_at):
            os._exit(128 + number)
        if self.signal is None:
            self.signal, self.received_at = number, monotonic()
            self.leave_by = self.received_at + LEAVE_SECONDS
            self.flag.set()

    def receive_save(self, _number: int, _frame: FrameType | None) -> None:
        """Note that a checkpoint is wanted. While loading there is nothing to save."""
        if not self.is_loading:
            self.saves.set()


def is_impatient(number: int, first_at: float) -> bool:
    """Return whether a further signal asks to leave at once; a `PATIENT_SIGNALS` never does.

    Args:
        number: of the signal that has come just now.
        first_at: when the first one came, on the monotonic clock; -inf if this is the first.
    """
    is_second = first_at > -math.inf and number not in PATIENT_SIGNALS
    return is_second and monotonic() - first_at > IMPATIENT_SECONDS


def keep_time_to_save() -> None:
    """Let SIGXCPU come some seconds of processor time before the limit at which the system kills.

    `ulimit -t` sets both limits to the same value: the system then kills without a warning.
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
    # Under nohup a hangup is ignored on purpose: the run is to outlive its terminal.
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
