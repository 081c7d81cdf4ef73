"""Orders from another process: what is obeyed, what is refused, and who may give them."""

import json
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.remote import server as command_server
from mlpwatch.core.remote.client import CommandClient
from mlpwatch.core.remote.protocol import (
    MAX_LINE_BYTES,
    RANGES,
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
from tests.support.waiting import wait_until

SECONDS = 30.0


@dataclass
class ObedientSession:
    """Notes the orders that a session takes."""

    folder: Path
    config: RunConfig = field(default_factory=RunConfig)
    orders: list[tuple[object, ...]] = field(default_factory=list)
    steps_per_second: float | None = None
    lockstep: bool = False
    waiting: set[EngineName] = field(default_factory=set)
    rates: dict[EngineName, float] = field(default_factory=dict)

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

    def set_lockstep(self, lockstep: bool) -> None:
        self.lockstep = lockstep
        self.orders.append(("lockstep", lockstep))

    def learning_rate(self, engine: EngineName) -> float:
        return self.rates.get(engine, 0.3)

    def set_learning_rate(self, rate: float, *engines: EngineName) -> None:
        self.rates |= dict.fromkeys(engines or self.config.engine_names, rate)
        self.orders.append(("set", rate, *engines))

    def paused(self, engine: EngineName) -> bool:
        return engine in self.waiting

    def threads(self, engine: EngineName) -> int:  # noqa: ARG002
        return 3


@pytest.fixture
def session(tmp_path: Path) -> ObedientSession:
    return ObedientSession(tmp_path)


@pytest.fixture
def server(session: ObedientSession) -> Iterator[CommandServer]:
    server = CommandServer(session, session.folder)
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
    Command("lockstep", on=True),
    Command("set", ("numpy",), learning_rate=0.05),
    Command("set", learning_rate=1e-3),
    Command("stop"),
]


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_goes_there_and_back(order: Command) -> None:
    assert parse_command(encode_command(order).strip()) == order


def test_a_status_goes_there_and_back() -> None:
    status = Status(7, ("torch",), {"numpy": 1, "torch": 2}, 50.0, True, {"numpy": 0.3})
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
        (b'{"order":"set"}', "learning_rate 'missing': expected a number"),
        (
            b'{"order":"set","learning_rate":null}',
            "learning_rate nan: expected a number from 1e-30",
        ),
        (b'{"order":"set","learning_rate":-0.1}', "from 1e-30 to 1e+30"),
        (b'{"order":"set","learning_rate":0.1,"engines":["jax"]}', "expected one of numpy, torch"),
        (b'{"order":"pause","learning_rate":0.1}', "order 'pause' has none such"),
        (b'{"order":"lockstep"}', "on None: expected true or false"),
        (b'{"order":"lockstep","on":1}', "on 1: expected true or false"),
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


def command_with(key: str, value: object) -> bytes:
    order = {"steps_per_second": "limit", "learning_rate": "set"}[key]
    return json.dumps({"order": order, key: value}).encode()


def answer_with(key: str, value: object) -> bytes:
    status = {"process": 7, "paused": [], "threads": {"numpy": 1}, "steps_per_second": None}
    of_each = key in ("threads", "learning_rates")
    status |= {key: {"numpy": value}} if of_each else {key: value}
    return json.dumps({"ok": True, "status": status}).encode()


@pytest.mark.parametrize("key", RANGES)
def test_each_number_from_outside_has_a_range(key: str) -> None:
    least, most = RANGES[key]
    parsers: list[tuple[Callable[[bytes], object], Callable[[str, object], bytes]]]
    parsers = [(parse_answer, answer_with)] if key != "learning_rate" else []
    if key in ("steps_per_second", "learning_rate"):
        parsers.append((parse_command, command_with))
    for parse, line in parsers:
        for value in (least, most):
            parse(line(key, value))
        small = 1e-10 if least > 1e-10 else 1e-31
        large = 2**63 if most < 2**63 else 2**101
        for value in (0, -1, least / 1.001, most * 1.001, small, 5e-324, 1e308, 10**400, large):
            with pytest.raises(ValueError, match=f"{key}|numpy"):
                parse(line(key, value))


