"""What comes out of `load_dataset`: splits, scales, read-only arrays; and the batch order."""

import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlpwatch.core.config import RunConfig
from mlpwatch.core.data.dataset import batch_order, dataset_for, load_dataset, steps_per_epoch
from mlpwatch.core.data.labels import class_names, class_numbers, names_of
from mlpwatch.core.data.pixels import ink_of
from mlpwatch.core.data.registry import check_source, resolve_source
from mlpwatch.core.errors import DataError
from tests.support.samples.sample_files import sample_arrays, write_idx_folder, write_npz

ARRAYS = ("images", "labels", "source_rows", "test_images", "test_labels")
VIEWS = ("train_images", "train_labels", "validation_images", "validation_labels")


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPWATCH_CACHE", str(tmp_path / "cache"))


def save_pair(path: Path, images: NDArray[Any], labels: NDArray[Any]) -> str:
    return str(write_npz(path / "pair.npz", x=images, y=labels))


def test_digits_are_split_into_disjoint_stratified_parts() -> None:
    data = load_dataset("digits", 0, "0..1")
    assert (data.name, data.image_shape, data.classes, data.features) == ("digits", (8, 8), 10, 64)
    assert [len(data.train_images), len(data.validation_images), len(data.test_images)] == [
        1249,
        249,
        299,
    ]
    assert len(np.unique(data.source_rows)) == 1498
    for labels in (data.train_labels, data.validation_labels, data.test_labels):
        assert np.allclose(np.bincount(labels) / len(labels), 0.1, atol=0.02)


def test_mnist_has_the_published_parts(mnist_path: Path) -> None:
    data = load_dataset(str(mnist_path), 3, "0..1")
    with np.load(mnist_path) as published:
        x, y = published["x_train"], published["y_train"]
        assert np.array_equal(data.test_labels, published["y_test"])
    assert [len(data.train_images), len(data.validation_images), len(data.test_images)] == [
        55_000,
        5_000,
        10_000,
    ]
    assert np.array_equal(data.labels, y[data.source_rows])
    some = np.arange(0, 60_000, 997)
    levels = x[data.source_rows[some]].reshape(-1, 784)
    assert np.array_equal(np.rint(data.images[some] * 255), levels)
    np.testing.assert_allclose(data.images[some], levels / 255, rtol=2e-7)


def test_every_array_is_read_only_contiguous_and_shared() -> None:
    data = load_dataset("digits", 0, "0..1")
    assert [data.images.dtype.name, data.labels.dtype.name] == ["float32", "int64"]
    for name in (*ARRAYS, *VIEWS):
        array = getattr(data, name)
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    for view in VIEWS:
        whole = data.labels if view.endswith("labels") else data.images
        assert np.shares_memory(getattr(data, view), whole)


def test_the_seed_moves_validation_but_not_test_or_hash() -> None:
    first, again, other = (load_dataset("digits", seed, "0..1") for seed in (1, 1, 2**63 - 1))
    assert np.array_equal(first.source_rows, again.source_rows)
    assert not np.array_equal(first.source_rows, other.source_rows)
    assert np.array_equal(first.test_images, other.test_images)
    assert first.sha256 == other.sha256 == load_dataset("digits", 1, "-1..1").sha256


def test_fewer_images_are_drawn_from_every_class_by_the_seed() -> None:
    whole = load_dataset("digits", 3, "0..1")
    config = RunConfig(data="digits", seed=3, validation=100, train_size=50)
    few, again = dataset_for(config), dataset_for(config)
    assert (few.train_count, len(few.validation_labels)) == (50, 100)
    assert np.array_equal(few.images, again.images)
    assert len(np.unique(few.source_rows)) == 150
    assert np.bincount(few.train_labels).tolist() == pytest.approx([5] * 10, abs=1)
    assert np.bincount(few.validation_labels).tolist() == pytest.approx([10] * 10, abs=1)
    # Fewer training images leave validation and test as they are.
    less = dataset_for(RunConfig(data="digits", seed=3, train_size=50))
    assert np.array_equal(less.validation_images, whole.validation_images)
    assert np.array_equal(less.test_images, whole.test_images)
    assert less.sha256 == whole.sha256
    assert set(less.source_rows) < set(whole.source_rows)
    other = dataset_for(RunConfig(data="digits", seed=4, train_size=50))
    assert not np.array_equal(less.train_images, other.train_images)
    every = dataset_for(RunConfig(data="digits", seed=3, train_size=whole.train_count))
    assert np.array_equal(every.images, whole.images)


