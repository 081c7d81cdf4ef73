"""Orders from another process: what is obeyed, what is refused, and who may give them."""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.remote import server as command_server
from mlpwatch.core.remote.client import CommandClient
from mlpwatch.core.remote.protocol import (
    MAX_LINE_BYTES,
    Command,
    Status,
    encode_answer,
    encode_command,
    parse_answer,
    parse_command,
)
from mlpwatch.core.remote.server import MOST_PEERS, CommandServer
from mlpwatch.core.remote.sockets import connect
from mlpwatch.core.runs.layout import SOCKET_NAME
from mlpwatch.core.training.session import Session
from tests.support.waiting import wait_until

SECONDS = 30.0


@dataclass
class ObedientSession:
    """Notes the orders that a session takes."""

    folder: Path
    config: RunConfig = field(default_factory=RunConfig)
    orders: list[tuple[object, ...]] = field(default_factory=list)
    steps_per_second: float | None = None
    waiting: set[EngineName] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Have a run."""
        self.run = SimpleNamespace(path=self.folder)

    def pause(self, *engines: EngineName) -> None:
        self.orders.append(("pause", *engines))
        self.waiting |= set(engines or self.config.engine_names)

    def resume(self, *engines: EngineName) -> None:
        self.orders.append(("resume", *engines))

    def step(self) -> None:
        self.orders.append(("step",))

    def save(self) -> None:
        self.orders.append(("save",))

    def stop(self) -> None:
        self.orders.append(("stop",))

    def set_steps_per_second(self, limit: float | None) -> None:
        self.steps_per_second = limit
        self.orders.append(("limit", limit))

    def paused(self, engine: EngineName) -> bool:
        return engine in self.waiting

    def threads(self, _engine: EngineName) -> int:
        return 3


@pytest.fixture
def session(tmp_path: Path) -> ObedientSession:
    return ObedientSession(tmp_path)


@pytest.fixture
def server(session: ObedientSession) -> Iterator[CommandServer]:
    server = CommandServer(cast("Session", session))
    server.start()
    yield server
    server.close()


def ask(folder: Path, line: bytes) -> bytes:
    """Send bytes as any program could; return the answer, or nothing if it is hung up on."""
    with connect(folder, SECONDS) as peer, suppress(ConnectionError):
        peer.sendall(line)
        return peer.makefile("rb").readline()
    return b""


ORDERS = [
    Command("status"),
    Command("pause", ("numpy",)),
    Command("resume", ("numpy", "torch")),
    Command("step"),
    Command("save"),
    Command("limit", steps_per_second=2.5),
    Command("limit"),
    Command("stop"),
]


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_goes_there_and_back(order: Command) -> None:
    assert parse_command(encode_command(order).strip()) == order


def test_a_status_goes_there_and_back() -> None:
    status = Status(7, ("torch",), {"numpy": 1, "torch": 2}, 50.0)
    assert parse_answer(encode_answer(status)) == status
    assert parse_answer(encode_answer("no")) == "no"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"", "Expecting value"),
        (b"[]", "where an object was expected"),
        (b"{}", "expected one of status, pause"),
        (b'{"order":"format c:"}', "expected one of status, pause"),
        (b'{"order":"pause","engines":"numpy"}', "expected a list of numpy and torch"),
        (b'{"order":"pause","engines":["jax"]}', "expected one of numpy, torch"),
        (b'{"order":"pause","engines":["numpy","numpy","torch"]}', "expected a list"),
        (b'{"order":"stop","engines":["numpy"]}', "order 'stop' has none such"),
        (b'{"order":"limit"}', "steps_per_second 'missing': expected a number"),
        (b'{"order":"limit","steps_per_second":0}', "a number above 0"),
        (b'{"order":"limit","steps_per_second":-1}', "a number above 0"),
        (b'{"order":"limit","steps_per_second":1e9}', "up to 1,000,000"),
        (b'{"order":"limit","steps_per_second":NaN}', "NaN is not JSON"),
        (b'{"order":"limit","steps_per_second":true}', "expected a number"),
        (b"[" * 4000, "nested too deeply"),
        (b"\xff\xfe", "can't decode"),
    ],
)
def test_what_is_no_order_is_refused_by_name(line: bytes, fault: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        parse_command(line)
    assert fault in str(caught.value)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parsers_fail_otherwise(raw: bytes) -> None:
    for parse in (parse_command, parse_answer):
        with suppress(ValueError):
            parse(raw)


def test_orders_reach_the_session(server: CommandServer, session: ObedientSession) -> None:
    assert server
    failures: list[str] = []
    client = CommandClient(session.folder, failures.append)
    client.start()
    for order in ORDERS:
        client.send(order)
    client.close()
    client.join(SECONDS)
    wanted = [
        ("pause", "numpy"), ("resume", "numpy", "torch"), ("step",), ("save",),
        ("limit", 2.5), ("limit", None), ("stop",),
    ]  # fmt: skip
    assert session.orders == wanted
    assert failures == []
    assert client.status == Status(os.getpid(), ("numpy",), {"numpy": 3, "torch": 3}, None)


def test_only_the_owner_may_use_the_socket(
    server: CommandServer, session: ObedientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server
    found = (session.folder / SOCKET_NAME).stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    monkeypatch.setattr("mlpwatch.core.remote.sockets.os.geteuid", lambda: os.getuid() + 1)
    assert ask(session.folder, encode_command(Command("stop"))) == b""
    assert session.orders == []


def test_a_folder_with_a_long_path_has_a_socket_too(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    session = ObedientSession(folder)
    server = CommandServer(cast("Session", session))
    server.start()
    assert b'"ok":true' in ask(folder, encode_command(Command("step")))
    server.close()
    assert session.orders == [("step",)]
    assert not (folder / SOCKET_NAME).exists()


def test_a_socket_that_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    here = os.open(tmp_path, os.O_RDONLY)
    left.bind(f"/proc/self/fd/{here}/{SOCKET_NAME}")
    os.close(here)
    left.close()
    with pytest.raises(ConnectionRefusedError):
        connect(tmp_path, SECONDS)
    session = ObedientSession(tmp_path)
    server = CommandServer(cast("Session", session))
    server.start()
    assert b'"ok":true' in ask(tmp_path, encode_command(Command("status")))
    server.close()


def test_a_folder_that_can_have_no_socket_stops_nothing(tmp_path: Path) -> None:
    server = CommandServer(cast("Session", ObedientSession(tmp_path / "not there")))
    server.start()
    server.close()


@pytest.mark.parametrize(
    ("garbage", "fault"),
    [
        (b"\x00" * 300 + b"\n", b"Expecting value"),
        (b"GET / HTTP/1.1\r\n\r\n", b"Expecting value"),
        (b"x" * MAX_LINE_BYTES, b"expected one order"),
        (b'{"order":"pause","engines":["torch"]}\n', b"this run trains numpy"),
    ],
)
def test_garbage_is_told_and_dropped_and_the_next_is_served(
    tmp_path: Path, garbage: bytes, fault: bytes
) -> None:
    session = ObedientSession(tmp_path, RunConfig(only="numpy"))
    server = CommandServer(cast("Session", session))
    server.start()
    with connect(tmp_path, SECONDS) as peer:
        peer.sendall(garbage)
        received = peer.makefile("rb").read()  # to the end: it hangs up
    assert b'"ok":false' in received
    assert fault in received
    assert b'"ok":true' in ask(tmp_path, encode_command(Command("status")))
    server.close()
    assert session.orders == []


def test_one_peer_too_many_is_hung_up_on(server: CommandServer, session: ObedientSession) -> None:
    assert server
    peers = [connect(session.folder, SECONDS) for _ in range(MOST_PEERS)]
    for peer in peers:
        peer.sendall(encode_command(Command("status")))
        assert peer.recv(MAX_LINE_BYTES)
    assert ask(session.folder, encode_command(Command("status"))) == b""
    for peer in peers:
        peer.close()
    wait_until(lambda: not server._received)
    assert b'"ok":true' in ask(session.folder, encode_command(Command("status")))


def test_a_peer_that_takes_no_answer_is_dropped(
    server: CommandServer, session: ObedientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_server, "ROUND_SECONDS", 0.0)
    with connect(session.folder, SECONDS) as deaf:
        with suppress(OSError):
            while server._received or not session.orders:
                deaf.sendall(encode_command(Command("step")) * 20)
        wait_until(lambda: not server._received)


def test_nobody_there_is_a_failure_in_words(tmp_path: Path) -> None:
    failures: list[str] = []
    client = CommandClient(tmp_path, failures.append)
    client.start()
    client.send(Command("save"))
    client.close()
    client.join(SECONDS)
    assert failures == [
        "save did not arrive: no answer from the process that trains it: no such file or directory"
    ]
    assert client.status is None
