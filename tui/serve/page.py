"""The page: textual-serve's terminal over the whole window, without anything from other servers."""

import re
from html import escape

from aiohttp import web

GROUND = "#121212"
"""The ground of the dark theme, around the last whole cells."""

_STYLE = f"""
@font-face {{ font-family: "Roboto Mono"; font-weight: 100 700; font-display: block;
  src: url("/static/fonts/RobotoMono-VariableFont_wght.ttf"); }}
html, body {{ margin: 0; height: 100%; overflow: hidden; background: {GROUND}; color: #e0e0e0;
  font: 16px "Roboto Mono", monospace; }}
#terminal {{ position: absolute; inset: 0; }}
.xterm .xterm-viewport {{ overflow: hidden !important; background: {GROUND} !important; }}
.note {{ position: absolute; inset: 0; display: flex; flex-direction: column; gap: 1em;
  align-items: center; justify-content: center; text-align: center; padding: 1em; }}
.note a {{ color: #7fb4ff; }}
.closed {{ display: none; z-index: 20; background: {GROUND}; }}
body.-first-byte .opening {{ display: none; }}
body.-closed .closed {{ display: flex; }}
"""

SCRIPT = """\
// The token leaves the address, which people show, copy and photograph.
history.replaceState(null, "", "/");
// Letters as large as 40 rows allow: the dashboard then shows its matrices too.
document.addEventListener("DOMContentLoaded", () => {
  const terminal = document.getElementById("terminal");
  const size = Math.floor(innerHeight / 40 / 1.32);
  terminal.dataset.fontSize ||= Math.min(20, Math.max(11, size));
});
// Keys go to the terminal, without a click on it.
const focus = () => document.querySelector(".xterm-helper-textarea")?.focus();
addEventListener("load", () => setTimeout(focus));
addEventListener("focus", focus);
"""
"""What the page does beside the terminal."""

_HEAD = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>mlpwatch</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
"""

_TERMINAL = """<link rel="stylesheet" href="/static/css/xterm.css">
<link rel="preload" href="/static/fonts/RobotoMono-VariableFont_wght.ttf" as="font"
  type="font/ttf" crossorigin>
<script src="/page.js"></script>
<script src="/static/js/textual.js"></script>
</head>
<body>
<div class="note opening">opening <b>mlpwatch</b></div>
<div id="terminal" class="textual-terminal" data-session-websocket-url="{socket}"
  data-font-size="{size}"></div>
<div class="note closed"><div>This screen has ended.</div><a href="/">open it again</a></div>
</body>
</html>
"""

LEAST_SIZE, MOST_SIZE = 6, 40
"""Of the letters in pixels; `/?fontsize=20` asks for larger ones."""


def terminal_page(socket: str, size: str) -> web.Response:
    """Return the page with a terminal.

    Args:
        socket: address of the web socket.
        size: of the letters, as asked for; without one the window's height decides.
    """
    asked = re.fullmatch("[0-9]{1,3}", size)
    pixels = min(MOST_SIZE, max(LEAST_SIZE, int(size))) if asked else ""
    text = _HEAD + _TERMINAL.format(socket=escape(socket), size=pixels)
    return web.Response(text=text, content_type="text/html")


def refusal(status: int, why: str) -> web.Response:
    """Return a page that says why there is no terminal on it."""
    text = f'{_HEAD}</head><body><div class="note">{escape(why)}</div></body></html>\n'
    return web.Response(text=text, status=status, content_type="text/html")
