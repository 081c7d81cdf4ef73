"""Each recipe carries its own name, has a summary, and can be changed."""

from dataclasses import replace
from typing import get_args

import pytest

from mlpwatch.core.config import RecipeName
from mlpwatch.core.errors import ConfigError
from mlpwatch.core.recipes import RECIPE_SUMMARIES, RECIPES, from_recipe


def test_recipes_carry_their_own_names_and_a_summary() -> None:
    assert set(RECIPES) == set(RECIPE_SUMMARIES) == set(get_args(RecipeName))
    for name, config in RECIPES.items():
        assert config.recipe == name
        assert from_recipe(name) == config
        with pytest.raises(ConfigError):
            from_recipe(name, epochs=0)
        assert from_recipe(name, epochs=3) == replace(config, epochs=3)


def test_the_remedy_changes_nothing_but_what_the_mean_is_taken_over() -> None:
    fixed = replace(RECIPES["seed"], recipe="seed-fixed", torch_loss_mean="batch")
    assert RECIPES["seed-fixed"] == fixed


def test_only_the_seed_recipe_treats_the_engines_differently() -> None:
    means = {name: [c.loss_mean(e) for e in c.engine_names] for name, c in RECIPES.items()}
    assert means == {
        "twin": ["batch", "batch"],
        "seed": ["batch", "element"],
        "seed-fixed": ["batch", "batch"],
        "best": ["batch", "batch"],
    }
