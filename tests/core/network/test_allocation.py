"""A step of the NumPy engine allocates no array; bytes and floats give the same training."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.data.dataset import load_dataset
from mlpwatch.core.training.launch import engine_on

SETTINGS = [
    RunConfig(),
    RunConfig(hidden=(32, 16), activation="tanh", optimizer="momentum"),
    RunConfig(loss="mse", activation="sigmoid", optimizer="adam"),
    RunConfig(dtype="float64"),
    RunConfig(activation="gelu", optimizer="nesterov", weight_decay=1e-4),
    RunConfig(activation="leaky-relu", optimizer="adamw", weight_decay=0.01),
    RunConfig(optimizer="rmsprop"),
    RunConfig(loss="bce"),
    RunConfig(loss="half-mse", output_activation="linear"),
    RunConfig(loss="mse", output_activation="softmax", activation="tanh"),
]


BATCH = 1_024

CASTING_BUFFER = 8_192 * 8
"""NumPy converts and broadcasts through buffers of at most 8,192 numbers, whatever the size of
the arrays; `numpy.getbufsize()` tells."""


def save_bytes(folder: Path) -> str:
    """Write 1,600 images of 16 x 16 bytes in 10 classes."""
    random = np.random.default_rng(0)
    path = folder / "bytes.npz"
    images = random.integers(0, 256, (1_600, 16, 16), np.uint8)
    np.savez(path, x=images, y=np.arange(1_600) % 10)
    return str(path)


@pytest.mark.parametrize(
    "settings", SETTINGS, ids=lambda c: f"{c.activation}-{c.loss}-{c.optimizer}-{c.dtype}"
)
def test_a_step_allocates_no_array(settings: RunConfig, tmp_path: Path) -> None:
    config = replace(settings, batch_size=BATCH)
    dataset = load_dataset(save_bytes(tmp_path), 0, config.pixel_range)
    engine = engine_on(dataset, "numpy", config)
    rows = np.random.default_rng(1).permutation(dataset.train_count)[:BATCH]
    for _ in range(3):
        engine.train_batch(rows)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(20):
            engine.train_batch(rows)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    gathered_bytes, hidden = BATCH * 256, BATCH * config.hidden[0] * 4
    assert min(gathered_bytes, hidden) > CASTING_BUFFER  # or the next line would prove nothing
    assert peak - before < CASTING_BUFFER + 8_000
    assert now - before < 4_000  # 20 losses and their list


@pytest.mark.parametrize("pixel_range", ["0..1", "-1..1"])
def test_bytes_and_floats_give_the_same_weights_to_the_bit(
    pixel_range: str, tmp_path: Path
) -> None:
    config = RunConfig(pixel_range=pixel_range)  # type: ignore[arg-type]
    dataset = load_dataset(save_bytes(tmp_path), 0, config.pixel_range)
    assert dataset.grey_levels is not None
    from mlpwatch.core.network.build import build_engine

    images, labels = dataset.train_images, dataset.train_labels
    from_floats = build_engine("numpy", config, images, labels, 10)
    from_bytes = engine_on(dataset, "numpy", config)
    order = np.random.default_rng(1).permutation(dataset.train_count)
    for first in range(0, len(order), 64):
        for engine in (from_floats, from_bytes):
            engine.train_batch(order[first : first + 64])
    for name, weights in from_floats.state().weights.items():
        np.testing.assert_array_equal(weights, from_bytes.state().weights[name])
