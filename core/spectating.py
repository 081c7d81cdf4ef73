"""A process that only looks: it gives no order and changes no file.

Screens refuse by the names of their actions, followers refuse orders. Below both, Python's audit
events stop whatever was forgotten: this process opens no file for writing, renames and removes
none, and starts no program.
"""

import errno
import os
import sys

LOOKS_ONLY = "spectators look only; start serve with --control, or attach without --spectate"
"""What a spectator reads who wants to change something."""

_REFUSED = frozenset((
    "os.chmod", "os.chown", "os.exec", "os.fork", "os.forkpty", "os.link", "os.mkdir",
    "os.posix_spawn", "os.remove", "os.removexattr", "os.rename", "os.rmdir", "os.setxattr",
    "os.symlink", "os.system", "os.truncate", "os.utime", "pty.spawn", "socket.bind",
    "subprocess.Popen",
))  # fmt: skip

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC

_DEVICES = (os.devnull, "/dev/tty")


class _Process:
    """What holds for this process."""

    looks_only = False
    has_hook = False


def look_only() -> None:
    """From now on this process changes nothing."""
    _Process.looks_only = True
    # Importing writes bytecode, and would report each file that it may not write.
    sys.dont_write_bytecode = True
    if not _Process.has_hook:
        _Process.has_hook = True
        sys.addaudithook(_refuse_changes)


def looks_only() -> bool:
    """Return whether this process is a spectator's."""
    return _Process.looks_only


def _refuse_changes(event: str, arguments: tuple[object, ...]) -> None:
    """Stop what would change something.

    Raises:
        PermissionError: it would.
    """
    if not _Process.looks_only:
        return
    if event == "open":
        path, _mode, flags = arguments
        is_file = isinstance(path, str | bytes) and os.fsdecode(path) not in _DEVICES
        if not is_file or not isinstance(flags, int) or not flags & _WRITES:
            return
    elif event == "socket.connect":
        # The run's own socket says how it stands. No other machine is asked.
        if isinstance(arguments[1], str | bytes):
            return
    elif event not in _REFUSED:
        return
    raise PermissionError(errno.EACCES, LOOKS_ONLY)
