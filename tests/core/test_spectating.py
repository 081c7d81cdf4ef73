"""A spectator's process changes nothing, whatever its screens forget to refuse."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlpwatch.core import spectating
from mlpwatch.core.remote.client import CommandClient
from mlpwatch.core.remote.protocol import Command
from mlpwatch.core.spectating import LOOKS_ONLY, look_only, looks_only


@pytest.fixture
def spectator(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make this process a spectator's for one test; the hook stays and does nothing later."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(spectating._Process, "looks_only", True)
    look_only()
    yield
    assert looks_only()


CHANGES: dict[str, Callable[[Path], object]] = {
    "write": lambda path: path.write_text("changed"),
    "append": lambda path: path.open("a"),
    "create": lambda path: (path.parent / "new").touch(),
    "descriptor": lambda path: os.open(path, os.O_RDWR),
    "remove": lambda path: path.unlink(),
    "rename": lambda path: path.rename(path.parent / "other"),
    "replace": lambda path: path.replace(path.parent / "other"),
    "folder": lambda path: (path.parent / "folder").mkdir(),
    "link": lambda path: (path.parent / "link").symlink_to(path),
    "mode": lambda path: path.chmod(0o600),
    "size": lambda path: os.truncate(path, 0),
    "time": os.utime,
    "program": lambda _path: subprocess.Popen(["true"]),
    "shell": lambda _path: os.system("true"),
    "process": lambda _path: os.fork(),
    "network": lambda _path: socket.create_connection(("127.0.0.1", 9), 1),
    "listening": lambda _path: socket.create_server(("127.0.0.1", 0)),
}


@pytest.mark.usefixtures("spectator")
@pytest.mark.parametrize("change", CHANGES)
def test_a_spectator_changes_nothing(change: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    with pytest.MonkeyPatch.context() as before:
        before.setattr(spectating._Process, "looks_only", False)
        file.write_text("kept")
    with pytest.raises(PermissionError, match="spectators look only"):
        CHANGES[change](file)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "kept"


@pytest.mark.usefixtures("spectator")
def test_a_spectator_gives_no_order(tmp_path: Path) -> None:
    said: list[str] = []
    client = CommandClient(tmp_path, said.append)
    client.send(Command("pause"))
    assert said == [LOOKS_ONLY]
    assert client._orders.empty()
