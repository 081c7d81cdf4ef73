"""What the sheet and the large digit's facts show of a selection."""

import numpy as np

from mlpwatch.tui.images.contact_sheet import SheetSource
from mlpwatch.tui.kit.theme import Role, Text
from mlpwatch.tui.mistakes.digit_facts import DigitFacts
from mlpwatch.tui.mistakes.digit_panel import SeenDigit
from mlpwatch.tui.mistakes.selection import MistakeSelection
from mlpwatch.tui.mistakes.split_images import SplitImages
from mlpwatch.tui.mistakes.text import caption, read_before, reading_text


def sheet_source(selection: MistakeSelection, images: SplitImages) -> SheetSource | None:
    """Return the images of the list; None where it is empty."""
    if not len(selection.rows):
        return None
    readings, names = selection.readings, images.names
    return SheetSource(
        selection.rows,
        images.shape,
        images.inks,
        lambda row: caption(readings, row, names),
        images.split,
    )


def detail_text(selection: MistakeSelection, images: SplitImages, width: int) -> Text:
    """Return place, number and readings of the image under the cursor; empty without one.

    The image's number, which the sheet can do without, is left out where there is no room.
    """
    if selection.row is None or not len(selection.rows):
        return []
    place, number = f" {place_text(selection)}", f" · {images.title(selection.row)}"
    readings = reading_text(selection.readings, selection.row, images.names, selection.which)
    length = len(place) + len(number) + sum(len(text) for text, _ in readings)
    return [(place + (number if length <= width else ""), Role.TEXT), *readings]


def seen_digit(selection: MistakeSelection, images: SplitImages) -> SeenDigit | None:
    """Return the image that is looked at, with what both models make of it; None without one."""
    row, readings = selection.row, selection.readings
    if row is None:
        return None
    facts = DigitFacts(
        place=f"{place_text(selection)} · {images.title(row)}",
        true=int(readings.labels[row]),
        probabilities={
            name: [float(p) for p in one.probabilities[row]] for name, one in readings.now.items()
        },
        names=images.names,
        before=read_before(readings, row, selection.which),
        note=images.probabilities_note,
    )
    return SeenDigit(images.split, row, images.pixels(row), images.inks(np.array([row]))[0], facts)


def place_text(selection: MistakeSelection) -> str:
    """Return the place in the list of the image that is looked at."""
    if not selection.is_here:
        return "no longer here"
    return f"{selection.place + 1:,} of {len(selection.rows):,}"