def test_more_images_than_there_are_is_an_error_that_says_how_many() -> None:
    with pytest.raises(DataError, match=r"validation 1,498: data 'digits' has 1,498 .*most 1,497"):
        dataset_for(RunConfig(data="digits", validation=1_498))
    with pytest.raises(DataError, match=r"train size 1,250: data 'digits' has 1,249 .*most 1,249"):
        dataset_for(RunConfig(data="digits", train_size=1_250))
    one = dataset_for(RunConfig(data="digits", validation=1_497))
    assert (one.train_count, len(one.validation_labels)) == (1, 1_497)


def test_pixel_range_maps_black_and_white() -> None:
    low, wide = load_dataset("digits", 0, "0..1"), load_dataset("digits", 0, "-1..1")
    assert (low.images.min(), low.images.max()) == (0, 1)
    assert np.array_equal(wide.images, low.images * 2 - 1)
    assert np.array_equal(wide.test_images, low.test_images * 2 - 1)


def test_bytes_are_what_a_network_of_0_255_is_given(tmp_path: Path) -> None:
    """Not nearly: 200 / 255 * 255 in float32 is another number for some bytes."""
    levels = np.random.default_rng(0).permutation(np.arange(100 * 256) % 256).astype(np.uint8)
    path = save_pair(tmp_path, levels.reshape(100, 16, 16), np.arange(100) % 4)
    given = load_dataset(path, 0, "0..255")
    assert np.array_equal(np.unique(given.images), np.arange(256))
    assert given.grey_levels is not None
    pixels = given.grey_levels.levels.astype(np.float32)
    given.grey_levels.scale.apply(pixels)
    assert np.array_equal(pixels, given.train_images)
    of_digits, ink = load_dataset("digits", 0, "0..255"), load_dataset("digits", 0, "0..1")
    np.testing.assert_allclose(of_digits.images, ink.images * 255, 1e-6)
    np.testing.assert_allclose(ink_of(of_digits.images, "0..255"), ink.images, 1e-6)


@pytest.mark.parametrize(
    ("dtype", "high", "white"),
    [
        ("u1", 255, 255),
        ("u1", 200, 255),
        ("u1", 2, 255),
        ("u1", 1, 1),
        (">i4", 16, 16),
        ("u2", 65535, 65535),
        ("f4", 1, 1),
        (">f8", 1, 1),
        ("f8", 255, 255),
        ("f2", 100, 255),
    ],
)
def test_pixels_scale_by_dtype_and_maximum(
    tmp_path: Path, dtype: str, high: int, white: int
) -> None:
    images = np.linspace(0, high, 30 * 9).reshape(30, 3, 3).astype(dtype)
    data = load_dataset(save_pair(tmp_path, images, np.arange(30) % 2), 0, "0..1")
    expected = images[data.source_rows].reshape(-1, 9).astype(np.float64) / white
    assert np.allclose(data.images, expected, rtol=1e-6, atol=1e-7)


def test_one_content_reads_the_same_from_every_kind_of_file(tmp_path: Path) -> None:
    arrays = sample_arrays()
    flat = {k: v.reshape(len(v), -1) for k, v in arrays.items()}
    odd = {
        "x_train": np.asfortranarray(arrays["x_train"])[..., None],
        "y_train": arrays["y_train"].astype(">i8"),
        "x_test": arrays["x_test"][..., None],
        "y_test": arrays["y_test"][:, None].astype(np.int16),
    }
    np.savez_compressed(tmp_path / "packed.npz", **arrays)  # type: ignore[arg-type]
    sources: list[Path] = [
        write_npz(tmp_path / "plain.npz", **arrays),
        tmp_path / "packed.npz",
        write_npz(tmp_path / "flat.npz", **flat),
        write_npz(tmp_path / "odd.npz", **odd),
        write_idx_folder(tmp_path / "dash", arrays),
        write_idx_folder(tmp_path / "dot", arrays, dot=True),
        write_idx_folder(tmp_path / "dash-gz", arrays, packed=True),
        write_idx_folder(tmp_path / "dot-gz", arrays, dot=True, packed=True),
    ]
    loaded = [load_dataset(str(source), 5, "0..1") for source in sources]
    assert [data.name for data in loaded] == [source.stem for source in sources]
    for data in loaded:
        assert data.sha256 == loaded[0].sha256
        assert [np.array_equal(getattr(data, a), getattr(loaded[0], a)) for a in ARRAYS] == [
            True
        ] * len(ARRAYS)
    for name, array in arrays.items():
        changed = arrays | {name: array.copy()}
        changed[name].flat[-1] ^= 1
        other = load_dataset(str(write_npz(tmp_path / "changed.npz", **changed)), 5, "0..1")
        assert other.sha256 != loaded[0].sha256, name


