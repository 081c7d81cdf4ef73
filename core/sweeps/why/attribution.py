"""A gap shared out among the settings that differ: Shapley values, with intervals from the seeds.

A game has a value for each mask: a set of settings as a number, bit i is 1 where setting i has B's
value. Mask 0 is A, the mask of all bits is B. Values are test accuracies, 0 to 1. Pure functions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from math import factorial

from mlpwatch.core.sweeps.statistics import PairedDifference, paired_difference

Game = Mapping[int, float]

MOST_COMBINED = 6
"""Differences of which all combinations are trained: 64 networks. Seven would be 128."""

LARGE_SHARE = 0.25
"""Of the gap: an interval that has both 0 and so much leaves open whether the setting matters."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """One engine's gap, shared out."""

    gap: PairedDifference
    """B minus A, over the seeds whose networks have all been trained."""
    shares: tuple[PairedDifference, ...]
    """Of the gap, one per setting that differs."""
    remainder: PairedDifference
    """The gap minus all shares: 0 but for rounding where all combinations were trained, else what
    settings do only together."""

    @property
    def is_clear(self) -> bool:
        """Whether each setting is shown to matter, or shown to matter little."""
        gap = self.gap
        if gap.margin is None or not gap.is_real:
            return False
        large = LARGE_SHARE * abs(gap.mean)
        return not any(
            share.margin is not None
            and not share.is_real
            and abs(share.mean) + share.margin >= large
            for share in self.shares
        )


def masks_of(count: int) -> tuple[int, ...]:
    """Return the masks to train for `count` differences, A first and B last.

    All of them up to `MOST_COMBINED`; else one change at a time, from A's side and from B's.
    """
    if count <= MOST_COMBINED:
        return tuple(range(2**count))
    every = 2**count - 1
    changes = [1 << bit for bit in range(count)]
    return (0, *changes, *(every - change for change in reversed(changes)), every)


def shapley_values(game: Game, count: int) -> tuple[float, ...]:
    """Return each setting's share of v(all) - v(none), which they sum to.

        φᵢ = Σ_{S without i} |S|! (n − |S| − 1)! / n! · (v(S with i) − v(S))      Shapley 1953

    Args:
        game: a value for each of the 2ⁿ masks.
        count: n.
    """
    weights = [factorial(s) * factorial(count - s - 1) / factorial(count) for s in range(count)]
    return tuple(
        sum(
            weights[mask.bit_count()] * (game[mask | 1 << bit] - game[mask])
            for mask in range(2**count)
            if not mask & 1 << bit
        )
        for bit in range(count)
    )


def one_at_a_time(game: Game, count: int) -> tuple[float, ...]:
    """Return the mean of what each setting does alone to A, and last of all on the way to B.

        φᵢ = ½ ((v(only i) − v(none)) + (v(all) − v(all without i)))

    Args:
        game: a value for each of `masks_of(count)`.
        count: of settings.
    """
    every = 2**count - 1
    return tuple(
        (game[1 << bit] - game[0] + game[every] - game[every - (1 << bit)]) / 2
        for bit in range(count)
    )


def attribute(games: Mapping[int, Game], count: int) -> Attribution:
    """Share out the gap of each seed, and return the means with their intervals.

    Args:
        games: by seed; a seed that lacks a value is left out.
        count: of settings that differ.
    """
    masks, every = masks_of(count), 2**count - 1
    share_out: Callable[[Game, int], tuple[float, ...]] = (
        shapley_values if count <= MOST_COMBINED else one_at_a_time
    )
    whole = {seed: game for seed, game in games.items() if all(mask in game for mask in masks)}
    shares = {seed: share_out(game, count) for seed, game in whole.items()}
    gaps = {seed: game[every] - game[0] for seed, game in whole.items()}
    left = {seed: gaps[seed] - sum(shares[seed]) for seed in whole}
    if count <= MOST_COMBINED:
        # Nothing but rounding.
        left = dict.fromkeys(whole, 0.0)
    zeros = dict.fromkeys(whole, 0.0)
    columns = [{seed: values[bit] for seed, values in shares.items()} for bit in range(count)]
    gap, remainder, *found = (
        paired_difference(zeros, values) for values in chain((gaps, left), columns)
    )
    return Attribution(gap, tuple(found), remainder)
