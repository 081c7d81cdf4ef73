"""What a loop says of its validation images: checked, counted, kept, and read again."""

from pathlib import Path

import numpy as np
import pytest

import mlpwatch
from mlpwatch.core.files.tensor_files import CheckpointError
from mlpwatch.core.monitor import predictions as kept
from mlpwatch.core.monitor.follower import LoopSource
from mlpwatch.core.monitor.predictions import grey_images, read_predictions, take_predictions
from mlpwatch.core.runs.layout import IMAGES_NAME, PREDICTIONS_NAME
from tests.support.waiting import wait_until
from tests.support.watched import lines_of

LABELS = np.array([0, 1, 2, 2])
SHARES = np.array([[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0.3, 0.4, 0.3], [0, 0, 1]], np.float32)
IMAGES = np.arange(4 * 6, dtype=np.uint8).reshape(4, 2, 3)


def test_an_epoch_leaves_its_matrix_predictions_and_images(tmp_path: Path) -> None:
    with mlpwatch.watch("loop", saved=tmp_path, classes=4) as run:
        run.step()
        run.epoch(labels=LABELS, probabilities=SHARES, images=IMAGES)
        wait_until((tmp_path / "loop" / IMAGES_NAME).exists)
        before = (tmp_path / "loop" / IMAGES_NAME).stat().st_ino
        run.epoch(labels=LABELS, probabilities=SHARES, images=IMAGES, accuracy=0.75)
    assert (tmp_path / "loop" / IMAGES_NAME).stat().st_ino == before, "written once"
    read = read_predictions(tmp_path / "loop")
    assert read is not None
    found, epoch, step = read
    assert (epoch, step, found.classes) == (2, 1, 4)
    assert found.predictions.tolist() == [0, 1, 1, 2]
    assert np.array_equal(found.probabilities[:, :3], SHARES)
    assert found.images is not None
    assert np.array_equal(found.images, IMAGES)
    source = LoopSource(tmp_path / "loop")
    assert [point.name for point in source.read()] == ["accuracy"]
    assert source.epoch_line is not None
    assert source.epoch_line.confusion is not None
    assert source.epoch_line.confusion.tolist() == [
        [1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]
    ]  # fmt: skip


def test_predictions_alone_count_as_certain() -> None:
    found = take_predictions([1, 0], [1, 1], None, None, None)
    assert found.probabilities.tolist() == [[0, 1], [0, 1]]
    assert found.classes == 2


def test_tensors_of_pytorch_are_taken_from_where_they_are() -> None:
    torch = pytest.importorskip("torch")
    shares = torch.tensor(SHARES, requires_grad=True)
    found = take_predictions(torch.tensor(LABELS), None, shares, torch.tensor(IMAGES), 3)
    assert found.predictions.tolist() == [0, 1, 1, 2]
    assert found.images is not None
    assert np.array_equal(found.images, IMAGES)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((LABELS, None, None, None, 3), "labels without predictions"),
        ((LABELS, [0, 1], None, None, 3), "2 predictions of 4 labels"),
        ((LABELS, None, SHARES[:2], None, 3), r"probabilities \(2, 3\): expected \(4, classes\)"),
        ((LABELS, [0, 1, 5, 2], None, None, 3), "class 5: expected 0 to 2"),
        (([0.5, 1], [0, 1], None, None, 3), "labels: expected whole numbers"),
        (([-1, 1], [0, 1], None, None, 3), "labels: expected whole numbers"),
        ((LABELS, LABELS, None, np.zeros((5, 2, 2)), 3), "5 images of 4 labels"),
        (
            (LABELS, LABELS, None, np.zeros((4, 3)), 3),
            r"images \(4, 3\): expected \(images, height",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(given: tuple[object, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        take_predictions(*given)  # type: ignore[arg-type]


def test_a_refused_epoch_is_said_once_and_its_numbers_stay(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with mlpwatch.watch("loop", saved=tmp_path) as run:
        for _ in range(2):
            run.epoch(labels=LABELS, predictions=[0], loss=0.5)
    (said,) = capfd.readouterr().err.splitlines()
    assert said.endswith(
        "1 predictions of 4 labels: expected as many; its predictions are left out"
    )
    assert [line.values for line in lines_of(tmp_path / "loop")][:2] == [{"loss": 0.5}] * 2


@pytest.mark.parametrize(
    ("shape", "kept_shape"),
    [
        ((5, 4), (5, 2, 2)), ((5, 2, 3), (5, 2, 3)), ((5, 1, 4, 6), (5, 4, 6)),
        ((5, 3, 4, 6), (5, 4, 6)), ((5, 4, 6, 3), (5, 4, 6)), ((5, 4, 6, 1), (5, 4, 6)),
    ],
)  # fmt: skip
def test_images_of_all_layouts_become_bytes(
    shape: tuple[int, ...], kept_shape: tuple[int, ...]
) -> None:
    images = np.linspace(-1, 1, int(np.prod(shape))).reshape(shape)
    grey = grey_images(images)
    assert grey.shape == kept_shape
    assert grey.dtype == np.uint8
    assert (grey.min(), grey.max()) == (0, 255)


def test_only_so_many_images_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", 12)
    assert grey_images(IMAGES).shape == (2, 2, 3)
    assert take_predictions(LABELS, LABELS, None, IMAGES, 3).images is not None


def test_a_damaged_file_is_one_error(tmp_path: Path) -> None:
    with mlpwatch.watch("loop", saved=tmp_path) as run:
        run.epoch(labels=LABELS, predictions=LABELS)
    path = tmp_path / "loop" / PREDICTIONS_NAME
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="checksum"):
        read_predictions(tmp_path / "loop")
    assert read_predictions(tmp_path) is None
