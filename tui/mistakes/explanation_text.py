"""The text of a digit's explanation, and the rows of its nearest training images."""

from typing import TYPE_CHECKING

import numpy as np

from mlpwatch.core.analysis.plane.pictures import sample_inks
from mlpwatch.core.config import RunConfig
from mlpwatch.tui.formatting import three_digits
from mlpwatch.tui.images.image_rows import ImageRow
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.theme import Ink, Role
from mlpwatch.tui.mistakes.split_images import DigitFacts

if TYPE_CHECKING:
    from mlpwatch.core.analysis.explanation import Explanation
    from mlpwatch.core.data.dataset import Dataset


def neighbour_rows(
    answer: "Explanation", facts: DigitFacts, data: "Dataset", config: RunConfig
) -> list[ImageRow]:
    """Return the nearest training images of each class, with their distances.

    Distances are measured in the last hidden layer; without one, between pixels.
    """
    rows = []
    predicted = int(np.argmax(facts.probabilities[answer.engine]))
    for label, neighbours in answer.neighbours.items():
        which = "true label" if label == facts.true else "prediction"
        if label not in (facts.true, predicted):
            which = "second guess"
        title: list[tuple[str, Ink]] = [
            (f"nearest {facts.names[label]}", Role.STRONG),
            (f" in {config.title(answer.engine)}", ACCENTS[answer.engine])
            if config.hidden
            else (" by its place" if data.are_points else " by its pixels", Role.TEXT),
            (f" · {which}", Role.DIM),
        ]
        pixels = data.train_images[[one.row for one in neighbours]]
        images = sample_inks(data, pixels, config.pixel_range)
        distances = [three_digits(one.distance) for one in neighbours]
        rows.append(ImageRow(title, images, distances, "distance"))
    return rows


def saliency_title(answer: "Explanation", names: str, newest: int, who: str) -> str:
    """Return the legend of the marks, and the epoch of the weights if the run is at a newer one."""
    towards = names[answer.towards]
    if answer.epoch < newest:
        return f"{who}, epoch {answer.epoch}: for (+) or against (−) {towards}"
    return f"{who}: more ink for (+) or against (−) {towards}"


def weights_note(answer: "Explanation", newest: int) -> str:
    """Return the epoch of the weights if the run is at a newer one; otherwise an empty string."""
    return f"by the weights of epoch {answer.epoch}" if answer.epoch < newest else ""


def instead_of_neighbours(*, no_digit: bool, searching: bool, failed: bool) -> str:
    """Return the text shown while there is no answer."""
    if no_digit:
        return ""
    if failed and not searching:
        return "not enough memory to look for them"
    return "searching …" if searching else "no weights yet"
