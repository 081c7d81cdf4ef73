"""Headless Chromium over its DevTools protocol: what it received, shows, and is typed into it."""

import asyncio
import base64
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

from tests.support.pty.emulator import Emulator
from tests.support.waiting import DEADLINE_SECONDS

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)

_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--remote-debugging-port=0", "--window-size=1366,768",
]  # fmt: skip


class Browser:
    """One page, and a terminal emulator of what its web socket received."""

    def __init__(self, protocol: ClientWebSocketResponse) -> None:
        self._protocol = protocol
        self._asked = 0
        self._screen = Emulator(1, 1)
        self.complaints: list[str] = []
        """Errors of the page."""

    async def call(self, method: str, **values: Any) -> dict[str, Any]:  # noqa: ANN401
        """Give the browser an order, and return its answer."""
        self._asked += 1
        await self._protocol.send_json({"id": self._asked, "method": method, "params": values})
        while True:
            answer = await self._hear()
            if answer.get("id") == self._asked:
                assert "error" not in answer, answer
                found: dict[str, Any] = answer["result"]
                return found

    async def _hear(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(
            await self._protocol.receive_str(timeout=DEADLINE_SECONDS)
        )
        values = said.get("params", {})
        match said.get("method"):
            case "Network.webSocketFrameReceived" if values["response"]["opcode"] == 2:
                self._screen.show(base64.b64decode(values["response"]["payloadData"]))
            case "Network.webSocketFrameSent" if '"resize"' in values["response"]["payloadData"]:
                size = json.loads(values["response"]["payloadData"])[1]
                self._screen.resize(size["height"], size["width"])
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(values))
            case "Log.entryAdded" if values["entry"]["level"] == "error":
                self.complaints.append(values["entry"]["text"])
        return said

    def text(self) -> str:
        """Return the rows of the terminal."""
        return self._screen.text()

    async def see(self, what: str | Callable[[str], object]) -> str:
        """Wait until the terminal shows something; return its text."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not (what in self.text() if isinstance(what, str) else what(self.text())):
                await self._hear()
        return self.text()

    async def value(self, expression: str) -> Any:  # noqa: ANN401
        """Return what a script in the page finds."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    async def wait_for(self, expression: str) -> None:
        """Wait until a script in the page finds something."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await self.value(expression):
                await asyncio.sleep(0.02)

    async def press(self, key: str) -> None:
        """Press a key with a character."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if kind == "keyDown" else {}
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, **text)

    async def double_click(self, column: int, row: int) -> None:
        """Click twice on a cell of the terminal."""
        box = await self.value(
            "(() => { const r = document.querySelector('.xterm-screen').getBoundingClientRect();"
            "return [r.left, r.top, r.width, r.height] })()"
        )
        x = box[0] + box[2] * (column + 0.5) / self._screen.columns
        y = box[1] + box[3] * (row + 0.5) / self._screen.lines
        for count in (1, 2):
            for kind in ("mousePressed", "mouseReleased"):
                await self.call(
                    "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=count
                )

    async def picture(self) -> bytes:
        """Return what the page shows, as PNG."""
        found = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(found["data"])


@asynccontextmanager
async def browser(profile: Path, address: str) -> AsyncIterator[Browser]:
    """Open a page in a Chromium of its own."""
    assert CHROMIUM is not None
    process = subprocess.Popen(
        [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with ClientSession() as client:
            async with client.get(f"http://127.0.0.1:{port}/json") as answer:
                pages = [one for one in await answer.json() if one["type"] == "page"]
            there = pages[0]["webSocketDebuggerUrl"]
            async with client.ws_connect(there, max_msg_size=0) as protocol:
                page = Browser(protocol)
                for domain in ("Page", "Runtime", "Network", "Log"):
                    await page.call(f"{domain}.enable")
                await page.call("Page.navigate", url=address)
                yield page
    finally:
        process.kill()
        process.wait(DEADLINE_SECONDS)


async def _port(file: Path) -> str:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not (file.exists() and len(lines := file.read_text().split()) > 1):
            await asyncio.sleep(0.02)
    return lines[0]
