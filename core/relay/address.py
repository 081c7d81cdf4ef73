"""`HOST:RUN`: which run of which machine is meant, and how its mlpwatch is started there."""

import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from mlpwatch.core.errors import InputError
from mlpwatch.core.text import printable

REMOTE_VARIABLE = "MLPWATCH_REMOTE"
"""The command that starts mlpwatch on the other machine."""

SSH_VARIABLE = "MLPWATCH_SSH"
"""The command that takes the place of `ssh`, with options: as GIT_SSH_COMMAND does for git."""

ALIVE_OPTIONS = ("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3")
"""A dead link ends ssh after 15 s; without them TCP waits for a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Address:
    """A run on another machine."""

    host: str
    """As ssh takes it: a name of its configuration, HOST or USER@HOST."""
    run: str
    """Name, or path of the folder; empty for the newest."""
    saved: str = ""
    """The folder of all runs there; empty for the default there."""
    remote: str = "mlpwatch"
    """The command that starts mlpwatch there, as its shell takes it."""

    def __str__(self) -> str:
        """Return it as it is typed, safe to print."""
        return printable(f"{self.host}:{self.run}")

    def at(self, path: str) -> "Address":
        """Return the same for a folder whose path is known: the newest run may be another later."""
        return replace(self, run=path)

    def command(self, *, asks: bool) -> list[str]:
        """Return the command that starts the relay.

        Args:
            asks: whether ssh may ask for a password or about a key on the terminal.

        Raises:
            InputError: the command in the environment can't be parsed.
        """
        try:
            ssh = shlex.split(os.environ.get(SSH_VARIABLE) or "ssh")
        except ValueError as error:
            raise InputError(f"{SSH_VARIABLE}: {error}; expected a command with options") from None
        quiet = () if asks else ("-o", "BatchMode=yes")
        words = ["relay", *(["--saved", self.saved] if self.saved else [])]
        words += ["--", self.run] if self.run else []
        there = f"{self.remote} {shlex.join(words)}"
        return [*ssh, "-T", *ALIVE_OPTIONS, *quiet, "--", self.host, there]


def parse_address(
    text: str | None, saved: Path, remote: str | None = None, saved_there: str = ""
) -> Address | None:
    """Return the run on another machine that is meant; None for one of this machine.

    What exists here wins: a folder may be named `a:b`.

    Args:
        text: as typed; None for none.
        saved: the folder of all runs here.
        remote: the command that starts mlpwatch there; None for that of the environment.
        saved_there: the folder of all runs there; empty for the default there.

    Raises:
        InputError: the name of the host can't be one.
    """
    if text is None or ":" not in text:
        return None
    if os.path.lexists(text) or os.path.lexists(saved / text):
        return None
    if text.startswith("[") and "]:" in text:
        host, _, run = text[1:].partition("]:")
    else:
        host, _, run = text.partition(":")
    if "/" in host or not host:
        return None
    if host.startswith("-") or not host.isprintable() or any(one.isspace() for one in host):
        raise InputError(f"attach {printable(text)!r}: expected HOST:RUN, like user@gpu-box:demo")
    command = remote or os.environ.get(REMOTE_VARIABLE) or "mlpwatch"
    return Address(host, run, saved_there, command)
