"""The filter of a sweep's settings: `lr>=0.1 hidden=128`, and words that a setting must contain."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import isclose
from types import MappingProxyType
from typing import Any

from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import InputError
from mlpwatch.core.sweeps.group import SweepSetting, value_text
from mlpwatch.core.text import printable

SHORT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "lr": "learning_rate",
        "rate": "learning_rate",
        "batch": "batch_size",
        "decay": "weight_decay",
        "wd": "weight_decay",
        "act": "activation",
        "opt": "optimizer",
        "init": "initialization",
    }
)
"""What people type for a setting besides its name."""

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        ">=": operator.ge,
        "<=": operator.le,
        "!=": operator.ne,
        "==": operator.eq,
        ">": operator.gt,
        "<": operator.lt,
        "=": operator.eq,
    }
)

_WORD = re.compile(r"([^<>=!]+)(>=|<=|!=|==|>|<|=)(.*)")

_NAMES = frozenset(field.name for field in fields(RunConfig))


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a filter, such as `lr>=0.1`."""

    name: str
    """Of the setting, as in `RunConfig`."""
    sign: str
    """One of `>= <= != == > < =`."""
    value: str
    """As it was typed."""

    def holds(self, setting: SweepSetting) -> bool:
        """Return whether a setting of the sweep satisfies it.

        Raises:
            InputError: the value can't be compared with the setting's.
        """
        own = getattr(setting.config, self.name)
        is_number = isinstance(own, int | float) and not isinstance(own, bool)
        number = _number(self.value)
        if is_number and number is not None:
            # 0.1 as typed and as computed from a list are the same number.
            if isclose(own, number, rel_tol=1e-9):
                return "=" in self.sign and self.sign != "!="
            return _COMPARE[self.sign](own, number)
        if is_number and self.value.lower() != "none":
            raise InputError(f"{self}: expected a number, such as {value_text(own)}")
        if self.sign not in ("=", "==", "!="):
            if own is None:
                return False
            words = _words(self.name)
            raise InputError(f"{self}: {words} has no order; use = or !=")
        return _COMPARE[self.sign](_plain(self.value), _plain(value_text(own)))

    def __str__(self) -> str:
        """Return it as it was typed, with the setting's full name."""
        return f"{_words(self.name)}{self.sign}{printable(self.value)}"


def parse_condition(word: str) -> Condition | None:
    """Return the condition that a word of a filter is; None for a word that a label must contain.

    A condition is a setting's name, a sign and a value without blanks between them.

    Raises:
        InputError: an unknown setting, or a condition without a value.
    """
    found = _WORD.fullmatch(word)
    if found is None:
        return None
    typed, sign, value = found.groups()
    if not value:
        raise InputError(f"{printable(word)}: expected a value after {sign}")
    return Condition(_full_name(typed), sign, value)


def matching_settings(settings: Sequence[SweepSetting], text: str) -> tuple[list[int], str]:
    """Return the indexes of the settings that a filter leaves, and what is wrong with it.

    Its words are separated by blanks, and all must hold. One that is wrong is left out, so that
    the table stays while somebody types; so is the beginning of a setting's name.

    Args:
        settings: of the sweep.
        text: of the filter, such as `lr>=0.1 hidden=128`.
    """
    left, fault = list(range(len(settings))), ""
    for word in text.split():
        try:
            condition = parse_condition(word)
            if condition is not None:
                left = [n for n in left if condition.holds(settings[n])]
                continue
        except InputError as error:
            fault = fault or str(error)
            continue
        labels = [setting.label.lower() for setting in settings]
        if any(word.lower() in label for label in labels) or not _begins_a_name(word):
            left = [n for n in left if word.lower() in labels[n]]
    return left, fault


def _begins_a_name(word: str) -> bool:
    name = word.lower().lstrip("-").replace("-", "_")
    return any(one.startswith(name) for one in (*_NAMES, *SHORT_NAMES))


def _full_name(typed: str) -> str:
    """Return a setting's name in `RunConfig`: by a short name, or by any unique beginning.

    Raises:
        InputError: there is no such setting.
    """
    name = typed.lower().lstrip("-").replace("-", "_")
    name = SHORT_NAMES.get(name, name)
    if name in _NAMES:
        return name
    begun = [one for one in _NAMES if one.startswith(name)]
    if len(begun) == 1:
        return begun[0]
    what = "no setting" if not begun else "several settings begin so: " + _listed(begun)
    raise InputError(f"{printable(typed)}: {what}; expected a name such as lr, hidden or batch")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_words, sorted(names)))


def _words(name: str) -> str:
    return name.replace("_", "-")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _plain(text: str) -> str:
    """Return a value without differences of spelling: `128,64`, `128-64` and `128x64` are one."""
    return re.sub(r"(?<=\d)[,x](?=\d)", "-", text.lower())
