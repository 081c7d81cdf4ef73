"""Each recipe carries its own name, has a summary, and can be changed."""

from dataclasses import replace
from typing import get_args

import pytest

from mlpwatch.core.config import RecipeName
from mlpwatch.core.errors import ConfigError
from mlpwatch.core.recipes import (
    ADAMW_DECAY,
    RECIPE_STORIES,
    RECIPE_SUMMARIES,
    RECIPES,
    from_recipe,
)


def test_recipes_carry_their_own_names_and_a_summary() -> None:
    assert set(RECIPES) == set(RECIPE_SUMMARIES) == set(get_args(RecipeName))
    assert set(RECIPE_STORIES) <= set(RECIPES)
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
    assert means == {name: ["batch", "batch"] for name in RECIPES} | {"seed": ["batch", "element"]}


def test_adamw_decays_the_weights_as_pytorchs_does_unless_asked_otherwise() -> None:
    import torch

    default = torch.optim.AdamW([torch.zeros(1)]).defaults["weight_decay"]
    assert from_recipe("twin", optimizer="adamw").weight_decay == ADAMW_DECAY == default
    assert from_recipe("twin", optimizer="adamw", weight_decay=0.0).weight_decay == 0
    assert from_recipe("twin", optimizer="adam").weight_decay == 0