def test_a_folder_without_a_test_part_is_split(tmp_path: Path) -> None:
    arrays = sample_arrays(60)
    train = {name: arrays[name] for name in ("x_train", "y_train")}
    data = load_dataset(str(write_idx_folder(tmp_path / "idx", train)), 0, "0..1")
    assert [len(data.train_labels), len(data.validation_labels), len(data.test_labels)] == [
        42,
        8,
        10,
    ]


@settings(max_examples=40, deadline=None)
@given(labels=st.lists(st.integers(0, 35), min_size=3, max_size=80), seed=st.integers(0, 2**63 - 1))
def test_any_labels_give_disjoint_parts_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, labels: list[int], seed: int
) -> None:
    images = np.arange(len(labels), dtype=np.uint16).reshape(-1, 1)
    source = save_pair(tmp_path_factory.mktemp("any"), images, np.array(labels))
    if len(set(labels)) == 1:
        with pytest.raises(DataError, match="two classes"):
            load_dataset(source, seed, "0..1")
        return
    data = load_dataset(source, seed, "0..1")
    test_rows = np.rint(data.test_images[:, 0] * (len(labels) - 1)).astype(int)
    assert sorted([*data.source_rows, *test_rows]) == list(range(len(labels)))
    assert min(data.train_count, len(data.validation_labels), len(data.test_labels)) >= 1
    values = sorted(set(labels))
    assert data.classes == len(data.class_names) == len(values)
    assert np.array_equal(np.array(values)[data.labels], np.array(labels)[data.source_rows])
    # As a run of an earlier version numbers them, which has a class for each number.
    earlier = load_dataset(source, seed, "0..1", classes=max(labels) + 1)
    assert earlier.sha256 == data.sha256
    assert earlier.classes == max(labels) + 1
    assert np.array_equal(earlier.labels, np.array(labels)[earlier.source_rows])


@given(seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 1000), samples=st.integers(0, 500))
def test_batch_order_is_a_permutation_of_its_arguments_alone(
    seed: int, epoch: int, samples: int
) -> None:
    order = batch_order(seed, epoch, samples)
    assert order.dtype == np.intp
    assert np.array_equal(np.sort(order), np.arange(samples))
    assert np.array_equal(order, batch_order(seed, epoch, samples))


def test_batch_order_is_the_one_that_saved_runs_resume_with() -> None:
    # Another order would resume every saved run on other batches than it was stopped on.
    assert batch_order(0, 0, 8).tolist() == [5, 2, 6, 0, 7, 1, 4, 3]
    assert not np.array_equal(batch_order(0, 1, 100), batch_order(0, 2, 100))
    assert not np.array_equal(batch_order(1, 0, 100), batch_order(2, 0, 100))


@given(samples=st.integers(1, 10_000), batch=st.integers(1, 10_000))
def test_steps_per_epoch_counts_the_short_batch(samples: int, batch: int) -> None:
    assert steps_per_epoch(samples, batch) == len(range(0, samples, batch))


def test_class_names_are_one_character_each() -> None:
    assert class_names(12) == "0123456789AB"
    assert class_names(36)[-1] == "Z"
    assert class_names(62)[-1] == "z"
    with pytest.raises(ValueError, match="63"):
        class_names(63)


def test_the_classes_of_emnist_have_the_letters_that_they_stand_for() -> None:
    assert names_of(range(26)) == names_of(range(1, 27)) == string.ascii_uppercase
    balanced = names_of(range(47))
    assert (balanced[10], balanced[35], balanced[36:]) == ("A", "Z", "abdefghnqrt")
    assert names_of(range(62))[36:] == string.ascii_lowercase


def test_text_labels_in_both_cases_are_classes_of_their_own() -> None:
    assert class_numbers("labels", np.array(["a", "A", "b"])).tolist() == [36, 10, 37]
    assert class_numbers("labels", np.array(["a", "c", "b"])).tolist() == [10, 12, 11]


def test_auto_is_digits_until_mnist_is_cached(tmp_path: Path) -> None:
    assert resolve_source("auto") == "digits"
    assert resolve_source("mnist") == "mnist"
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/mnist.npz").write_bytes(b"damaged")
    assert resolve_source("auto") == "mnist"
    assert load_dataset("auto", 0, "0..1").name == "digits"


def test_the_checks_before_the_first_frame_need_no_numpy() -> None:
    code = (
        "import sys; from mlpwatch.core.data.registry import check_source;"
        " check_source('auto'); print({'numpy', 'sklearn'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "set()"


def test_check_source_accepts_what_is_there(tmp_path: Path) -> None:
    arrays = sample_arrays()
    check_source("auto")
    check_source("digits")
    check_source(str(write_npz(tmp_path / "a.npz", **arrays)))
    check_source(str(write_idx_folder(tmp_path / "idx", arrays)))
