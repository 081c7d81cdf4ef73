"""Contenders that train in turn: what slows the machine slows all of them alike."""

from collections.abc import Callable, Mapping
from time import perf_counter

Epoch = Callable[[], None]


def time_in_turn(epochs: Mapping[str, Epoch], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every round of every contender, after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in epochs}
    for number in range(rounds + 1):
        for name, epoch in epochs.items():
            start = perf_counter()
            epoch()
            if number:
                times[name].append(perf_counter() - start)
    return times
