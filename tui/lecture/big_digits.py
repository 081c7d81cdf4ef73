"""Numbers in digits of many cells, and how large they may be."""

from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.theme import Role

GLYPH_ROWS = 5

_GLYPHS = {
    "0": ("###", "# #", "# #", "# #", "###"),
    "1": (" # ", "## ", " # ", " # ", "###"),
    "2": ("###", "  #", "###", "#  ", "###"),
    "3": ("###", "  #", "###", "  #", "###"),
    "4": ("# #", "# #", "###", "  #", "  #"),
    "5": ("###", "#  ", "###", "  #", "###"),
    "6": ("###", "#  ", "###", "# #", "###"),
    "7": ("###", "  #", "  #", "  #", "  #"),
    "8": ("###", "# #", "###", "# #", "###"),
    "9": ("###", "# #", "###", "  #", "###"),
    ".": (" ", " ", " ", " ", "#"),
    "-": ("   ", "   ", "###", "   ", "   "),
}

UNKNOWN = "---"

_CELLS_PER_PIXEL = 2
"""A cell is about twice as high as wide."""

_MOST_FIGURES = 4
"""Of a loss; more can't be read from the back, and do not fit 40 columns."""


def columns_of_digits(text: str, scale: int) -> int:
    """Return the columns of a number at a scale: digits of 3 by 5 pixels, one between two."""
    pixels = sum(len(_GLYPHS[one][0]) + 1 for one in text) - 1
    return pixels * _CELLS_PER_PIXEL * scale


def largest_scale(texts: list[str], columns: int, rows: int) -> int:
    """Return the largest scale at which each text fits the columns and all fit the rows, or 0.

    Args:
        texts: numbers above each other.
        columns: of the space for each.
        rows: of the space for all.
    """
    scale = 0
    while all(columns_of_digits(text, scale + 1) <= columns for text in texts) and (
        len(texts) * GLYPH_ROWS * (scale + 1) <= rows
    ):
        scale += 1
    return scale


def put_digits(
    canvas: Canvas, x: int, y: int, text: str, *, scale: int, role: Role, ascii_only: bool
) -> None:
    """Draw a number from column x and row y; what is outside the canvas is left out."""
    ink = "#" if ascii_only else "█"
    for character in text:
        glyph = _GLYPHS[character]
        for row, line in enumerate(glyph):
            cells = "".join((ink if one == "#" else " ") * _CELLS_PER_PIXEL * scale for one in line)
            for copy in range(scale):
                canvas.put(x, y + row * scale + copy, cells, role)
        x += (len(glyph[0]) + 1) * _CELLS_PER_PIXEL * scale


def accuracy_digits(share: float) -> str:
    """Return an accuracy in percent with one decimal: 97.2, 100; 3 dashes for none."""
    if not 0 <= share <= 1:
        return UNKNOWN
    # Rounded down: 99.97 is not all.
    return "100" if share == 1 else f"{int(share * 1000 + 1e-9) / 10:.1f}"


def loss_digits(loss: float) -> str:
    """Return a loss in at most four figures: 0.082, 2.30, 13.1, 1204; 3 dashes for none."""
    if not 0 <= loss < 10**_MOST_FIGURES - 0.5:
        return UNKNOWN
    whole = len(str(int(loss)))
    decimals = max(0, _MOST_FIGURES - 1 - whole + (loss < 1))
    return f"{loss:.{decimals}f}"[: _MOST_FIGURES + 1].rstrip(".")
