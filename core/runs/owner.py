"""Who trains a run: pid and host in a small file, for messages; the lock itself is the kernel's."""

import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from mlpwatch.core.files.durable import replace_durably
from mlpwatch.core.files.strict_json import JsonError, read_object, take_text, take_whole, to_json

OWNER_NAME = "owner.json"


@dataclass(frozen=True, slots=True)
class Owner:
    """One process on one machine."""

    pid: int
    host: str

    def __str__(self) -> str:
        """Return words for a message."""
        where = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"process {self.pid}{where}"

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is of another machine, where this one can't see if it lives."""
        return self.host != socket.gethostname()

    @property
    def may_live(self) -> bool:
        """Whether it runs, or may run for all that this machine can see."""
        if self.is_elsewhere:
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except (OSError, OverflowError):  # of another user, or no pid at all
            return True
        return self.pid != os.getpid()


def this_process() -> Owner:
    """Return the owner that this process is."""
    return Owner(os.getpid(), socket.gethostname())


def read_owner(folder: Path) -> Owner | None:
    """Return who trains a run or, where its process was killed, trained it last.

    None after an orderly end, and where the file can't be read: it serves messages alone.
    """
    try:
        values = read_object(folder / OWNER_NAME)
        pid, host = take_whole(values, "pid"), take_text(values, "host")
    except (OSError, ValueError, JsonError):
        return None
    return Owner(pid, host) if pid > 0 and host.isprintable() and len(host) <= _MAX_HOST else None


def write_owner(folder: Path) -> None:
    """Name this process as the one that trains a run; a full disk is no reason not to train."""
    with suppress(OSError):
        replace_durably(folder / OWNER_NAME, to_json(asdict(this_process())).encode())


def remove_owner(folder: Path) -> None:
    """Say that nobody trains a run any more, unless another process has taken it over."""
    if read_owner(folder) == this_process():
        with suppress(OSError):
            (folder / OWNER_NAME).unlink()


_MAX_HOST = 255
"""Characters of a host name, as POSIX has it."""
