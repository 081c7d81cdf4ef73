"""`mlpwatch serve`: the dashboard in a browser, for people without SSH."""

import argparse
import asyncio
import logging
import os
import re
import signal
import socket
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from mlpwatch.core.errors import InputError

NEEDED = ("aiohttp", "textual_serve")

MOST_AT_FULL_PACE, MOST_AT_HALF_PACE = 4, 12
"""So many viewers have 2 frames per second, as over SSH; so many at least 1; others one in 2 s."""

MOST_PORT = 65_535

_ANY = {"0.0.0.0", "::"}
"""Addresses that mean all of this machine's."""


def add_serve_options(parser: argparse.ArgumentParser) -> None:
    """Add what is served, and where, but for the folder of the runs."""
    parser.add_argument(
        "run", nargs="?", metavar="RUN",
        help="name of the run or sweep, or path of its folder (default: the newest run, looked up "
        "for each viewer)",
    )  # fmt: skip
    group = parser.add_argument_group("server")
    group.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="address to listen on (127.0.0.1: this machine alone; 0.0.0.0: all who reach it, "
        "unencrypted)",
    )  # fmt: skip
    group.add_argument(
        "--port", type=_port, default=8000, metavar="N", help="8000; 0 takes a free one"
    )
    group.add_argument(
        "--control", action="store_true",
        help="viewers may pause, save, rename, delete, start runs and write files, as at this "
        "keyboard",
    )  # fmt: skip


def _port(text: str) -> int:
    port = int(text) if re.fullmatch("[0-9]{1,5}", text) else -1
    if not 0 <= port <= MOST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 0 to {MOST_PORT}")
    return port


def static_files() -> Path:
    """Return the folder of textual-serve's files for browsers.

    Raises:
        InputError: a package of the extra is not installed.
    """
    origins = {name: spec.origin for name in NEEDED if (spec := find_spec(name))}
    for name in NEEDED:
        if origins.get(name) is None:
            raise InputError(
                f"serve: needs {name}, which is not installed; pip install 'mlpwatch[web]'"
            )
    return Path(origins["textual_serve"] or "").parent / "static"


def serve_pages(options: argparse.Namespace, note: str) -> int:
    """Serve until a signal ends it; return the exit status.

    Args:
        options: of the command line.
        note: about what is served, in one line.

    Raises:
        InputError: a package is missing, or the address can't be listened on.
    """
    files = static_files()
    # aiohttp would print what broken clients send; the token is in an address that it could print.
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL + 1)
    with _listening(options.host, options.port) as listening:
        return asyncio.run(_serve(options, listening, files, note))


async def _serve(
    options: argparse.Namespace, listening: socket.socket, files: Path, note: str
) -> int:
    from aiohttp import web  # noqa: PLC0415 - of the extra

    from mlpwatch.tui.serve.access import Access, is_loopback  # noqa: PLC0415
    from mlpwatch.tui.serve.site import Site  # noqa: PLC0415

    port = listening.getsockname()[1]
    access = Access(options.host, port)
    site = Site(access, partial(viewer_command, options), files, saves=options.control)
    runner = web.AppRunner(
        site.application(), access_log=None, handle_signals=False, shutdown_timeout=1.0
    )
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(one, _end, ended, 128 + one)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        print(f"http://{_reached_as(options.host)}:{port}/?token={access.token}", flush=True)  # noqa: T201
        _say(note)
        _say(
            "everyone with this link may pause, save, delete and start runs; Ctrl-C ends it"
            if options.control
            else "everyone with this link may look, not change anything; Ctrl-C ends it"
        )
        if not is_loopback(options.host):
            _say("warning: the link and what it shows are sent unencrypted; use it in a network "
                 "that you trust")  # fmt: skip
        return await ended
    finally:
        await runner.cleanup()


def _end(ended: "asyncio.Future[int]", status: int) -> None:
    if not ended.done():
        ended.set_result(status)


def viewer_command(options: argparse.Namespace, others: int) -> list[str]:
    """Return what a viewer's process runs: with fewer frames per second the more look on.

    Drawing is what a viewer costs: twenty with 2 frames took 0.8 of a core.

    Args:
        options: of the command line.
        others: who look on already.
    """
    frames = 2.0 if others < MOST_AT_FULL_PACE else 1.0 if others < MOST_AT_HALF_PACE else 0.5
    # -P: a file in the working folder must not take a library's place.
    words = [sys.executable, "-P", "-m", "mlpwatch", "attach", "--saved", str(options.saved)]
    words += ["--fps", f"{frames:g}"]
    words += [] if options.control else ["--spectate"]
    return words if options.run is None else [*words, "--", options.run]


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        InputError: there is no such address here, or the port is in use.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError) as error:
        number = 0 if isinstance(error, socket.gaierror | UnicodeError) else error.errno or 0
        why = (os.strerror(number) if number else str(getattr(error, "strerror", error))).lower()
        advice = "give another with --port" if "in use" in why else "give this machine's address"
        raise InputError(f"serve: {host}:{port}: {why}; {advice}") from None


def _reached_as(host: str) -> str:
    """Return the name in the link."""
    if host in _ANY:
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _say(line: str) -> None:
    print(f"mlpwatch: {line}", file=sys.stderr, flush=True)  # noqa: T201
