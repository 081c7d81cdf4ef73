"""Tables of a benchmark: medians, spreads, and ratios within the same round."""

from collections.abc import Mapping, Sequence
from statistics import median, quantiles


def spread(values: Sequence[float]) -> str:
    """Return the quartiles as a share of the median, such as `±4%`."""
    low, middle, high = quantiles(values, n=4)
    return f"±{(high - low) / 2 / middle:.0%}"


def print_table(title: str, samples: int, times: Mapping[str, Sequence[float]]) -> None:
    """Print samples/s and, for the first two rows' engines, the ratio to every other.

    Args:
        title: of the table.
        samples: trained on per round.
        times: seconds per round, by contender; ours come first, NumPy before PyTorch.
    """
    numpy_times, torch_times, *_ = times.values()
    print(f"\n{title}, {len(numpy_times)} rounds in turn")  # noqa: T201
    print(f"{'':<24}{'samples/s':>12}{'':>7}{'NumPy is':>12}{'PyTorch is':>12}")  # noqa: T201
    for name, own in times.items():
        # Ratios within a round: what slowed the machine then slowed both.
        ratios = [
            f"{median(theirs / ours for ours, theirs in zip(engine, own, strict=True)):.2f}x"
            for engine in (numpy_times, torch_times)
        ]
        speed = samples / median(own)
        print(  # noqa: T201
            f"{name:<24}{speed:>12,.0f}{spread(own):>7}{ratios[0]:>12}{ratios[1]:>12}"
        )
