"""In which settings two runs differ, and the networks in between. Pure functions of configs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlpwatch.core.config import IN_PLACE, RunConfig
from mlpwatch.core.network.optimizers import OPTIMIZERS
from mlpwatch.core.specification import OUTPUT_OF_LOSS

NOT_CAUSES = ("recipe", "data", "seed", "threads", "history", "only", *IN_PLACE)
"""A recipe is only a name, data must be the same, seeds are drawn again for the hybrids; threads
and history change no number, and `only` chooses what is trained."""

_JOINED = (
    ("loss", "output_activation"),
    ("optimizer", "momentum"),
    ("activation", "negative_slope"),
    ("train_size", "validation"),
)
"""Settings that change together where both differ: one's value means nothing with the other's, or,
of the sizes, the data may not have enough images for both."""

_USUAL = RunConfig()

_WORDS = {
    "torch_loss_mean": "the loss's mean over the classes",
    "hidden": "hidden layers",
    "dtype": "type of the numbers",
    "train_size": "training images",
    "validation": "validation images",
}
"""Settings that are called otherwise by people."""


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """One thing in which two runs differ: a setting, or two that only make sense together."""

    before: Mapping[str, Any]
    """A's values, by the names of the settings in `RunConfig`; the one that names it is first."""
    after: Mapping[str, Any]
    """B's."""

    @property
    def setting(self) -> str:
        """The name of the setting in `config.json`."""
        return next(iter(self.before))

    @property
    def words(self) -> str:
        """The name for people."""
        return " and ".join(_WORDS.get(name, name.replace("_", " ")) for name in self.before)


def plain_config(config: RunConfig) -> RunConfig:
    """Return the settings with those at their defaults that have no effect.

    Two configs that train the same network are then equal.
    """
    if not OPTIMIZERS[config.optimizer].has_momentum():
        config = replace(config, momentum=_USUAL.momentum)
    if config.activation != "leaky-relu":
        config = replace(config, negative_slope=_USUAL.negative_slope)
    if not config.sums_classes:
        config = replace(config, torch_loss_mean=_USUAL.torch_loss_mean)
    if config.output_activation == OUTPUT_OF_LOSS[config.loss]:
        config = replace(config, output_activation=None)
    return config


def differences(one: RunConfig, other: RunConfig) -> tuple[SettingDifference, ...]:
    """Return what differs between two runs' settings, in the order of `RunConfig`.

    Settings without an effect on either side do not differ.
    """
    one, other = _comparable(one, other)
    own, others = one.to_dict(), other.to_dict()
    names = [name for name in own if name not in NOT_CAUSES and own[name] != others[name]]
    groups: list[tuple[str, ...]] = []
    for name in names:
        main = next((m for m, partner in _JOINED if partner == name and m in names), None)
        if main is None or _are_apart(main, one, other):
            partner = next((p for m, p in _JOINED if m == name and p in names), None)
            joined = partner is not None and not _are_apart(name, one, other)
            groups.append((name, partner) if partner and joined else (name,))
    return tuple(
        SettingDifference(
            {name: getattr(one, name) for name in group},
            {name: getattr(other, name) for name in group},
        )
        for group in groups
    )


def hybrid(
    one: RunConfig, other: RunConfig, found: Sequence[SettingDifference], mask: int
) -> RunConfig:
    """Return A's settings with B's values of the differences whose bits are 1.

    Args:
        one: A's settings.
        other: B's.
        found: their differences.
        mask: bit i stands for difference i.
    """
    base, _ = _comparable(one, other)
    values: dict[str, Any] = {}
    for bit, difference in enumerate(found):
        values |= difference.after if mask & 1 << bit else difference.before
    return plain_config(replace(base, **values))


def _comparable(one: RunConfig, other: RunConfig) -> tuple[RunConfig, RunConfig]:
    """Return both with the output activation written out, unless both have their loss's own."""
    one, other = plain_config(one), plain_config(other)
    if one.output_activation is None and other.output_activation is None:
        return one, other
    return (
        replace(one, output_activation=one.output_function),
        replace(other, output_activation=other.output_function),
    )


def _are_apart(main: str, one: RunConfig, other: RunConfig) -> bool:
    """Whether a setting and its partner, which both differ, each mean something alone."""
    return main == "optimizer" and all(
        OPTIMIZERS[config.optimizer].has_momentum() for config in (one, other)
    )
