"""The texts of the weights screen, and the tiles with their names."""

from typing import TYPE_CHECKING

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.tui.images.tiles import Tile
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.theme import Role, Text

if TYPE_CHECKING:
    from mlpwatch.core.analysis.weight_tiles import DeadCount, FirstLayer
    from mlpwatch.core.data.dataset import Dataset


def units_text(
    config: RunConfig, data: "Dataset", first: int, last: int, units: int, *, mean: str = ""
) -> Text:
    """Return which units are shown; `last` is exclusive.

    Args:
        config: of the run.
        data: of the run.
        first: unit.
        last: unit, exclusive.
        units: of the layer.
        mean: how many weights a dot averages, as `2x2`; empty if each has its own.
    """
    shown = f"units {first}–{last - 1}" if last > first + 1 else f"unit {first}"
    shown += f" of {units}"
    if data.are_points:
        what = f"{config.activation}(w·x + b)" if config.hidden else "w·x + b"
        text = (
            f" {'first layer' if config.hidden else 'no hidden layer'}: {shown}, {what} over x1, x2"
        )
    elif config.hidden and mean:
        text = f" {shown} · dots average {mean} weights"
    elif config.hidden:
        text = f" first layer: {shown}, {data.features} weights each"
    else:
        names = data.class_names
        text = f" no hidden layer: weights of the classes {names[0]}–{names[-1]}"
        text += f" · dots average {mean}" if mean else ""
    return [(text, Role.TEXT)]


def weights_per_dot(pixels: tuple[int, int], dots: tuple[int, int]) -> str:
    """Return how many weights a dot of a tile averages, as `2x2`; empty if each has its own.

    Args:
        pixels: (height, width) of a tile, in weights.
        dots: (height, width) of a tile, as drawn.
    """
    down, across = (max(1.0, n / drawn) for n, drawn in zip(pixels, dots, strict=True))
    return "" if down == across == 1 else f"{down:.2g}x{across:.2g}"


def model_text(layer: "FirstLayer", title: str) -> Text:
    """Return the model of these weights, and their epoch and step."""
    shown = layer.shown
    return [
        (title, ACCENTS[shown.engine]),
        (f"  epoch {shown.epoch} · step {shown.step:,}", Role.DIM),
    ]


def absent_text(name: EngineName, title: str, epoch: int | None) -> Text:
    """Return the model, and that it has not done the epoch; before its first weights only it."""
    why = "" if epoch is None else f"  epoch {epoch} is not kept of it"
    return [(title, ACCENTS[name]), (why, Role.DIM)]


def dead_text(count: "DeadCount | None") -> Text:
    """Return the number of dead units in each hidden layer; empty if none can be dead."""
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
    layer: "FirstLayer", units: range, dead: set[int], class_names: str, cursor: int
) -> list[Tile]:
    """Return the tiles of some units; dead ones and the one at the cursor are marked.

    Args:
        layer: all units.
        units: those shown; beyond the last there are none.
        dead: units whose output is 0 on every validation image.
        class_names: one character per unit for a network without hidden layers, else empty.
        cursor: a unit.
    """
    tiles = []
    for unit in units[: max(0, len(layer.tiles) - units.start)]:
        name, role = str(unit), Role.DIM
        if class_names:
            name = f"class {class_names[unit]}"
        if unit in dead:
            name, role = f"{unit} dead", Role.WARNING
        tiles.append(Tile(name, Role.CURSOR if unit == cursor else role, layer.tiles[unit]))
    return tiles
