"""The Unix socket in a run folder; the folder's path may be of any length."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOENT
from pathlib import Path
from time import monotonic, sleep

from mlpwatch.core.files.durable import OpenFolder, unlink
from mlpwatch.core.runs.layout import SOCKET_NAME

BACKLOG = 64
"""Most connections that may wait to be accepted."""

RETRY_SECONDS = 0.01
"""Time between two attempts to connect while the queue is full."""

MAX_ADDRESS_BYTES = 103
"""Longest path of a socket that every system accepts: macOS 103, Linux 107."""


def listen(path: Path, folder: OpenFolder | None) -> socket.socket:
    """Return a socket that listens in a run folder, for its owner only.

    Removes the socket of a killed process: only the process that trains may call this.

    Args:
        path: of the run's folder.
        folder: the open folder, if the run is locked.

    Raises:
        OSError: the folder can't be written or can't have sockets (FAT, some network file systems).
    """
    remove_socket(path, folder)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # On Linux the file gets this mode from the start; elsewhere the folder, 0700, keeps it.
        os.fchmod(listening.fileno(), 0o600)
        with _address(path, folder) as address:
            listening.bind(address)
            Path(address).chmod(0o600)
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def connect(folder: Path, seconds: float) -> socket.socket:
    """Return a socket that is connected to the run's socket, with a time limit on every call.

    Raises:
        OSError: no process listens there.
    """
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.settimeout(seconds)
        with _address(folder) as address:
            _connect_patiently(connected, address, monotonic() + seconds)
    except BaseException:
        connected.close()
        raise
    return connected


def _connect_patiently(connected: socket.socket, address: str, deadline: float) -> None:
    while True:
        try:
            connected.connect(address)
        except BlockingIOError:
            # Linux: `BACKLOG` connections are waiting. The server accepts them 100 times a second.
            if monotonic() > deadline:
                raise
            sleep(RETRY_SECONDS)
        else:
            return


def remove_socket(path: Path, folder: OpenFolder | None) -> None:
    """Remove the socket's file, if possible.

    Args:
        path: of the run's folder.
        folder: the open folder, if the run is locked.
    """
    with suppress(OSError):
        unlink(path / SOCKET_NAME, folder=folder)


def is_owner(peer: socket.socket) -> bool:
    """Return whether the peer is a process of the same user; True if the system does not know.

    In that case only the modes of the file and the folder keep others out.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    # struct ucred of unix(7): pid, uid, gid.
    credentials = peer.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return bool(user == os.geteuid())


@contextmanager
def _address(path: Path, folder: OpenFolder | None = None) -> Iterator[str]:
    """Yield a path of the socket that is short enough to be an address.

    Raises:
        OSError: `path` no longer leads to `folder`, and the system has no path for open folders.
    """
    address = str(path / SOCKET_NAME)
    names_folders = Path("/proc/self/fd").exists()
    if len(os.fsencode(address)) <= MAX_ADDRESS_BYTES and not (folder and names_folders):
        if folder and not folder.is_at(path):
            raise FileNotFoundError(ENOENT, os.strerror(ENOENT), str(path))
        yield address
        return
    # Linux has a path of 20 characters for an open folder. Without it the bind fails: too long.
    opened = folder or OpenFolder(path)
    yield f"/proc/self/fd/{opened.handle}/{SOCKET_NAME}"
