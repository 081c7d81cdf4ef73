"""The curves of one setting: mean and spread over its seeds, or one line per seed."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from statistics import median
from types import MappingProxyType
from typing import Literal, get_args

from mlpwatch.core.config import TITLES, EngineName
from mlpwatch.core.sweeps.reading import GroupReading, TrialRow
from mlpwatch.core.sweeps.statistics import Band
from mlpwatch.tui.charts.chart import Limits, Marker, Series, nice_limits
from mlpwatch.tui.kit.theme import Role

SweepQuantity = Literal["val_loss", "val_accuracy"]
SWEEP_QUANTITIES: tuple[SweepQuantity, ...] = get_args(SweepQuantity)

QUANTITY_TITLES: Mapping[SweepQuantity, str] = MappingProxyType(
    {"val_loss": "val loss", "val_accuracy": "val accuracy %"}
)

_ROLES: Mapping[EngineName, tuple[Role, Role, Role]] = MappingProxyType(
    {
        "numpy": (Role.NUMPY, Role.NUMPY_SOFT, Role.NUMPY_BAND),
        "torch": (Role.TORCH, Role.TORCH_SOFT, Role.TORCH_BAND),
    }
)
"""Of a mean or a chosen trial, of the other trials, and of a band."""

_LINES: Mapping[EngineName, Marker] = MappingProxyType({"numpy": "braille", "torch": "dashed"})

BAND_POINTS = 400
"""Points of a band, at equal distances: more than a chart has columns of dots in 180 columns."""

FAR_OFF = 10.0
"""A setting whose loss reaches so many times the median of all gets an axis of its own."""


def curve_series(
    reading: GroupReading, setting: int, quantity: SweepQuantity, *, trial: str | None, bands: bool
) -> list[Series]:
    """Return the curves of a setting, of both engines in one chart.

    Args:
        reading: of the sweep.
        setting: index of the setting.
        quantity: what the curves show; accuracies in percent.
        trial: name of a trial whose curve stands out among single lines; None for none.
        bands: mean and standard deviation over the seeds, instead of one line per seed.
    """
    engines = reading.group.settings[setting].config.engine_names
    if bands:
        found = [_banded(reading.band(setting, name, quantity), name, quantity) for name in engines]
        # Behind all lines: the bands of both.
        return [band for _, band in found if band.points] + [mean for mean, _ in found]
    rows = reading.rows_of(setting)
    series = [
        one for name in engines for one in _single_lines(rows, name, quantity, trial is not None)
    ]
    chosen = [row for row in rows if row.trial.name == trial]
    return series + [one for name in engines for one in _single_lines(chosen, name, quantity)]


def _banded(band: Band, name: EngineName, quantity: SweepQuantity) -> tuple[Series, Series]:
    strong, _, soft = _ROLES[name]
    scale = _scale(quantity)
    xs = [float(epoch) for epoch in band.epochs]
    mean = [(x, y * scale) for x, y in zip(xs, band.mean, strict=True)]
    low, high = ([y * scale for y in edge] for edge in (band.low, band.high))
    points: list[tuple[float, float]] = []
    if max(band.n, default=0) > 1:
        steps = _steps(xs)
        edges = zip(_between(xs, low, steps), _between(xs, high, steps), steps, strict=True)
        points = [(x, y) for bottom, top, x in edges for y in (bottom, top)]
    # Unlabelled: the legend names the mean, and says what the band is in the title.
    return Series(TITLES[name], strong, mean, _LINES[name]), Series("", soft, points, "band")


def _single_lines(
    rows: Sequence[TrialRow], name: EngineName, quantity: SweepQuantity, is_soft: bool = False
) -> list[Series]:
    """Return one curve per trial; only the first has a label."""
    scale, role = _scale(quantity), _ROLES[name][is_soft]
    found: list[Series] = []
    for row in rows:
        points = [
            (float(epoch), value * scale if isfinite(value) else nan)
            for epoch, value in sorted(row.curve(name, quantity).items())
        ]
        label = TITLES[name] if not found and not is_soft else ""
        found.append(Series(label, role, points, _LINES[name]))
    return found


def _scale(quantity: SweepQuantity) -> float:
    return 100.0 if quantity == "val_accuracy" else 1.0


def _steps(xs: Sequence[float]) -> list[float]:
    """Return x at equal distances from the first to the last; a band has no gaps between epochs."""
    if len(xs) < 2:  # noqa: PLR2004 - one epoch has no width
        return list(xs)
    width = (xs[-1] - xs[0]) / (BAND_POINTS - 1)
    return [*(xs[0] + n * width for n in range(BAND_POINTS - 1)), xs[-1]]


def _between(xs: Sequence[float], ys: Sequence[float], at: Sequence[float]) -> list[float]:
    """Return y at each x of `at`, on straight lines between the points."""
    found = []
    for x in at:
        n = min(max(1, bisect_left(xs, x)), len(xs) - 1)
        if len(xs) == 1:
            found.append(ys[0])
            continue
        share = (x - xs[n - 1]) / (xs[n] - xs[n - 1])
        found.append(ys[n - 1] + share * (ys[n] - ys[n - 1]))
    return found


@dataclass(slots=True)
class SweepAxes:
    """Limits that all settings share, so that moving the cursor compares them; they only widen."""

    _kept: dict[tuple[object, ...], Limits] = field(default_factory=dict)

    def x(self, reading: GroupReading) -> Limits:
        """Return the x limits: from 0 to the most epochs of any setting."""
        return 0.0, float(max(one.config.epochs for one in reading.group.settings))

    def y(
        self, extents: "CurveExtents", setting: int, quantity: SweepQuantity, *, log: bool
    ) -> Limits:
        """Return the y limits of a quantity for a setting.

        A setting that is far off, such as one that diverges, has an axis of its own: on a shared
        one the others would be flat.
        """
        if quantity == "val_accuracy":
            values = [100 * value for one in extents.accuracy.values() for value in one]
            low, _ = self._widened((quantity,), [*values, 100.0], log=False)
            return low, 100.0
        near, is_own = extents.near(setting)
        own = setting if is_own else None
        return self._widened((quantity, log, own), near, log=log)

    def _widened(self, key: tuple[object, ...], values: Iterable[float], *, log: bool) -> Limits:
        limits = nice_limits(values, log, self._kept.get(key))
        self._kept[key] = limits
        return limits


@dataclass(frozen=True, slots=True)
class CurveExtents:
    """Lowest and highest value of each setting's curves; of those that have any."""

    loss: Mapping[int, tuple[float, float]]
    accuracy: Mapping[int, tuple[float, float]]
    """0 to 1."""

    @classmethod
    def of(cls, reading: GroupReading) -> "CurveExtents":
        """Return those of a reading; meant for the thread that reads."""
        losses: dict[int, tuple[float, float]] = {}
        accuracies: dict[int, tuple[float, float]] = {}
        for row in reading.rows:
            for found, values in (
                (losses, [record.val_loss for record in row.records]),
                (accuracies, [record.val_accuracy for record in row.records]),
            ):
                known = [*found.get(row.trial.setting, ()), *filter(isfinite, values)]
                if known:
                    found[row.trial.setting] = min(known), max(known)
        return cls(losses, accuracies)

    def near(self, setting: int) -> tuple[list[float], bool]:
        """Return the losses that share an axis with a setting, and whether it has its own."""
        if not self.loss:
            return [], False
        usual = FAR_OFF * median(high for _, high in self.loss.values())
        own = self.loss.get(setting)
        if own is not None and own[1] > usual:
            return list(own), True
        near = [one for one in self.loss.values() if one[1] <= usual]
        return [value for one in near for value in one], False
