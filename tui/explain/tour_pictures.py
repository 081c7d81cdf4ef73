"""The pictures below each page: images, activations, weights, gradients, as many as fit."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.one_unit.unit_trace import trace_unit, unit_batch
from mlpwatch.core.analysis.plane.pictures import sample_inks
from mlpwatch.core.analysis.step_trace import EngineTrace
from mlpwatch.core.analysis.weight_tiles import FULL_SHARE, round_scale
from mlpwatch.core.config import EngineName
from mlpwatch.tui.explain.choice import ShownStep
from mlpwatch.tui.explain.source_lines import PageName
from mlpwatch.tui.explain.tour_formulas import ascii_text
from mlpwatch.tui.formatting import three_digits
from mlpwatch.tui.images.shelf import Picture, Shelf, near_square
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import Ink, Role

_MOST_IMAGES = 64
_MOST_UNITS = 120
"""Pictures made at most; 220x60 has room for 100."""


def page_shelves(page: PageName, shown: ShownStep, look: Look) -> list[Shelf]:
    """Return a shelf of pictures for each model; none for the page of the losses."""
    makers = {
        "forward": _activations,
        "loss": _worst_images,
        "backward": _gradients,
        "unit": _one_unit,
        "update": _changes,
    }
    if page not in makers:
        return []
    shelves = [makers[page](name, shown) for name in shown.trace.engines]
    return [_in_ascii(shelf) for shelf in shelves] if look.ascii_only else shelves


def _in_ascii(shelf: Shelf) -> Shelf:
    titles = [(ascii_text(text), ink) for text, ink in shelf.title]
    pictures = [replace(picture, name=ascii_text(picture.name)) for picture in shelf.pictures]
    return replace(shelf, title=titles, pictures=pictures)


def _titled(name: EngineName, shown: ShownStep, text: str) -> list[tuple[str, Ink]]:
    return [(shown.config.title(name), ACCENTS[name]), (f"  {shown.dataset.words(text)}", Role.DIM)]


def _digit(one: EngineTrace, n: int, shown: ShownStep) -> NDArray[np.floating]:
    samples = shown.dataset.train_images[one.rows[n], np.newaxis]
    inks = sample_inks(shown.dataset, samples, shown.config.pixel_range)
    own: NDArray[np.floating] = inks[0]
    return own


def _worst_images(name: EngineName, shown: ShownStep) -> Shelf:
    one = shown.trace.engines[name]
    shares, names = (one.after or one.before).label_probabilities, shown.dataset.class_names
    pictures = [
        Picture(
            f"{names[int(one.labels[n])]} {float(shares[n]) * 100:5.1f} %",
            _digit(one, n, shown),
            role=Role.TEXT,
        )
        for n in one.worst_first[:_MOST_IMAGES]
    ]
    title = _titled(name, shown, "worst images, with p[label]")
    return Shelf(title, pictures, wanted=12)


def _activations(name: EngineName, shown: ShownStep) -> Shelf:
    one, names = shown.trace.engines[name], shown.dataset.class_names
    layers = one.before.activations[1:]
    full = _scale(layers)
    pictures = []
    for n in one.worst_first[:_MOST_IMAGES]:
        digit = _digit(one, n, shown)
        pictures.append(Picture(f"a {names[int(one.labels[n])]}", digit, role=Role.TEXT))
        for k, array in enumerate(layers, start=1):
            label = f"Z{k - 1}" if k == len(layers) else f"A{k}"
            pictures.append(Picture(label, near_square(array[n]), full))
    title, together = _titled(name, shown, "worst images, layer by layer"), 1 + len(layers)
    return Shelf(title, pictures, together=together, wanted=4 * together)


def _gradients(name: EngineName, shown: ShownStep) -> Shelf:
    gradient = shown.trace.engines[name].before.gradient["layers.0.weight"]
    order = _by_size(gradient)[:_MOST_UNITS]
    full = _scale([gradient])
    pictures = [Picture(f"unit {unit}", _tile(gradient[unit], 0, shown), full) for unit in order]
    title = _titled(name, shown, "∂L/∂W0, greatest units first")
    return Shelf(title, pictures, wanted=12)


def _changes(name: EngineName, shown: ShownStep) -> Shelf:
    one, choice = shown.trace.engines[name], shown.choice
    key = f"layers.{choice.layer}.weight"
    before = one.state.weights[key]
    change = one.updated.weights[key] - before
    order = [choice.unit, *(unit for unit in _by_size(change) if unit != choice.unit)]
    full, change_full = _scale([before]), _scale([change])
    pictures = []
    for unit in order[: _MOST_UNITS // 2]:
        weights, step = (_tile(array[unit], choice.layer, shown) for array in (before, change))
        pictures.append(Picture(f"unit {unit}", weights, full, Role.TEXT))
        pictures.append(Picture(f"Δ {change_full:g}", step, change_full))
    title = _titled(name, shown, f"W{choice.layer}, and its change Δ")
    return Shelf(title, pictures, together=2, wanted=12)


def _one_unit(name: EngineName, shown: ShownStep) -> Shelf:
    one, choice = shown.trace.engines[name], shown.choice
    unit = trace_unit(shown.config, shown.trace, name, choice)

    def signed(label: str, values: NDArray[np.floating]) -> Picture:
        return Picture(label, _tile(values, choice.layer, shown), _scale([values]), Role.TEXT)

    if choice.layer:
        entering = signed("x", unit.inputs)
    else:
        entering = Picture("x", _digit(one, unit.place, shown), role=Role.TEXT)
    pictures = [
        signed("w·x", unit.terms),
        signed("∂L/∂w", unit.gradient),
        signed("w", unit.weights),
        entering,
    ]
    wanted = len(pictures)
    if choice.layer:
        below = one.state.weights[f"layers.{choice.layer - 1}.weight"]
        full, terms = _scale([below]), unit.terms
        for n in (-abs(terms)).argsort(kind="stable")[:_MOST_UNITS]:
            label = f"{n}: {three_digits(float(terms[n]))}"
            pictures.append(Picture(label, _tile(below[n], choice.layer - 1, shown), full))
    else:
        pictures += _other_images(one, unit.place, shown)
    return Shelf([], pictures, wanted=2 * wanted)


def _other_images(one: EngineTrace, place: int, shown: ShownStep) -> list[Picture]:
    """Return w·x of the other images of the batch, each with its label and z."""
    terms, sums = unit_batch(one, shown.choice)
    full, names = _scale([terms]), shown.dataset.class_names
    return [
        Picture(f"{names[int(one.labels[n])]} {sums[n]:.2g}", _tile(terms[n], 0, shown), full)
        for n in one.worst_first[:_MOST_IMAGES]
        if n != place
    ]


def _tile(values: NDArray[np.floating], layer: int, shown: ShownStep) -> NDArray[np.floating]:
    """Return numbers in the shape of an image, or for a deeper layer a square for each unit."""
    return near_square(values) if layer else values.reshape(shown.dataset.image_shape)


def _by_size(rows: NDArray[np.floating]) -> list[int]:
    squares = (rows * rows).sum(axis=1)
    return [int(n) for n in (-squares).argsort(kind="stable")]


def _scale(arrays: Sequence[NDArray[np.floating]]) -> float:
    """Return the end of a scale within which nearly all numbers lie."""
    reach = max(float(np.quantile(np.abs(array), FULL_SHARE)) for array in arrays)
    return round_scale(reach)