def test_every_number_of_a_command_and_a_status_is_in_the_table() -> None:
    """A new field of these records needs a range, or a reason here."""
    hints = get_type_hints(Command) | get_type_hints(Status)
    numbers = {key for key, hint in hints.items() if "int" in str(hint) or "float" in str(hint)}
    assert numbers == set(RANGES)


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
        ("limit", 2.5), ("limit", None), ("lockstep", True),
        ("set", 0.05, "numpy"), ("set", 1e-3), ("stop",),
    ]  # fmt: skip
    assert session.orders == wanted
    assert failures == []
    assert client.status == Status(
        os.getpid(),
        ("numpy",),
        {"numpy": 3, "torch": 3},
        None,
        True,
        {"numpy": 1e-3, "torch": 1e-3},
    )


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
    server = CommandServer(session, session.folder)
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
    server = CommandServer(session, session.folder)
    server.start()
    assert b'"ok":true' in ask(tmp_path, encode_command(Command("status")))
    server.close()


def test_a_folder_that_can_have_no_socket_stops_nothing(tmp_path: Path) -> None:
    server = CommandServer(ObedientSession(tmp_path), tmp_path / "not there")
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
    server = CommandServer(session, session.folder)
    server.start()
    with connect(tmp_path, SECONDS) as peer:
        peer.sendall(garbage)
        received = peer.makefile("rb").read()  # to the end: it hangs up
    assert b'"ok":false' in received
    assert fault in received
    assert b'"ok":true' in ask(tmp_path, encode_command(Command("status")))
    server.close()
    assert session.orders == []


def test_idle_connections_shut_no_order_out(
    server: CommandServer, session: ObedientSession
) -> None:
    assert server
    idle = [connect(session.folder, SECONDS) for _ in range(3 * MOST_PEERS)]
    for _ in range(5):
        assert b'"ok":true' in ask(session.folder, encode_command(Command("status")))
    assert len(server._peers) <= MOST_PEERS
    assert b'"ok":true' in ask(session.folder, encode_command(Command("stop")))
    assert session.orders == [("stop",)]
    for peer in idle:
        peer.close()


def test_the_peer_that_was_silent_for_longest_gives_way(
    server: CommandServer, session: ObedientSession
) -> None:
    assert server
    peers = [connect(session.folder, SECONDS) for _ in range(MOST_PEERS)]
    for peer in [*peers, peers[0]]:
        peer.sendall(encode_command(Command("status")))
        assert peer.recv(MAX_LINE_BYTES)
    assert b'"ok":true' in ask(session.folder, encode_command(Command("status")))
    assert peers[1].recv(MAX_LINE_BYTES) == b"", "hung up on"
    for peer in (peers[0], *peers[2:]):
        peer.sendall(encode_command(Command("status")))
        assert peer.recv(MAX_LINE_BYTES)
    for peer in peers:
        peer.close()


def test_eighteen_screens_attach_at_once(server: CommandServer, session: ObedientSession) -> None:
    assert server
    failures: list[str] = []
    clients = [CommandClient(session.folder, failures.append) for _ in range(18)]
    for client in clients:
        client.start()
    wait_until(lambda: all(client.status for client in clients))
    for client in clients:
        client.send(Command("step"))
    wait_until(lambda: len(session.orders) == 18)
    for client in clients:
        client.close()
        client.join(SECONDS)
    assert failures == []


def test_a_peer_that_takes_no_answer_is_dropped(
    server: CommandServer, session: ObedientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_server, "ROUND_SECONDS", 0.0)
    with connect(session.folder, SECONDS) as deaf:
        with suppress(OSError):
            while server._peers or not session.orders:
                deaf.sendall(encode_command(Command("step")) * 20)
        wait_until(lambda: not server._peers)


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


def test_the_order_after_a_refused_one_arrives(tmp_path: Path) -> None:
    server = CommandServer(session := ObedientSession(tmp_path, RunConfig(only="numpy")), tmp_path)
    server.start()
    failures: list[str] = []
    client = CommandClient(tmp_path, failures.append)
    client.start()
    client.send(Command("pause", ("torch",)))
    client.send(Command("step"))
    wait_until(lambda: session.orders)
    client.close()
    client.join(SECONDS)
    server.close()
    assert (len(failures), session.orders) == (1, [("step",)])
