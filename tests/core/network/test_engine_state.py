"""What one engine has learned loads into either; the same settings repeat to the bit."""

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from mlpwatch.core.config import ENDS_OF_RANGE, EngineName, OptimizerName, PixelRange
from mlpwatch.core.data.dataset import batch_order
from mlpwatch.core.data.pixels import GreyLevels, PixelScale
from mlpwatch.core.network.build import build_engine, initial_weights
from mlpwatch.core.network.engine import Engine, EngineState
from mlpwatch.core.network.optimizers import OPTIMIZERS
from tests.support.samples.engines import (
    SAMPLES,
    assert_close,
    assert_same_bits,
    batches,
    build,
    build_both,
    small_config,
    small_images,
    train_steps,
)

NAMES: tuple[EngineName, ...] = ("numpy", "torch")
FIRST, THEN = (batches(batch_order(0, epoch, SAMPLES), 4) for epoch in (0, 1))


def trained(name: EngineName, optimizer: OptimizerName) -> Engine:
    engine = build(name, small_config(optimizer=optimizer), small_images())
    train_steps(engine, FIRST)
    return engine


def fresh(name: EngineName, optimizer: OptimizerName) -> Engine:
    """Build an engine that starts elsewhere, so that nothing matches by accident."""
    return build(name, small_config(optimizer=optimizer, seed=9), small_images())


@pytest.mark.parametrize("optimizer", tuple(OPTIMIZERS))
@pytest.mark.parametrize("name", NAMES)
def test_a_state_loads_into_a_fresh_engine_which_goes_on_to_the_bit(
    name: EngineName, optimizer: OptimizerName
) -> None:
    engine, other = trained(name, optimizer), fresh(name, optimizer)
    other.load_state(engine.state())
    assert train_steps(other, THEN) == train_steps(engine, THEN)
    assert_same_bits(other.state().weights, engine.state().weights)
    assert_same_bits(other.state().slots, engine.state().slots)
    assert other.state().updates == engine.state().updates == len(FIRST) + len(THEN)


