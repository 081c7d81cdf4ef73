"""The update of one weight in numbers: what the optimizer remembers, and its formulas filled in."""

from mlpwatch.core.analysis.one_unit.weight_step import weight_step
from mlpwatch.tui.explain.choice import ShownStep
from mlpwatch.tui.explain.layout import beside, longest
from mlpwatch.tui.explain.tour_formulas import ascii_table, ascii_text, update_formulas
from mlpwatch.tui.formatting import three_digits
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.text_block import Row
from mlpwatch.tui.kit.theme import Role

_GAP = 2
_LABEL, _COLUMNS = 16, 29
"""Columns of the labels and of each model, as in the table of layers above."""


def weight_rows(shown: ShownStep, look: Look, width: int) -> tuple[list[Row], list[list[Row]]]:
    """Return the chosen weight's numbers, and for each model the formulas with them put in.

    Both models' formulas are beside each other if they fit.
    """
    formulas, choice = update_formulas(shown.config), shown.choice
    arrow = "->" if look.ascii_only else "→"
    steps = {
        name: weight_step(one, formulas, choice.layer, choice.unit, shown.weight)
        for name, one in shown.trace.engines.items()
    }
    table: list[Row] = [_row("g = ∂L/∂θ", [f"{_exact(s.gradient):>9}" for s in steps.values()])]
    first = next(iter(steps.values()))
    for n, slot in enumerate(first.slots):
        cells = [_change(s.slots[n].before, s.slots[n].after, arrow) for s in steps.values()]
        table.append(_row(slot.symbol, cells))
    table.append(_row("θ", [_change(s.before, s.after, arrow) for s in steps.values()]))
    table.append(_row("Δθ", [f"{_exact(s.after - s.before):>9}" for s in steps.values()]))
    sides: list[list[Row]] = []
    for name, step in steps.items():
        head: Row = [(f"with {shown.config.title(name)}'s numbers", ACCENTS[name])]
        # In a single piece: a long formula is folded, not cut.
        lines = map(ascii_text, step.put_in) if look.ascii_only else step.put_in
        sides.append([head, *([(line, Role.TEXT)] for line in lines)])
    half = (width - _GAP) // 2
    if len(sides) > 1 and max(map(longest, sides)) <= half:
        sides = [beside(sides[0], sides[1], half, _GAP)]
    return ascii_table(table) if look.ascii_only else table, sides


def _row(label: str, cells: list[str]) -> Row:
    columns = [(f"{cell:<{_COLUMNS}}", Role.TEXT) for cell in cells]
    return [(f"{label:<{_LABEL}}", Role.STRONG), *columns]


def _change(before: float, after: float, arrow: str) -> str:
    return f"{_exact(before):>9} {arrow} {_exact(after)}"


def _exact(number: float) -> str:
    """Return four significant digits: a step of a thousandth of the weight is seen."""
    return three_digits(number) if number == 0 else f"{number:#.4g}".rstrip(".")
