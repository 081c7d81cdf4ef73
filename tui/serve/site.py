"""The site: the page, textual-serve's files, and a web socket to a process for each viewer."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from aiohttp import WSCloseCode, WSMsgType, web

from mlpwatch.tui.serve.access import ACCESS, Access, add_headers, checked
from mlpwatch.tui.serve.page import SCRIPT, refusal, terminal_page
from mlpwatch.tui.serve.viewer import Viewer

MOST_VIEWERS = 32
"""At once: each is a process."""

HEARTBEAT_SECONDS = 15.0
"""A browser that does not answer for half of it after being asked is gone."""

MESSAGE_BYTES = 65_536
"""The longest message from a browser: what is pasted."""

FULL = f"{MOST_VIEWERS} people look on already. Open the link again when somebody has left."


class Site:
    """Serves a page to those with the token, and a process to each page.

    Args:
        access: who may look.
        command: what a viewer's process runs, by the number of others who look on.
        files: folder of textual-serve's static files.
        saves: viewers may change something, and may have something to save.
        most: viewers at once.
    """

    def __init__(
        self,
        access: Access,
        command: Callable[[int], Sequence[str]],
        files: Path,
        *,
        saves: bool = False,
        most: int = MOST_VIEWERS,
    ) -> None:
        self._access, self._command, self._files = access, command, files
        self._saves, self._most = saves, most
        self._sockets: set[web.WebSocketResponse] = set()
        self.viewers: set[Viewer] = set()
        """Those who look on now."""
        self._ending: set[asyncio.Task[None]] = set()

    def application(self) -> web.Application:
        """Return the application, each of whose requests is checked first."""
        made = web.Application(middlewares=[checked])
        made[ACCESS] = self._access
        made.router.add_get("/", self._page)
        made.router.add_get("/page.js", self._script)
        made.router.add_get("/ws", self._look_on)
        made.router.add_static("/static", self._files)
        made.on_response_prepare.append(add_headers)
        made.on_shutdown.append(self._end_all)
        return made

    async def _page(self, request: web.Request) -> web.StreamResponse:
        if len(self._sockets) >= self._most:
            return refusal(503, FULL)
        # Behind a proxy that speaks https the page may open no other socket.
        scheme = "wss" if request.headers.get("X-Forwarded-Proto") == "https" else "ws"
        size = request.query.get("fontsize", "")
        response = terminal_page(f"{scheme}://{request.headers['Host']}/ws", size)
        self._access.remember(response)
        return response

    async def _script(self, _request: web.Request) -> web.Response:
        return web.Response(text=SCRIPT, content_type="text/javascript")

    async def _look_on(self, request: web.Request) -> web.StreamResponse:
        """Run a viewer's process for as long as the web socket is open."""
        if len(self._sockets) >= self._most:
            return refusal(503, FULL)
        browser = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, max_msg_size=MESSAGE_BYTES)
        self._sockets.add(browser)
        try:
            await browser.prepare(request)
            columns, rows = (_number(request.query.get(name)) for name in ("width", "height"))
            viewer = Viewer(self._command(len(self.viewers)), columns or 80, rows or 24)
            self.viewers.add(viewer)
            try:
                await _connect(browser, viewer)
            finally:
                await asyncio.shield(self._end(viewer))
            await browser.close()
        finally:
            self._sockets.discard(browser)
        return browser

    def _end(self, viewer: Viewer) -> "asyncio.Task[None]":
        """End a viewer's process, even if what waits for it is cancelled."""

        async def end() -> None:
            await viewer.end(saves=self._saves)
            self.viewers.discard(viewer)

        ending = asyncio.create_task(end())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        return ending

    async def _end_all(self, _application: web.Application) -> None:
        """Close all web sockets, so that every process ends."""
        closing = (
            one.close(code=WSCloseCode.GOING_AWAY, message=b"the server ends")
            for one in list(self._sockets)
        )
        await asyncio.gather(*closing, return_exceptions=True)
        await asyncio.gather(*map(self._end, list(self.viewers)), return_exceptions=True)


async def _connect(browser: web.WebSocketResponse, viewer: Viewer) -> None:
    """Pass on bytes until one of both is gone."""
    both = [asyncio.create_task(one(browser, viewer)) for one in (_send, _take)]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in both:
            one.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def _send(browser: web.WebSocketResponse, viewer: Viewer) -> None:
    """Send what the process writes, until it ends."""
    with suppress(ConnectionError):
        while data := await viewer.read():
            await browser.send_bytes(data)


async def _take(browser: web.WebSocketResponse, viewer: Viewer) -> None:
    """Do what the page says, until it is closed or says what no page does."""
    async for message in browser:
        if message.type is not WSMsgType.TEXT or not await _obey(message.data, viewer, browser):
            return


async def _obey(text: str, viewer: Viewer, browser: web.WebSocketResponse) -> bool:
    """Do what a message of the page says; return whether it was one."""
    try:
        match json.loads(text):
            case ["stdin", str(typed)]:
                await viewer.write(typed.encode("utf-8", "replace"))
            case ["resize", {"width": int(columns), "height": int(rows)}]:
                viewer.resize(columns, rows)
            case ["ping", sent]:
                await browser.send_json(["pong", sent])
            case ["focus" | "blur"]:
                pass  # which part of the page has the keys makes no difference
            case _:
                return False
    except (ValueError, RecursionError, ConnectionError):
        return False
    return True


def _number(text: str | None) -> int:
    """Return a whole number from an address; 0 if it is none."""
    return (
        int(text) if text and text.isascii() and text.isdigit() and len(text) < len("100000") else 0
    )
