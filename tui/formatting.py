"""Numbers as text for people, with fixed widths."""

import math
import re
from collections.abc import Mapping

from mlpwatch.core.config import TITLES

__all__ = ["TITLES"]

_MINUTE, _HOUR = 60, 3600

_OWN_KEYS: dict[str, str] = {}
"""The keys that take the place of some, by the names of these."""

_KEY = re.compile(r"\{([^{} ]+)\}")


def rename_keys(new: Mapping[str, str]) -> None:
    """Name other keys in texts (`tui.kit.own_keys.rebind`), and forget the names of before."""
    _OWN_KEYS.clear()
    _OWN_KEYS.update(new)


def with_keys(text: str) -> str:
    """Return a text with the user's own keys: `{X} ends it` is `X ends it` unless X was renamed."""
    return _KEY.sub(lambda found: _OWN_KEYS.get(found[1], found[1]), text)


def duration(seconds: float) -> str:
    """Return `0:42`, `12:05` or `1:02:05`."""
    whole = int(seconds)
    hours, rest = divmod(whole, _HOUR)
    minutes, rest = divmod(rest, _MINUTE)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def elapsed_and_left(seconds: float, left: float | None) -> str:
    """Return `0:42 · about 1:10 left`, or only the first part if the rest is unknown."""
    elapsed = duration(seconds)
    return elapsed if left is None else f"{elapsed} · about {duration(left)} left"


def loss(value: float | None) -> str:
    """Return a loss in six columns: `0.1823`, `12.345`, `9.1e+8`; a dash for none."""
    if value is None:
        return "–".rjust(6)
    if not math.isfinite(value):
        return str(value).rjust(6)
    if value != 0 and not 1e-4 <= abs(value) < 1e4:  # noqa: PLR2004 - what six columns can hold
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e+").rjust(6)
    return f"{value:.4f}"[:6].rjust(6)


def percent(share: float | None) -> str:
    """Return a share of 0 to 1 in eight columns: ` 94.60 %`; a dash for none."""
    return "– %".rjust(8) if share is None else f"{share * 100:6.2f} %"


def rate(per_second: float | None) -> str:
    """Return a speed in seven columns: `182,300`, `1,280`; rounded to three digits."""
    if per_second is None:
        return "–".rjust(7)
    if per_second >= 1e3:  # noqa: PLR2004 - smaller ones fit as they are
        digits = 2 - math.floor(math.log10(per_second))
        per_second = round(per_second, digits)
    return f"{per_second:,.0f}".rjust(7)


def three_digits(number: float) -> str:
    """Return `0.726`, `1.20`, `12.3`, `123`: always three digits, trailing zeros included."""
    return f"{number:#.3g}".rstrip(".")


def clipped(text: str, columns: int) -> str:
    """Return a text of at most so many columns; a longer one ends with `…`."""
    return text if len(text) <= columns else text[: columns - 1] + "…"


def count(number: int, noun: str) -> str:
    """Return `1 thread`, `2 threads`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(bytes_: int) -> str:
    """Return `812 bytes`, `1.2 MB`."""
    amount = float(bytes_)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1e3:  # noqa: PLR2004 - SI units
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1e3
    return f"{amount:.1f} GB"