@pytest.mark.parametrize("optimizer", tuple(OPTIMIZERS))
@pytest.mark.parametrize(("giver", "taker"), permutations(NAMES, 2))
def test_a_state_of_one_engine_goes_on_in_the_other(
    giver: EngineName, taker: EngineName, optimizer: OptimizerName
) -> None:
    engine, other = trained(giver, optimizer), fresh(taker, optimizer)
    state = engine.state()
    other.load_state(state)
    assert_same_bits(other.state().weights, state.weights)
    assert_same_bits(other.state().slots, state.slots)
    train_steps(engine, THEN)
    train_steps(other, THEN)
    assert_close(other.state().weights, engine.state().weights, 1e-12)
    assert_close(other.state().slots, engine.state().slots, 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_state_before_the_first_update_brings_a_trained_engine_back(name: EngineName) -> None:
    for optimizer in OPTIMIZERS:
        engine = fresh(name, optimizer)
        start = engine.state()
        before = train_steps(engine, FIRST)
        engine.load_state(start)
        assert train_steps(engine, FIRST) == before


@pytest.mark.parametrize("optimizer", tuple(OPTIMIZERS))
def test_both_engines_name_shape_and_lay_out_their_state_alike(optimizer: OptimizerName) -> None:
    by_hand, in_torch = (trained(name, optimizer).state() for name in NAMES)
    slots = {
        "sgd": (),
        "momentum": ("momentum.",),
        "nesterov": ("momentum.",),
        "rmsprop": ("rmsprop_square.",),
        "adam": ("adam_mean.", "adam_square."),
        "adamw": ("adam_mean.", "adam_square."),
    }
    weights = {
        "layers.0.weight": (4, 5),
        "layers.0.bias": (4,),
        "layers.1.weight": (3, 4),
        "layers.1.bias": (3,),
    }
    for state in (by_hand, in_torch):
        assert {name: a.shape for name, a in state.weights.items()} == weights
        assert {name: a.shape for name, a in state.slots.items()} == {
            slot + name: shape for slot in slots[optimizer] for name, shape in weights.items()
        }
        for array in (*state.weights.values(), *state.slots.values()):
            assert array.flags.c_contiguous
            assert array.dtype == np.float64


@pytest.mark.parametrize("name", NAMES)
def test_a_state_is_a_copy_both_ways(name: EngineName) -> None:
    engine = trained(name, "adam")
    state, kept = engine.state(), engine.state()
    for array in (*state.weights.values(), *state.slots.values()):
        array[:] = 7.0
    assert_same_bits(engine.state().weights, kept.weights)
    assert_same_bits(engine.state().slots, kept.slots)
    engine.load_state(state)
    for array in (*state.weights.values(), *state.slots.values()):
        array[:] = 0.0
    assert all((array == 7.0).all() for array in engine.state().weights.values())
    assert all((array == 7.0).all() for array in engine.state().slots.values())


def without(state: EngineState) -> EngineState:
    return replace(state, weights={n: a for n, a in state.weights.items() if "1.bias" not in n})


def wider(state: EngineState) -> EngineState:
    return replace(state, weights=state.weights | {"layers.1.bias": np.zeros(4)})


def narrower(state: EngineState) -> EngineState:
    return replace(state, weights=state.weights | {"layers.1.bias": np.zeros(3, np.float32)})


def slotless(state: EngineState) -> EngineState:
    return replace(state, slots={n: a for n, a in state.slots.items() if "1.bias" not in n})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without, r"'layers\.1\.bias' is missing: expected shape \(3,\)"),
        (wider, r"'layers\.1\.bias' is float64 \(4,\): expected float64 \(3,\)"),
        (narrower, r"'layers\.1\.bias' is float32 \(3,\): expected float64 \(3,\)"),
        (slotless, r"'momentum\.layers\.1\.bias' is missing"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_a_state_that_does_not_fit_is_refused_by_name_and_changes_nothing(
    name: EngineName, spoil: Callable[[EngineState], EngineState], message: str
) -> None:
    engine = fresh(name, "momentum")
    before = engine.state()
    with pytest.raises(ValueError, match=message):
        engine.load_state(spoil(trained("numpy", "momentum").state()))
    assert_same_bits(engine.state().weights, before.weights)
    assert_same_bits(engine.state().slots, before.slots)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_the_same_settings_give_the_same_bits_and_another_seed_others(
    name: EngineName, dtype: str
) -> None:
    ends = []
    for seed in (4, 4, 5):
        engine = build(name, small_config(seed=seed, dtype=dtype, hidden=(6, 4)), small_images())
        train_steps(engine, [*FIRST, *THEN])
        ends.append(engine.state().weights)
    assert_same_bits(ends[0], ends[1])
    for tensor in ("layers.0.weight", "layers.1.weight", "layers.2.weight"):
        assert (ends[0][tensor] != ends[2][tensor]).all()


def test_initial_weights_have_the_spread_of_their_papers() -> None:
    sizes = (400, 300, 200)
    he = initial_weights(sizes, small_config())
    assert he["layers.0.weight"].std() == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    assert he["layers.1.weight"].std() == pytest.approx((2 / 300) ** 0.5, rel=0.02)
    glorot = initial_weights(sizes, small_config(activation="tanh"))["layers.0.weight"]
    assert np.abs(glorot).max() == pytest.approx((6 / 700) ** 0.5, rel=0.001)
    assert glorot.std() == pytest.approx((2 / 700) ** 0.5, rel=0.02)
    normal = initial_weights(sizes, small_config(initialization="normal"))["layers.1.weight"]
    assert normal.std() == pytest.approx(0.1, rel=0.02)
    zeros = initial_weights(sizes, small_config(initialization="zeros"))
    assert not any(array.any() for array in zeros.values())
    assert not any(he[f"layers.{k}.bias"].any() for k in (0, 1))


@pytest.mark.parametrize("name", NAMES)
def test_the_first_unsound_tensor_is_found_from_the_input_side(name: EngineName) -> None:
    engine = fresh(name, "sgd")
    assert engine.first_nonfinite_tensor() is None
    state = engine.state()
    for tensor, value in (("layers.1.weight", np.nan), ("layers.0.bias", -np.inf)):
        state.weights[tensor][0] = value
        engine.load_state(state)
        assert engine.first_nonfinite_tensor() == tensor


def test_both_engines_read_images_alike_in_any_number() -> None:
    by_hand, in_torch = build_both(small_config(dtype="float32"), small_images())
    pixels = small_images(samples=2_500, seed=2).pixels
    for count in (0, 1, 1_000, 2_500):
        found = by_hand.logits(pixels[:count])
        assert found.shape == (count, 3)
        np.testing.assert_allclose(found, in_torch.logits(pixels[:count]), 1e-4, 1e-5)


@pytest.mark.parametrize("pixel_range", ["0..1", "-1..1", "0..255"])
def test_images_read_as_bytes_train_to_the_same_bits(pixel_range: PixelRange) -> None:
    levels = np.random.default_rng(6).integers(0, 17, (SAMPLES, 5), np.uint8)
    grey = GreyLevels(levels, PixelScale(16.0, pixel_range))
    pixels = levels.astype(np.float32)
    grey.scale.apply(pixels)
    assert (pixels.min(), pixels.max()) == ENDS_OF_RANGE[pixel_range]
    labels = small_images().labels
    for dtype in ("float32", "float64"):
        config = small_config(dtype=dtype, pixel_range=pixel_range)
        by_bytes = build_engine("numpy", config, pixels, labels, 3, grey_levels=grey)
        by_floats = build_engine("numpy", config, pixels, labels, 3)
        assert train_steps(by_bytes, [*FIRST, *THEN]) == train_steps(by_floats, [*FIRST, *THEN])
        assert_same_bits(by_bytes.state().weights, by_floats.state().weights)
