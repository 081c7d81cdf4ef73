"""The mistakes of a run as HTML: an image each, with what every model makes of it."""

import zlib
from base64 import b64encode
from collections.abc import Mapping
from html import escape
from struct import pack

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import EngineName
from mlpwatch.core.report.reading import Predictions

MOST_CARDS = 48
"""Images of a page, of 0.4 to 1 kB each."""

MOST_POINTS = 2_000
"""Points of a plane; the wrong ones are always drawn."""

SIDE = 400
"""Of the plane's picture."""


def mistake_cards(found: Predictions, names: str, titles: Mapping[EngineName, str]) -> str:
    """Return the surest mistakes; of points, the plane with all mistakes in it.

    Args:
        found: the predictions of one split.
        names: one character per class.
        titles: of the engines.
    """
    rows = found.mistakes()
    total = f"{len(found.labels):,} {found.split} samples"
    if not len(rows):
        return f"<p>Of the {total} none is predicted wrong.</p>"
    counts = ", ".join(f"{titles[name]} {int(found.wrong(name).sum()):,}" for name in found.engines)
    said = f"<p>Wrong of the {total}: {escape(counts)}."
    if found.are_points:
        return f"{said} Rings mark them.</p>{_plane(found, names, titles)}"
    shown = rows[:MOST_CARDS]
    which = "" if len(shown) == len(rows) else f" The {len(shown)} surest are shown."
    bars = " Bars: the probability of each class, the true one outlined."
    cards = "".join(_card(found, int(row), names, titles) for row in shown)
    return f'{said}{which}{bars}</p><div class="grid-of">{cards}</div>'


def grey_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a grey PNG of pixels (height, width), 0 for black (ISO 15948: chunks, zlib, CRC)."""
    height, width = pixels.shape
    # Each row begins with its filter: none.
    rows = np.hstack([np.zeros((height, 1), np.uint8), pixels]).tobytes()
    header = pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    chunks = (
        pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _card(found: Predictions, row: int, names: str, titles: Mapping[EngineName, str]) -> str:
    image, true = found.images[row].reshape(found.image_shape), int(found.labels[row])
    low, high = float(found.images.min()), float(found.images.max())
    # Dark ink on white, as on paper.
    pixels = np.rint(255 * (1 - (image - low) / ((high - low) or 1))).astype(np.uint8)
    source = b64encode(grey_png(pixels)).decode()
    said = "".join(_said(found, name, row, names, titles[name]) for name in found.engines)
    return (
        f'<figure class="sample"><div><img class="ink" alt="image {row}, a {escape(names[true])}" '
        f'src="data:image/png;base64,{source}"><figcaption>image {row:,}<br>'
        f"<b>{escape(names[true])}</b></figcaption></div>{said}"
        f"{_bars(found, row, true, names)}</figure>"
    )


def _said(found: Predictions, name: EngineName, row: int, names: str, title: str) -> str:
    """Return what an engine predicts, and what it gives to the true class."""
    one, true = found.engines[name], int(found.labels[row])
    predicted, shares = int(one.predictions[row]), one.probabilities[row]
    text = f"<b>{escape(names[predicted])}</b> {shares[predicted]:.1%}"
    if predicted != true:
        text = f'<span class="wrong">{text}</span>, {escape(names[true])} {shares[true]:.1%}'
    return f'<p class="{name}">{escape(title[:20])} {text}</p>'


def _bars(found: Predictions, row: int, true: int, names: str) -> str:
    """Return the probabilities of all classes as bars, the engines beside each other."""
    classes, count = len(names), len(found.engines)
    slot = 200 / classes
    width, parts = 0.8 * slot / count, list[str]()
    parts.append(
        f'<rect class="grid" x="{true * slot + 0.05 * slot:.1f}" y="0.5" width="{0.9 * slot:.1f}" '
        'height="33"/>'
    )
    for k, (name, one) in enumerate(found.engines.items()):
        for label, share in enumerate(one.probabilities[row]):
            height = 32 * float(np.clip(share, 0, 1))
            if height >= 0.3:  # noqa: PLR2004 - below, a bar is not seen
                x = label * slot + 0.1 * slot + k * width
                parts.append(
                    f'<rect class="bar {name}" x="{x:.1f}" y="{33 - height:.1f}" '
                    f'width="{width:.1f}" height="{height:.1f}"/>'
                )
    letters = "".join(
        f'<text x="{(label + 0.5) * slot:.1f}" y="43" font-size="9" text-anchor="middle" '
        f'fill="currentColor">{escape(one)}</text>'
        for label, one in enumerate(names if classes <= 26 else "")  # noqa: PLR2004 - room
    )
    return f'<svg viewBox="0 0 200 44" aria-hidden="true">{"".join(parts)}{letters}</svg>'


def _plane(found: Predictions, names: str, titles: Mapping[EngineName, str]) -> str:
    low, high = float(found.images.min()), float(found.images.max())
    places = 12 + (SIDE - 24) * (found.images - low) / ((high - low) or 1)
    wrong = set(found.mistakes().tolist())
    dots = "".join(
        f'<circle class="s{label % 8}" cx="{x:.1f}" cy="{SIDE - y:.1f}" r="2.5"/>'
        for row, ((x, y), label) in enumerate(zip(places, found.labels.tolist(), strict=True))
        if row < MOST_POINTS or row in wrong
    )
    key = "".join(
        f'<span><svg class="key" viewBox="0 0 30 10"><circle class="s{k % 8}" '
        f'cx="15" cy="5" r="4"/></svg>class {escape(name)}</span>'
        for k, name in enumerate(names)
    )
    rings = "".join(_rings(found, name, places) for name in found.engines)
    key += "".join(
        f'<span><svg class="key" viewBox="0 0 30 10"><circle class="ring {name}" cx="15" cy="5" '
        f'r="4"/></svg>wrong in {escape(titles[name])}</span>'
        for name in found.engines
    )
    return (
        f'<figure class="chart"><svg class="points" role="img" aria-label="the plane" '
        f'viewBox="0 0 {SIDE} {SIDE}">{dots}{rings}</svg><div class="legend">{key}</div></figure>'
    )


def _rings(found: Predictions, name: EngineName, places: NDArray[np.floating]) -> str:
    radius = 6 if name == "numpy" else 8.5
    return "".join(
        f'<circle class="ring {name}" cx="{x:.1f}" cy="{SIDE - y:.1f}" r="{radius}"/>'
        for x, y in places[found.wrong(name)]
    )
