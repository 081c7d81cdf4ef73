"""Files as people have them: the clear ones are read, the others refused by what they are."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.data.dataset import Dataset, load_dataset
from mlpwatch.core.data.registry import check_source
from mlpwatch.core.errors import DataError
from tests.support.samples.data_kinds import NAMED, PUBLISHED, READ, REFUSED, TEST, X, Y, folder


def shown(dataset: Dataset) -> set[tuple[bytes, int]]:
    """Return the bright pixels and the label of each image, whichever part it is in."""
    images = np.concatenate([dataset.images, dataset.test_images])
    labels = np.concatenate([dataset.labels, dataset.test_labels])
    pairs = zip(images > 0.4, labels, strict=True)
    return {(image.tobytes(), int(label)) for image, label in pairs}


@pytest.mark.parametrize("name", READ)
def test_what_is_clear_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    READ[name](path)
    check_source(str(path))
    dataset = load_dataset(str(path), 0, "0..1")
    assert (dataset.image_shape, dataset.class_names) == ((8, 8), "0123456789")
    assert len(dataset.labels) + len(dataset.test_labels) in (len(Y), len(Y) + TEST)
    assert shown(dataset) == {
        ((image > 100).tobytes(), int(label)) for image, label in zip(X, Y, strict=True)
    }


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_is_one_line_that_says_what_it_is_and_what_to_do(
    tmp_path: Path, name: str
) -> None:
    write, words = REFUSED[name]
    write(tmp_path / name)
    with pytest.raises(DataError) as caught:
        load_dataset(str(tmp_path / name), 0, "0..1")
    message = str(caught.value)
    assert message.isprintable()
    for word in (name.split(".", maxsplit=1)[0], *words):
        assert word in message


@pytest.mark.parametrize("name", NAMED)
def test_classes_are_those_that_occur_under_their_own_characters(tmp_path: Path, name: str) -> None:
    write, names = NAMED[name]
    write(tmp_path / name)
    dataset = load_dataset(str(tmp_path / name), 0, "0..1")
    assert dataset.class_names == names
    assert dataset.classes == len(names)
    assert set(dataset.labels) == set(range(len(names)))


@pytest.mark.parametrize("name", [*PUBLISHED, "x_train.npy", "y_test.npy"])
def test_one_file_of_several_stands_for_all_of_them(tmp_path: Path, name: str) -> None:
    kind = "npy files" if name.endswith(".npy") else "idx"
    READ[kind](tmp_path / kind)
    whole, by_one = str(tmp_path / kind), str(tmp_path / kind / name)
    check_source(by_one)
    assert load_dataset(by_one, 0, "0..1").sha256 == load_dataset(whole, 0, "0..1").sha256


def test_one_file_chooses_among_several_data_sets(tmp_path: Path) -> None:
    REFUSED["two sets"][0](tmp_path / "two")
    file = tmp_path / "two/emnist-mnist-train-images-idx3-ubyte.gz"
    assert len(load_dataset(str(file), 0, "0..1").labels) == len(Y)


def test_the_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder(PUBLISHED)(tmp_path / "data/idx")
    assert load_dataset("~/data/idx", 0, "0..1").classes == 10
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(DataError, match="'~/data/idx': no such file"):
        check_source("~/data/idx")
