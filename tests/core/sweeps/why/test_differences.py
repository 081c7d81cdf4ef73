"""What differs between two runs, and the networks in between."""

from dataclasses import replace
from itertools import product

import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.sweeps.why.differences import differences, hybrid, plain_config

BASE = RunConfig(data="digits", epochs=4)


def names(one: RunConfig, other: RunConfig) -> list[tuple[str, ...]]:
    return [tuple(found.before) for found in differences(one, other)]


def test_what_is_no_cause_does_not_differ() -> None:
    other = replace(BASE, recipe="best", seed=7, threads=1, history=0, only="numpy", data="mnist")
    assert differences(BASE, other) == ()
    assert differences(BASE, BASE) == ()


def test_settings_without_effect_do_not_differ() -> None:
    idle = replace(BASE, momentum=0.5, negative_slope=0.3, torch_loss_mean="element")
    assert differences(BASE, replace(idle, output_activation="softmax")) == ()
    assert plain_config(replace(idle, output_activation="softmax")) == BASE


def test_differences_have_the_values_of_both_sides() -> None:
    seed = from_recipe("seed", data="digits")
    (found,) = differences(seed, from_recipe("seed-fixed", data="digits"))
    assert (found.setting, found.before, found.after) == (
        "torch_loss_mean", {"torch_loss_mean": "element"}, {"torch_loss_mean": "batch"},
    )  # fmt: skip
    assert found.words == "the loss's mean over the classes"
    assert names(BASE, replace(BASE, learning_rate=0.1, hidden=(9,), epochs=5)) == [
        ("hidden",), ("learning_rate",), ("epochs",),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"loss": "mse"}, {}, [("loss",)]),
        ({"loss": "mse"}, {"loss": "bce"}, [("loss",)]),
        ({"loss": "mse", "output_activation": "linear"}, {}, [("loss", "output_activation")]),
        ({"loss": "mse", "output_activation": "softmax"}, {}, [("loss",)]),
        (
            {"loss": "mse", "output_activation": "softmax"}, {"loss": "mse"},
            [("output_activation",)],
        ),
        ({"loss": "mse", "torch_loss_mean": "element"}, {}, [("loss",), ("torch_loss_mean",)]),
        ({"optimizer": "momentum", "momentum": 0.5}, {}, [("optimizer", "momentum")]),
        (
            {"optimizer": "momentum", "momentum": 0.5}, {"optimizer": "nesterov"},
            [("optimizer",), ("momentum",)],
        ),
        (
            {"activation": "leaky-relu", "negative_slope": 0.2}, {"dropout": 0.1},
            [("activation", "negative_slope"), ("dropout",)],
        ),
        ({"train_size": 1500, "validation": 50}, {}, [("validation", "train_size")]),
    ],
)  # fmt: skip
def test_what_makes_sense_only_together_is_one_difference(
    one: dict[str, object], other: dict[str, object], expected: list[tuple[str, ...]]
) -> None:
    a, b = RunConfig.from_dict(one), RunConfig.from_dict(other)
    assert {frozenset(each) for each in names(a, b)} == {frozenset(each) for each in expected}
    found = differences(a, b)
    # Both ends are the runs' own settings, and all between them are valid.
    assert hybrid(a, b, found, 0) == plain_config(a)
    assert hybrid(a, b, found, 2 ** len(found) - 1) == plain_config(b)
    configs = [hybrid(a, b, found, mask) for mask in range(2 ** len(found))]
    assert all(config == plain_config(config) for config in configs)


def test_every_pair_of_loss_and_output_is_bridged() -> None:
    losses = ("cross-entropy", "mse", "half-mse", "bce")
    pairs = [
        RunConfig(loss=loss, output_activation=output, learning_rate=rate)  # type: ignore[arg-type]
        for loss, output in product(losses, (None, "softmax", "sigmoid", "linear"))
        if (loss, output) not in {("cross-entropy", "linear"), ("bce", "linear")}
        for rate in (0.1,)
    ]
    for one, other in product(pairs, pairs):
        b = replace(other, learning_rate=0.5)
        found = differences(one, b)
        every = [hybrid(one, b, found, mask) for mask in range(2 ** len(found))]
        assert (every[0], every[-1]) == (plain_config(one), plain_config(b))
        outputs = {config.output_function for config in every}
        assert outputs == {one.output_function, b.output_function}


def test_a_mask_takes_bs_values() -> None:
    b = replace(BASE, learning_rate=0.5, hidden=(9,), dropout=0.5)
    found = differences(BASE, b)
    assert [f.setting for f in found] == ["hidden", "learning_rate", "dropout"]
    assert hybrid(BASE, b, found, 0b010) == replace(BASE, learning_rate=0.5)
    assert hybrid(BASE, b, found, 0b101) == replace(BASE, hidden=(9,), dropout=0.5)
