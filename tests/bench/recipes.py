"""Trains each recipe to its end on MNIST and prints its test accuracies beside what it is for.

python -m tests.bench.recipes [seed best twin]
"""

import argparse
import tempfile
from pathlib import Path

from mlpwatch.core.config import RecipeName
from mlpwatch.core.recipes import RECIPE_SUMMARIES, from_recipe
from mlpwatch.core.training.launch import new_session
from tests.bench.bench_data import find_mnist

TARGETS: dict[RecipeName, str] = {
    "twin": "both above 96 % after 3 epochs",
    "seed": "94.88 % and 90.63 % in the notebook, each within 0.7 points",
    "seed-fixed": "both as NumPy in seed, within 0.1 points of each other",
    "best": "both at least 98.4 %",
    "overfitting": "both near 82 %, with 100 % of the 200 training images",
    "dead-relus": "both near 10 %, which is guessing",
    "vanishing-gradients": "both near 10 %, which is guessing",
    "zero-initialization": "both below 50 %",
}


def main() -> None:
    """Run the named recipes, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=list(TARGETS))
    for recipe in parser.parse_args().recipes:
        config = from_recipe(recipe, data=find_mnist())
        with tempfile.TemporaryDirectory() as saved:
            session = new_session(config, Path(saved), None, lambda _: None)
            session.start()
            session.join(3600)
        found = [
            f"{name} {result.test.accuracy:.2%} in {result.position.seconds:.0f} s"
            for name, result in session.results.items()
            if result.test
        ]
        print(f"{recipe}: {RECIPE_SUMMARIES[recipe]}")  # noqa: T201
        print(f"  {config.epochs} epochs: {', '.join(found)}   target: {TARGETS[recipe]}")  # noqa: T201


if __name__ == "__main__":
    main()
