"""The frame of a report: one HTML file that loads nothing, light and dark, for screen and A4."""

from collections.abc import Iterable, Sequence
from html import escape

from mlpwatch import __version__

STYLE = """
:root { color-scheme: light dark; --text: #1b1b1b; --ground: #ffffff; --soft: #5a5a5a;
  --line: #d9d9d9; --panel: #f5f5f3; --numpy: #b35900; --torch: #0958b3; --shade: 9, 88, 179;
  --bad: #a3160c; --good: #156c1c; --deep: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e6e6; --ground: #16181b; --soft: #a6a6a6;
  --line: #3a3d42; --panel: #1f2226; --numpy: #e69f00; --torch: #56b4e9; --shade: 86, 180, 233;
  --bad: #ff6f61; --good: #3fb950; --deep: #0b0b0b; }
  .ink { filter: invert(1); } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 3rem; max-width: 74rem; color: var(--text);
  background: var(--ground); font: 16px/1.5 system-ui, "Segoe UI", "Noto Sans", sans-serif; }
h1 { margin: 0; font-size: 1.7rem; overflow-wrap: anywhere; }
h2 { margin: 2.2rem 0 .6rem; font-size: 1.15rem; border-bottom: 1px solid var(--line); }
p { margin: .3rem 0; max-width: 50rem; } .soft, caption, figcaption { color: var(--soft); }
ul { margin: .3rem 0; padding-left: 1.2rem; max-width: 50rem; } li { margin: .25rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .18rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
caption { text-align: left; padding-bottom: .3rem; font-size: .9rem; }
.side { display: flex; flex-wrap: wrap; gap: 1.2rem 2rem; align-items: flex-start; }
.wide { overflow-x: auto; }
.chart { margin: 0; flex: 1 1 26rem; max-width: 36rem; min-width: 0; }
.chart figcaption, .sample figcaption { font-size: .9rem; }
.chart > svg { width: 100%; height: auto; display: block; }
.chart text { font-size: 12px; fill: var(--soft); } .up { text-anchor: end; }
.across, .label { text-anchor: middle; }
.grid { stroke: var(--line); stroke-width: 1; fill: none; }
.curve { fill: none; stroke: currentColor; stroke-width: 2.2; stroke-linejoin: round; }
.band { fill: currentColor; opacity: .16; } .mark { fill: currentColor; }
.numpy { color: var(--numpy); } .torch { color: var(--torch); }
.curve.torch, .curve.s1, .curve.s5 { stroke-dasharray: 7 4; }
.curve.s2, .curve.s6 { stroke-dasharray: 2 3; } .curve.s3, .curve.s7 { stroke-dasharray: 9 3 2 3; }
.thin { stroke-width: 1; opacity: .75; } .mark.thin { display: none; }
.s0 { color: #0072b2; } .s1 { color: #d58f00; } .s2 { color: #009e73; } .s3 { color: #cc79a7; }
.s4 { color: #56b4e9; } .s5 { color: #d55e00; } .s6 { color: #8a8a8a; } .s7 { color: #999933; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; font-size: .85rem;
  color: var(--soft); }
.key { width: 30px; height: 10px; margin-right: .4rem; vertical-align: middle; }
.matrix td, .matrix th { text-align: center; min-width: 2.1rem; padding: .22rem .25rem; }
.matrix td { border: 1px solid var(--ground); background: rgba(var(--shade), var(--a, 0)); }
.matrix td.deep { color: var(--deep); } .dense td, .dense th { min-width: 0; padding: 0 .1rem;
  font-size: .55rem; } .grid-of { display: grid; gap: 1rem .8rem;
  grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); }
.sample { margin: 0; padding: .6rem; background: var(--panel); border-radius: 6px;
  break-inside: avoid; font-size: .85rem; }
.sample div { display: flex; gap: .7rem; align-items: center; margin-bottom: .3rem; }
.sample img { width: 72px; height: 72px; image-rendering: pixelated; }
.sample figcaption b { font-size: 1.5rem; color: var(--text); } .sample p { margin: 0; }
.sample svg { width: 100%; height: 44px; display: block; margin-top: .2rem; }
.bar { fill: currentColor; } .span { stroke: var(--text); stroke-width: 2; fill: none; }
.wrong { text-decoration: underline; text-underline-offset: 2px; }
.points circle, .key circle { fill: currentColor; }
.points .ring, .key .ring { fill: none; stroke: currentColor; stroke-width: 2; }
.bad { color: var(--bad); } .good { color: var(--good); } td.changed { font-weight: 600; }
pre { background: var(--panel); padding: .7rem .9rem; border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: .85rem; }
footer { margin-top: 2.5rem; color: var(--soft); font-size: .85rem; }
@page { size: A4; margin: 14mm; }
@media print { :root { color-scheme: light; --text: #000; --ground: #fff; --soft: #444;
  --line: #ccc; --panel: #fff; --numpy: #b35900; --torch: #0958b3; --shade: 9, 88, 179;
  --deep: #fff; }
  .ink { filter: none; } body { padding: 0; max-width: none; font-size: 10.5pt; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2 { break-after: avoid; } figure, table, pre, li { break-inside: avoid; }
  .chart { flex: 0 0 47%; } .side { gap: .8rem 1rem; } .wide { overflow: visible; }
  .matrix td, .matrix th { min-width: 1.55rem; padding: .1rem; font-size: 8pt; }
  .grid-of { grid-template-columns: repeat(5, 1fr); gap: .4rem; }
  .sample { border: 1px solid var(--line); } }
"""


def page(title: str, below: str, sections: Iterable[str]) -> bytes:
    """Return a whole page.

    Args:
        title: of the page, not yet escaped.
        below: one line below the title, not yet escaped.
        sections: HTML.
    """
    body = "\n".join(sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="mlpwatch {__version__}">\n'
        # Nothing is loaded, whatever a name or a setting may hold.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; img-src data:\">\n"
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<header><h1>{escape(title)}</h1><p class="soft">{escape(below)}</p></header>\n'
        f"<main>\n{body}\n</main>\n"
        f"<footer>Written by mlpwatch {__version__}; this file loads nothing.</footer>\n"
        "</body>\n</html>\n"
    ).encode()


def section(title: str, *parts: str) -> str:
    """Return a section; empty if it has nothing but its title."""
    found = [part for part in parts if part]
    if not found:
        return ""
    inner = "\n".join(found)
    return f"<section>\n<h2>{escape(title)}</h2>\n{inner}\n</section>"


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "", classes: str = ""
) -> str:
    """Return a table; its cells are text, or HTML of a whole cell that begins with `<td`."""
    shown = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    if not shown:
        return ""
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    first = "".join(f"<th>{escape(head)}</th>" for head in heads)
    return (
        f'<div class="wide"><table class="{classes}">{above}<thead><tr>{first}</tr></thead>'
        f"<tbody>{shown}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    return text if text.startswith("<td") else f"<td>{escape(text)}</td>"
