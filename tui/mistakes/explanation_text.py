"""What is said of the reasons for a reading, and the rows of training images."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import PixelRange, RunConfig
from mlpwatch.tui.formatting import TITLES, three_digits
from mlpwatch.tui.images.image_rows import ImageRow
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.theme import Ink, Role
from mlpwatch.tui.mistakes.digit_facts import DigitFacts

if TYPE_CHECKING:
    from mlpwatch.core.analysis.explanation import Explanation
    from mlpwatch.core.data.dataset import Dataset


def neighbour_rows(
    answer: "Explanation", facts: DigitFacts, data: "Dataset", config: RunConfig
) -> list[ImageRow]:
    """Return the nearest training images of each class, with their distances.

    These are distances in the last hidden layer; without one, of the pixels, for both models.
    """
    rows = []
    read = int(np.argmax(facts.probabilities[answer.engine]))
    for label, neighbours in answer.neighbours.items():
        which = "true label" if label == facts.true else "what it reads"
        if label not in (facts.true, read):
            which = "second guess"
        title: list[tuple[str, Ink]] = [
            (f"nearest {facts.names[label]}", Role.STRONG),
            (f" in {TITLES[answer.engine]}", ACCENTS[answer.engine])
            if config.hidden
            else (" by its pixels", Role.TEXT),
            (f" · {which}", Role.DIM),
        ]
        pixels = data.train_images[[one.row for one in neighbours]]
        images = ink_of(pixels.reshape(-1, *data.image_shape), config.pixel_range)
        distances = [three_digits(one.distance) for one in neighbours]
        rows.append(ImageRow(title, images, distances, "distance"))
    return rows


def ink_of(pixels: NDArray[np.floating], pixel_range: PixelRange) -> NDArray[np.floating]:
    """Return ink from 0 to 1 of pixels as the networks read them."""
    low = -1.0 if pixel_range == "-1..1" else 0.0
    ink: NDArray[np.floating] = (pixels - low) / (1.0 - low)
    return ink


def saliency_title(answer: "Explanation", names: str, newest: int) -> str:
    """Return what the marked pixels tell; of which weights, if the run is at a newer epoch."""
    who, towards = TITLES[answer.engine], names[answer.towards]
    if answer.epoch < newest:
        return f"{who}, epoch {answer.epoch}: for (+) or against (−) {towards}"
    return f"{who}: more ink for (+) or against (−) {towards}"


def weights_note(answer: "Explanation", newest: int) -> str:
    """Return which weights the neighbours were found with, if the run is at a newer epoch."""
    return f"by the weights of epoch {answer.epoch}" if answer.epoch < newest else ""


def instead_of_neighbours(*, no_digit: bool, searching: bool, failed: bool) -> str:
    """Return what is said where there is no answer."""
    if no_digit:
        return ""
    if failed and not searching:
        return "not enough memory to look for them"
    return "searching …" if searching else "no weights to look into yet"
