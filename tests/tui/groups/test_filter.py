"""The filter of a sweep's settings: what it means, and what it says of a mistake."""

import pytest

from mlpwatch.tui.groups.filter import matching_settings
from tests.support.samples.sweep_samples import group_of

GRID = group_of({"hidden": ((64,), (128, 64)), "learning_rate": (0.03, 0.1, 0.3)}).settings
"""Settings 0 to 2 have 64 units, 3 to 5 have 128 and 64; the rates rise in each."""


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", [0, 1, 2, 3, 4, 5]),
        ("lr>=0.1", [1, 2, 4, 5]),
        ("lr>0.1", [2, 5]),
        ("lr<=0.1", [0, 1, 3, 4]),
        ("lr<1e-1", [0, 3]),
        ("lr=0.1", [1, 4]),
        ("learning-rate==.1", [1, 4]),
        ("--learning_rate!=0.1", [0, 2, 3, 5]),
        ("lr>=0.1 hidden=64", [1, 2]),
        ("lr>=0.1 lr<0.3", [1, 4]),
        ("hidden=128,64", [3, 4, 5]),
        ("hidden=128-64", [3, 4, 5]),
        ("hidden!=64", [3, 4, 5]),
        ("128-64", [3, 4, 5]),
        ("RATE 0.3", [2, 5]),
        ("units", []),
        ("nothing", []),
        ("batch>=1", [0, 1, 2, 3, 4, 5]),
        ("batch>1e6", []),
        ("patience=none", [0, 1, 2, 3, 4, 5]),
        ("patience>3", []),
        ("opt=sgd", [0, 1, 2, 3, 4, 5]),
        ("sched=cosine", []),
    ],
)
def test_a_filter_leaves(text: str, left: list[int]) -> None:
    assert matching_settings(GRID, text) == (left, "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("size>3", "size: no setting; expected a name such as lr, hidden or batch"),
        ("d=3", "d: several settings begin so: data, device, dropout, dtype; expected a name"),
        ("lr>=", "lr>=: expected a value after >="),
        ("lr>fast", "learning-rate>fast: expected a number, such as 0.3"),
        ("hidden>64", "hidden>64: hidden has no order; use = or !="),
        ("\x1b[31m=3", "no setting"),
    ],
)
def test_a_mistake_is_named_and_the_rest_holds(text: str, says: str) -> None:
    left, fault = matching_settings(GRID, f"lr=0.3 {text} hidden=64")
    assert says in fault
    assert "\x1b" not in fault
    assert left == [2]


def test_the_table_stays_while_a_condition_is_typed() -> None:
    typed = "lr>=0.1 hidden=64"
    counts = [len(matching_settings(GRID, typed[:n])[0]) for n in range(len(typed) + 1)]
    # `lr>=0.` is already a condition, which all rates satisfy.
    assert counts[: len("lr>=0.")] == [6] * len("lr>=0.")
    assert counts[len("lr>=0.1") : -2] == [4] * (len(" hidden=") + 1)
    assert counts[-2:] == [0, 2], "no setting has 6 units"


def test_the_beginning_of_a_name_is_a_word_where_a_setting_has_it() -> None:
    grid = group_of({"optimizer": ("sgd", "momentum")}).settings
    assert matching_settings(grid, "mom") == ([1], "")
    assert matching_settings(GRID, "mom") == ([0, 1, 2, 3, 4, 5], "")
