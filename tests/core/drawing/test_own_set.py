"""A person's drawings are kept, come back as they were, and damage costs single lines."""

import os
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.data.dataset import load_dataset
from mlpwatch.core.drawing.own_set import MOST_DRAWINGS, DrawingSet, drawings_folder
from mlpwatch.core.drawing.sketch import Sketch
from mlpwatch.core.errors import DataError

SHAPE = (8, 8)


def picture(seed: int = 0) -> np.ndarray:
    levels = np.random.default_rng(seed).integers(0, 256, SHAPE)
    return (levels / np.float32(255)).astype(np.float32)


@pytest.fixture
def kept(tmp_path: Path) -> DrawingSet:
    return DrawingSet(tmp_path / "new" / "digits-8x8.jsonl", SHAPE, 10)


def test_there_are_none_at_first(kept: DrawingSet) -> None:
    assert kept.read() == []


def test_they_come_back_in_order_with_every_grey_level(kept: DrawingSet) -> None:
    for label in (7, 0, 9):
        kept.add(label, picture(label))
    found = kept.read()
    assert [drawing.label for drawing in found] == [7, 0, 9]
    for drawing in found:
        assert drawing.image.dtype == np.float32
        np.testing.assert_allclose(drawing.image, picture(drawing.label), atol=1e-6)


def test_ink_between_two_levels_takes_the_nearer(kept: DrawingSet) -> None:
    sketch = Sketch(SHAPE)
    sketch.draw((2, 2), (6, 5))
    kept.add(3, sketch.pixels)
    np.testing.assert_allclose(kept.read()[0].image, sketch.pixels, atol=0.5 / 255 + 1e-6)


DAMAGED = [
    b"",
    b"no JSON",
    b'{"label":3}',
    b'{"label":10,"shape":[8,8],"ink":""}',
    b'{"label":-1,"shape":[8,8],"ink":"AAAA"}',
    b'{"label":3,"shape":[8,8],"ink":"AAAA"}',
    b'{"label":3,"shape":[8,8],"ink":"not base64!"}',
    b'{"label":3,"shape":[8,8],"ink":7}',
    b'{"label":3,"shape":[28,28],"ink":"AAAA"}',
    b"[1,2]",
    b"\xff\xfe",
]


@pytest.mark.parametrize("line", DAMAGED)
def test_a_line_that_does_not_fit_is_left_out(kept: DrawingSet, line: bytes) -> None:
    kept.add(1, picture())
    with kept.path.open("ab") as file:
        file.write(line + b"\n")
    kept.add(2, picture())
    assert [drawing.label for drawing in kept.read()] == [1, 2]


def test_a_line_torn_by_a_crash_is_no_drawing_and_hurts_no_later_one(kept: DrawingSet) -> None:
    kept.add(1, picture())
    whole = kept.path.read_bytes()
    kept.path.write_bytes(whole + whole[:-20])
    assert [drawing.label for drawing in kept.read()] == [1]
    kept.add(2, picture())
    assert [drawing.label for drawing in kept.read()] == [1, 2]


def test_only_the_newest_are_read(kept: DrawingSet) -> None:
    kept.add(1, picture())
    line = kept.path.read_bytes()
    kept.path.write_bytes(line * MOST_DRAWINGS)
    kept.add(2, picture())
    labels = [drawing.label for drawing in kept.read()]
    assert len(labels) == MOST_DRAWINGS
    assert labels[-1] == 2


def test_a_folder_that_can_not_be_written_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = DrawingSet(tmp_path / "file" / "x.jsonl", SHAPE, 10)
    with pytest.raises(DataError, match=r"x\.jsonl: .*not kept; .*MLPWATCH_DRAWINGS") as caught:
        kept.add(1, picture())
    assert "\n" not in str(caught.value)


def test_something_else_than_a_file_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.jsonl"
    os.mkfifo(path)
    assert DrawingSet(path, SHAPE, 10).read() == []


def test_each_data_set_has_its_own_in_a_folder_of_the_users(drawings_folder: Path) -> None:
    dataset = load_dataset("digits", 0, "0..1")
    assert DrawingSet.for_dataset(dataset).path == drawings_folder / "digits-8x8.jsonl"


def test_the_name_of_a_data_set_can_not_lead_elsewhere(drawings_folder: Path) -> None:
    from dataclasses import replace

    dataset = replace(load_dataset("digits", 0, "0..1"), name="../../\x1b[31m" + "x" * 300)
    path = DrawingSet.for_dataset(dataset).path
    assert path.parent == drawings_folder
    assert len(path.name) < 80
    assert path.name.isprintable()


def test_without_the_variable_it_is_the_users_data_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MLPWATCH_DRAWINGS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = drawings_folder()
    assert folder.name == "drawings"
    assert tmp_path in folder.parents


def test_one_is_removed_whatever_stands_around_it_and_taken_back_as_the_newest(
    kept: DrawingSet,
) -> None:
    for label in (7, 0, 9):
        kept.add(label, picture(label))
    with kept.path.open("ab") as file:
        file.write(b"a line of a later version\n")
    before = kept.path.read_bytes()
    middle = kept.read()[1]
    kept.remove(middle)
    assert [drawing.label for drawing in kept.read()] == [7, 9]
    assert kept.path.read_bytes() == before.replace(middle.line + b"\n", b"")
    kept.remove(middle)
    assert [drawing.label for drawing in kept.read()] == [7, 9], "it is gone already"
    kept.restore(middle)
    assert [drawing.label for drawing in kept.read()] == [7, 9, 0]
    np.testing.assert_array_equal(kept.read()[2].image, middle.image)


def test_of_two_that_are_the_same_one_is_removed(kept: DrawingSet) -> None:
    kept.add(7, picture())
    (only,) = kept.read()
    kept.restore(only)
    kept.remove(only)
    assert [drawing.label for drawing in kept.read()] == [7]


def test_what_can_not_be_removed_stays_and_is_said(kept: DrawingSet) -> None:
    kept.add(7, picture())
    (only,) = kept.read()
    kept.path.rename(kept.path.with_suffix(".moved"))
    kept.path.mkdir()
    with pytest.raises(DataError, match=r"not a regular file.*nothing was deleted"):
        kept.remove(only)
