"""The largest settings of a run, and the range of a learning rate that is set while it trains."""

from mlpwatch.core.errors import ConfigError

MAX_LAYER_WIDTH = 65_536
MAX_BATCH_SIZE = 1_000_000
MAX_EPOCHS = 100_000
MAX_STEPS = 10**12
MAX_IMAGES = 10**9
MOST_COMPARED = 4_000_000
"""Steps of a network with more weights are not compared: it would take 10 times their memory."""

MIN_LEARNING_RATE = 1e-30
"""Least rate that a change while it trains may set; float32 ends at 1e-38."""

MAX_LEARNING_RATE = 1e30
"""Far above any useful rate. From 1e38 PyTorch refuses a float32 update instead of diverging."""


def check_new_rate(rate: float) -> None:
    """Check a learning rate that is to be set while it trains.

    Raises:
        ConfigError: it is out of range, or NaN.
    """
    if not MIN_LEARNING_RATE <= rate <= MAX_LEARNING_RATE:
        raise ConfigError(
            f"learning rate {rate:g}: expected a number from {MIN_LEARNING_RATE:g} to "
            f"{MAX_LEARNING_RATE:g}, like 0.05"
        )
