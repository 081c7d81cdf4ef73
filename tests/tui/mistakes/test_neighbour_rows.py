"""The rows of nearest training digits: as many as fit, each with its distance, under a title."""

from dataclasses import replace

import numpy as np
import pytest

from mlpwatch.core.analysis.explanation import Explanation
from mlpwatch.core.analysis.neighbours import Neighbour
from mlpwatch.tui.images.image_rows import ImageRow, ImageRowsView, image_size
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.mistakes.explanation_text import neighbour_rows
from mlpwatch.tui.mistakes.split_images import DigitFacts
from tests.support.samples.scenes import CONFIG, digits


@pytest.mark.parametrize(
    ("shape", "height", "size"),
    [
        ((28, 28), 18, (14, 7)),
        ((28, 28), 12, (8, 4)),
        ((28, 28), 60, (14, 7)),
        ((8, 8), 40, (8, 4)),
    ],
)
def test_images_share_the_height(
    shape: tuple[int, int], height: int, size: tuple[int, int]
) -> None:
    assert image_size(shape, height, 2) == size


def test_as_many_images_as_fit_are_drawn_with_their_words() -> None:
    view = ImageRowsView()
    view.update([ImageRow([("nearest 3", Role.DIM)], np.ones((5, 8, 8)), list("abcde"))], "ramp")
    note, *rows = view.paint(29, 8).text().split("\n")
    assert (note, rows[0]) == ("", "nearest 3")
    assert rows[1:5] == ["@@@@@@@@ @@@@@@@@ @@@@@@@@"] * 4
    assert rows[5].split() == ["a", "b", "c"]
    large = ImageRow([("nearest 3", Role.DIM)], np.ones((2, 28, 28)), ["1.255", "1.5"], "distance")
    view.update([large], "ramp")
    assert view.paint(29, 10).text().split("\n")[-1] == "distance 1.255" + "1.5".rjust(15)
    assert view.paint(29, 7).text().split("\n")[-1].split() == ["1.255", "1.5"], "no room for it"


def test_without_a_hidden_layer_neighbours_are_those_of_the_pixels() -> None:
    facts = DigitFacts("1 of 1", 3, {"numpy": [0.0, 1.0]}, "0123456789")
    answer = Explanation("numpy", 5, 1, np.zeros(64, np.float32), 1.0, {3: (Neighbour(7, 1.25),)})
    for hidden, says in (((8,), "nearest 3 in NumPy"), ((), "nearest 3 by its pixels")):
        (row,) = neighbour_rows(answer, facts, digits(), replace(CONFIG, hidden=hidden))
        assert "".join(text for text, _ in row.title) == f"{says} · true label"
        assert (row.words, row.measure) == (["1.25"], "distance")
