"""Tables of targets: what was measured, what it should be, and whether it is."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.tables import spread


@dataclass(frozen=True, slots=True)
class Row:
    """One measured quantity over some rounds."""

    name: str
    values: Sequence[float]
    """One per round; or one per key where `pick` is not the median."""
    unit: str = ""
    least: float | None = None
    most: float | None = None
    pick: Callable[[Sequence[float]], float] = median
    """What is compared with the target."""

    @property
    def value(self) -> float:
        """What the rounds come to."""
        return self.pick(self.values)

    @property
    def verdict(self) -> str:
        """Return `ok`, `MISSED`, or nothing where there is no target."""
        if self.least is None and self.most is None:
            return ""
        low, high = self.least, self.most
        good = (low is None or self.value >= low) and (high is None or self.value <= high)
        return "ok" if good else "MISSED"

    @property
    def target(self) -> str:
        """The target in words."""
        parts = [f">= {self.least:.4g}"] if self.least is not None else []
        parts += [f"<= {self.most:.4g}"] if self.most is not None else []
        return ", ".join(parts)


def quantile(share: float) -> Callable[[Sequence[float]], float]:
    """Return the function that picks the value below which this share of all values lies."""

    def pick(values: Sequence[float]) -> float:
        return sorted(values)[min(len(values) - 1, int(share * len(values)))]

    return pick


def say(text: str) -> None:
    """Print at once: a measurement takes minutes."""
    print(text, flush=True)  # noqa: T201


def load() -> str:
    """Return the machine's load, for a reader who doubts the numbers."""
    return f"load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores"


def print_rows(title: str, rows: Sequence[Row]) -> None:
    """Print measured values with spread, range, target and verdict."""
    say(f"\n{title} ({load()})")
    say(f"{'':<44}{'measured':>12}{'spread':>8}{'range':>20}{'n':>5}  {'target':<12} verdict")
    for row in rows:
        share = spread(row.values) if len(row.values) > 1 and median(row.values) else ""
        ends = f"{min(row.values):.4g} to {max(row.values):.4g}"
        value = f"{row.value:.4g} {row.unit}".strip()
        say(
            f"{row.name:<44}{value:>12}{share:>8}{ends:>20}{len(row.values):>5}"
            f"  {row.target:<12} {row.verdict}"
        )
