"""The dashboard in a browser: real processes, a real Chromium."""

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar

from mlpwatch.core.runs.layout import SOCKET_NAME
from tests.support.browser import CHROMIUM, Browser, browser
from tests.support.orders import slow_down
from tests.support.pty.emulator import Emulator
from tests.support.terminal import environment, mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS, seconds_to_end, wait_until

pytestmark = [pytest.mark.xdist_group("serve"), pytest.mark.slow]

CLICK_SECONDS = 3.0
"""After so long a click has opened nothing."""

TRAIN = ["train", "--data", "digits", "--name", "demo", "--epochs", "5000", "--only", "numpy"]


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a command in a folder; what is left of it is killed."""
    process = subprocess.Popen(
        [*mlpwatch_command(), *arguments], cwd=folder, env=environment(), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=DEADLINE_SECONDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Train a run for all tests here, slowly."""
    path = tmp_path_factory.mktemp("serve")
    with started(path, *TRAIN):
        wait_until((path / "saved/demo" / SOCKET_NAME).exists)
        slow_down(path / "saved/demo", 400.0)
        yield path


def link_of(server: "subprocess.Popen[str]") -> str:
    assert server.stdout is not None
    return server.stdout.readline().strip()


def viewers_of(server: "subprocess.Popen[str]") -> list[int]:
    """Return the processes that a server has started and not yet ended."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return [int(one) for one in children.split()]


def not_starved(server: "subprocess.Popen[str]") -> None:
    """Take the viewers' low priority away, if root asks: other tests take all of the processor."""
    for process in viewers_of(server):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, int(thread.name), 0)


def epoch(text: str) -> int:
    found = re.search(r"epoch +(\d+)/5000", text)
    return int(found[1]) if found else -1


def curves(text: str) -> list[str]:
    return [row for row in text.split("\n") if re.search("[⠁-⣿]", row)]


def wrong_cell(text: str) -> tuple[int, int] | None:
    """Return column and row of a confusion cell with mistakes; None if there is none."""
    rows = text.split("\n")
    head = next((y for y, row in enumerate(rows) if "true ↓" in row or " confusion" in row), 0)
    # Behind the classes a wide screen has scores.
    heading = rows[head + 1].partition("prec")[0]
    classes = {found.end(): found[0] for found in re.finditer(r"\d", heading)}
    for y, row in enumerate(rows[head + 2 : head + 12], start=head + 2):
        for cell in re.finditer(r"\d+", row[3 : max(classes, default=0)]):
            label = classes.get(cell.end() + 3)
            if label is not None and label != row.strip()[0]:
                return cell.start() + 3, y
    return None


async def new_picture(page: Browser, old: bytes) -> bytes:
    """Wait until the page looks unlike an old picture."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (new := await page.picture()) == old:
            await asyncio.sleep(0.1)
    return new


async def open_a_mistake(page: Browser) -> None:
    """Click twice on a cell with mistakes; a click on one without any opens nothing."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while "read as" not in page.text():
            if place := wrong_cell(page.text()):
                await page.double_click(*place)
            with suppress(TimeoutError):
                async with asyncio.timeout(CLICK_SECONDS):
                    await page.see("read as")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
async def test_chromium_shows_it_and_changes_nothing(folder: Path, tmp_path: Path) -> None:
    with started(folder, "serve", "--port", "0") as server:
        address = link_of(server)
        async with browser(tmp_path / "profile", address) as page:
            wait_until(lambda: viewers_of(server))
            not_starved(server)
            seen = await page.see(lambda text: epoch(text) >= 0 and "true ↓" in text)
            not_starved(server)
            picture = await page.picture()
            await page.see(lambda text: epoch(text) > epoch(seen) and curves(text) != curves(seen))
            assert await new_picture(page, picture)
            assert await page.value("location.href") == address.partition("?")[0]
            assert not await page.value("document.cookie"), "scripts see the token"
            assert await page.value("[scrollX, innerWidth - document.body.scrollWidth]") == [0, 0]
            await page.press(" ")
            await page.see("spectators look only")
            slow_down(folder / "saved/demo", 0.1)
            await open_a_mistake(page)
            slow_down(folder / "saved/demo", 400.0)
            await page.press("q")
            await page.see("loss")
            assert page.complaints == []
            await page.press("q")
            await page.wait_for("document.body.classList.contains('-closed')")
        wait_until(lambda: not viewers_of(server))


@asynccontextmanager
async def viewer(link: str) -> AsyncIterator[tuple[Emulator, "asyncio.Queue[str]"]]:
    """Look on without a browser: yields a screen, and a queue for keys."""
    address, screen = link.partition("/?")[0], Emulator(120, 40)
    keys: asyncio.Queue[str] = asyncio.Queue()
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as client:
        async with client.get(link) as answer:
            assert answer.status == 200
        there = f"{address}/ws?width=120&height=40"
        async with client.ws_connect(there, origin=address) as socket:

            async def show() -> None:
                async for message in socket:
                    screen.show(message.data)

            async def type_in() -> None:
                while True:
                    await socket.send_str(json.dumps(["stdin", await keys.get()]))

            tasks = [asyncio.create_task(one()) for one in (show, type_in)]
            try:
                yield screen, keys
            finally:
                for one in tasks:
                    one.cancel()


async def see(screen: Emulator, words: str) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while words not in screen.text():
            await asyncio.sleep(0.02)


async def test_control_pauses_and_ctrl_c_ends_all(folder: Path) -> None:
    with started(folder, "serve", "demo", "--port", "0", "--control") as server:
        link = link_of(server)
        async with viewer(link) as (screen, keys), viewer(link) as (other, _):
            for one in (screen, other):
                await see(one, " training")
            assert len(found := viewers_of(server)) == 2
            assert {Path(f"/proc/{one}/stat").read_text().split()[18] for one in found} == {"19"}
            not_starved(server)
            await keys.put(" ")
            for one in (screen, other):
                await see(one, " paused")
            await keys.put(" ")
            await see(other, " training")
            server.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(seconds_to_end, server) < DEADLINE_SECONDS
        assert server.returncode == 130
        assert not any(Path(f"/proc/{one}").exists() for one in found)
        assert server.stdout is not None
        assert server.stderr is not None
        assert server.stdout.read() == ""
        said = server.stderr.read()
        assert "showing demo, which trains" in said
        assert link.partition("token=")[2] not in said


async def test_no_viewer_outlives_a_killed_server(folder: Path) -> None:
    with started(folder, "serve", "demo", "--port", "0") as server:
        async with viewer(link_of(server)) as (screen, _):
            await see(screen, " training")
            (process,) = viewers_of(server)
            server.kill()
            await asyncio.to_thread(wait_until, lambda: not Path(f"/proc/{process}").exists())
