"""Who gets in: token, cookie, host and origin, on the page, its files and the web socket."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar, WSMsgType, WSServerHandshakeError
from aiohttp.test_utils import TestServer

from mlpwatch.tui.serve.access import NO_TOKEN, NOT_OURS, OTHER_PAGE, Access, is_loopback
from mlpwatch.tui.serve.command import static_files
from mlpwatch.tui.serve.site import FULL, Site

ENDS = [sys.executable, "-c", "import os; os.write(1, b'begun')"]
ECHO = [*ENDS[:-1], f"{ENDS[-1]}; os.read(0, 1)"]
TOKEN = "a-token-for-tests"

SECONDS = 30.0


class Reached:
    """A server on this machine, and one browser that asks it."""

    def __init__(self, port: int, client: ClientSession, site: Site) -> None:
        self.address, self.client, self.site = f"http://127.0.0.1:{port}", client, site
        self.cookie = {"Cookie": f"mlpwatch-8000={TOKEN}"}

    async def status(self, path: str, **headers: str) -> tuple[int, str]:
        """Ask for a path; return the answer's status and its text."""
        async with self.client.get(self.address + path, headers=headers) as answer:
            return answer.status, await answer.text(errors="replace")

    async def socket_status(self, **headers: str) -> int:
        """Open a web socket; return the status of the answer."""
        try:
            async with self.client.ws_connect(self.address + "/ws", headers=headers):
                return 101
        except WSServerHandshakeError as error:
            return error.status


@asynccontextmanager
async def reached(command: list[str] = ECHO, most: int = 32) -> AsyncIterator[Reached]:
    """Serve on a free port; the browser forgets its cookies."""
    site = Site(
        Access("127.0.0.1", 8000, TOKEN), lambda _others: command, static_files(), most=most
    )
    # A cookie of an address is kept only by such a jar.
    jar = CookieJar(unsafe=True)
    async with TestServer(site.application()) as server, ClientSession(cookie_jar=jar) as client:
        yield Reached(server.port or 0, client, site)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


async def test_nothing_is_shown_without_the_token() -> None:
    async with reached() as site:
        for path in ("/", "/?token=wrong", "/page.js", "/static/js/textual.js", "/nowhere", "/ws"):
            status, text = await site.status(path)
            assert (status, NO_TOKEN in text) == (403, True), path
        wrong = {"Cookie": "mlpwatch-8000=wrong"}
        assert (await site.status("/", **wrong))[0] == 403
        assert (await site.status(f"/static/js/textual.js?token={TOKEN}"))[0] == 403
        assert await site.socket_status(Origin=site.address) == 403
        assert await site.socket_status(Origin=site.address, **wrong) == 403
        assert (await site.status("/?token=%C3%A9%ED%A0%80"))[0] == 403
        assert not site.site.viewers


async def test_the_token_becomes_a_cookie_that_opens_the_rest() -> None:
    async with reached() as site:
        async with site.client.get(f"{site.address}/?token={TOKEN}") as answer:
            assert answer.status == 200
            cookie = answer.headers["Set-Cookie"]
            assert f"mlpwatch-8000={TOKEN}; HttpOnly; Path=/; SameSite=Strict" in cookie
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            page = await answer.text()
        assert TOKEN not in page
        assert "http://" not in page.replace(site.address, "")
        assert (await site.status("/"))[0] == 200
        assert "replaceState" in (await site.status("/page.js"))[1]
        status, script = await site.status("/static/js/textual.js")
        assert (status, "stdin" in script) == (200, True)
        async with site.client.ws_connect(f"{site.address}/ws", origin=site.address) as browser:
            message = await browser.receive(SECONDS)
            assert (message.type, message.data) == (WSMsgType.BINARY, b"begun")
            await browser.send_str('["ping", "1"]')
            assert (await browser.receive(SECONDS)).data == '["pong", "1"]'
            await browser.send_str('["stdin", "echoed"]')
            assert (await browser.receive(SECONDS)).data == b"echoed"


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Origin": "http://evil.example"}, OTHER_PAGE),
        ({"Origin": "http://127.0.0.1:1"}, OTHER_PAGE),
        ({"Origin": "null"}, OTHER_PAGE),
        ({"Host": "evil.example"}, NOT_OURS),
        ({"Host": "127.0.0.1.evil.example:8000"}, NOT_OURS),
        ({"Host": "[", "Origin": "http://["}, NOT_OURS),
        ({"Host": ""}, NOT_OURS),
    ],
)  # fmt: skip
async def test_a_stranger_s_page_is_refused_even_with_the_token(
    headers: dict[str, str], why: str
) -> None:
    async with reached() as site:
        given = site.cookie | headers
        status, text = await site.status("/", **given)
        assert (status, escape(why) in text) == (403, True)
        assert await site.socket_status(**given) == 403
        # A web socket that does not say which page opens it is no browser's.
        assert await site.socket_status(**site.cookie) == 403
        assert not site.site.viewers


def test_names_of_this_machine() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("192.168.1.2")
    assert len({Access("127.0.0.1", 1).token for _ in range(9)}) == 9
    assert len(Access("127.0.0.1", 1).token) >= 22


async def test_a_viewer_lives_as_long_as_its_connection() -> None:
    async with reached() as site:
        headers = site.cookie | {"Origin": site.address}
        async with site.client.ws_connect(f"{site.address}/ws", headers=headers) as browser:
            assert (await browser.receive(SECONDS)).data == b"begun"
            (viewer,) = site.site.viewers
            assert Path(f"/proc/{viewer.pid}").exists()
        await until(lambda: not site.site.viewers)
        assert not Path(f"/proc/{viewer.pid}").exists()


async def test_the_page_learns_that_its_process_has_ended() -> None:
    async with reached(ENDS) as site:
        headers = site.cookie | {"Origin": site.address}
        async with site.client.ws_connect(f"{site.address}/ws", headers=headers) as browser:
            assert (await browser.receive(SECONDS)).data == b"begun"
            assert (await browser.receive(SECONDS)).type is WSMsgType.CLOSE
        await until(lambda: not site.site.viewers)


@pytest.mark.parametrize(
    "sent",
    ["nonsense", "[]", '["stdin", 1]', '["resize", {}]', pytest.param("[" * 60_000, id="deep")],
)
async def test_what_no_page_sends_closes_the_connection(sent: str) -> None:
    async with reached() as site:
        headers = site.cookie | {"Origin": site.address}
        async with site.client.ws_connect(f"{site.address}/ws", headers=headers) as browser:
            assert (await browser.receive(SECONDS)).data == b"begun"
            await browser.send_str('["resize", {"width": 100000, "height": 0}]')
            await browser.send_str(sent)
            assert (await browser.receive(SECONDS)).type is WSMsgType.CLOSE
        await until(lambda: not site.site.viewers)


async def test_one_more_than_the_most_reads_why() -> None:
    async with reached(most=1) as site:
        headers = site.cookie | {"Origin": site.address}
        async with site.client.ws_connect(f"{site.address}/ws", headers=headers) as browser:
            await browser.receive(SECONDS)
            status, text = await site.status("/", **site.cookie)
            assert (status, FULL in text) == (503, True)
            assert await site.socket_status(**headers) == 503
        await until(lambda: not site.site.viewers)
        assert (await site.status("/", **site.cookie))[0] == 200
