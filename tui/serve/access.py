"""Who may look: a token, and addresses and pages that are this server's own.

A browser sends requests for any page that it shows. So besides the token, `Host` is checked, since
a stranger's name can be made to point here (DNS rebinding), and `Origin`, since a stranger's page
can open a web socket here.
"""

import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from urllib.parse import urlsplit

from aiohttp import web

from mlpwatch.tui.serve.page import refusal

TOKEN_BYTES = 18
"""144 random bits: 24 characters in the address."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NO_TOKEN = "This page needs the whole link that mlpwatch serve printed, with its token."
NOT_OURS = "This address is not one of mlpwatch serve's own. Open the link that it printed."
OTHER_PAGE = "Another page asked for this. Open the link that mlpwatch serve printed."

HEADERS = {
    "Content-Security-Policy": (
        # xterm.js makes style elements; nothing else is inline, and nothing comes from elsewhere.
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Access:
    """Decides about each request, static files and web sockets included.

    Args:
        host: the address that is listened on.
        port: likewise.
        token: None for a new one.
    """

    def __init__(self, host: str, port: int, token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(TOKEN_BYTES)
        # Cookies do not distinguish ports, and two servers may run on a machine.
        self.cookie = f"mlpwatch-{port}"
        self._names = {"localhost", host.lower()}
        if not is_loopback(host):
            name = socket.gethostname().lower()
            self._names |= {name, f"{name}.local", socket.getfqdn().lower()}

    def fault(self, request: web.Request) -> str:
        """Return why a request is refused; empty if it is not."""
        host = request.headers.get("Host", "")
        if not self._is_own(host):
            return NOT_OURS
        origin = request.headers.get("Origin")
        wants_socket = request.headers.get("Upgrade", "").lower() == "websocket"
        if origin is None and wants_socket:
            return OTHER_PAGE
        if origin is not None and origin.lower() not in (
            f"http://{host.lower()}",
            f"https://{host.lower()}",
        ):
            return OTHER_PAGE
        given = request.cookies.get(self.cookie, "")
        if request.path == "/" and "token" in request.query:
            given = request.query["token"]
        return "" if self._is_token(given) else NO_TOKEN

    def remember(self, response: web.StreamResponse) -> None:
        """Let the browser send the token with its next requests, and scripts not see it."""
        response.set_cookie(self.cookie, self.token, httponly=True, samesite="Strict", path="/")

    def _is_token(self, given: str) -> bool:
        return compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    def _is_own(self, host: str) -> bool:
        """Return whether a `Host` is an address, or one of our names; the port may be forwarded."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        # A name can be made to point here, an address can't.
        return name in self._names or _is_address(name)


ACCESS = web.AppKey("access", Access)
"""Where the application keeps it."""


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@web.middleware
async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request that may not be with the reason; a middleware, so nothing gets by."""
    fault = request.app[ACCESS].fault(request)
    return refusal(403, fault) if fault else await handler(request)


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Add what browsers shall enforce, to every response."""
    response.headers.update(HEADERS)
