"""The words of the weights screen, and the tiles with their names."""

from typing import TYPE_CHECKING

from mlpwatch.core.config import RunConfig
from mlpwatch.tui.formatting import TITLES
from mlpwatch.tui.images.tiles import Tile
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.theme import Role, Text

if TYPE_CHECKING:
    from mlpwatch.core.analysis.weight_tiles import DeadCount, FirstLayer
    from mlpwatch.core.data.dataset import Dataset


def units_text(config: RunConfig, data: "Dataset", first: int, last: int, units: int) -> Text:
    """Return which units are shown; `last` is the one after the last."""
    shown = f"{first}–{last - 1} of {units}" if last > first + 1 else f"{first} of {units}"
    if config.hidden:
        return [(f" first layer: units {shown}, {data.features} weights each", Role.TEXT)]
    names = data.class_names
    return [(f" no hidden layer: weights of the classes {names[0]}–{names[-1]}", Role.TEXT)]


def model_text(layer: "FirstLayer") -> Text:
    """Return the model of these weights, and their epoch and step."""
    shown = layer.shown
    return [
        (TITLES[shown.engine], ACCENTS[shown.engine]),
        (f"  epoch {shown.epoch} · step {shown.step:,}", Role.DIM),
    ]


def dead_text(count: "DeadCount | None") -> Text:
    """Return the number of dead units in each hidden layer; nothing if none can be dead."""
    if count is None:
        return []
    if not any(dead for dead, _ in count.counts):
        return [("no dead unit ", Role.DIM)]
    layers = ", ".join(f"{dead} of {width}" for dead, width in count.counts)
    return [(f"dead units: {layers} ", Role.WARNING)]


def sought_text(unit: int, dead: int) -> str:
    """Return the answer to a search for the next dead unit."""
    if not dead:
        return "no unit of the first layer is dead"
    return f"unit {unit} is dead: 0 on every validation image, so its weights no longer change"


def unit_tiles(
    layer: "FirstLayer", first: int, last: int, dead: set[int], class_names: str
) -> list[Tile]:
    """Return the tiles of some units; dead ones are marked.

    Args:
        layer: all units.
        first: the first one wanted.
        last: the one after the last.
        dead: units whose output is 0 on every validation image.
        class_names: one character per unit for a network without hidden layers, else empty.
    """
    tiles = []
    for unit in range(first, min(last, len(layer.tiles))):
        name, role = str(unit), Role.DIM
        if class_names:
            name = f"class {class_names[unit]}"
        if unit in dead:
            name, role = f"{unit} dead", Role.WARNING
        tiles.append(Tile(name, role, layer.tiles[unit]))
    return tiles
