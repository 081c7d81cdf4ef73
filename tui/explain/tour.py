"""A page of the tour: its title, the step shown, the numbers, the source, room for pictures."""

from typing import TYPE_CHECKING

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.treatment import CONTROL, TREATMENT
from mlpwatch.tui.explain.choice import ShownStep
from mlpwatch.tui.explain.layout import Section, beside, longest, sections_that_fit
from mlpwatch.tui.explain.source_text import Extent, SourceOf, source_column, source_rows
from mlpwatch.tui.explain.tour_formulas import ascii_rows
from mlpwatch.tui.explain.tour_pages import PAGES, Page, ShownPage
from mlpwatch.tui.explain.unit_text import choice_text
from mlpwatch.tui.formatting import clipped, with_keys
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.text_block import Row, folded
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.run_state import RunState

if TYPE_CHECKING:
    from mlpwatch.core.analysis.step_trace import EngineTrace

PAGE_COUNT = 1 + len(PAGES)
"""The first page is about the two losses."""

UNIT_PAGE = 1 + [page.name for page in PAGES].index("unit")

_NUMBERS_COLUMNS = 79
"""Columns of the widest table; with more, the source comes beside it."""
_SOURCE_GAP = 3
_SOURCE_RANK, _PICTURES_RANK = 3, 4
_PICTURE_ROWS = 10
"""Of a shelf of pictures: a blank, its title, a name, and 28 pixels in half blocks, two by two."""


def page_title(page: int, look: Look) -> Row:
    """Return a page's number and title; pages count from 0."""
    place = (f"{page + 1}/{PAGE_COUNT}  ", Role.DIM)
    next_key, both_keys = ("right", "left, right") if look.ascii_only else ("→", "← →")
    if page == 0:
        return [place, (f"{next_key} takes one training step apart, page by page", Role.DIM)]
    return [place, (PAGES[page - 1].title, Role.STRONG), (f"   {both_keys}", Role.DIM)]


def is_still(state: RunState) -> bool:
    """Return whether no engine trains, so that the next step is known."""
    return all(engine.phase == "paused" or engine.ended for engine in state.engines.values())


def waiting_rows(number: int, look: Look, fault: str = "", *, must_pause: bool) -> list[Row]:
    """Return a page without numbers, and how to get them.

    Args:
        number: of the page; 0 is the first.
        look: what the terminal can show.
        fault: why they could not be computed; may be empty.
        must_pause: whether a step is known only while the run is paused.
    """
    rows = [page_title(number, look), []]
    if must_pause:
        says = "Space pauses the models; then this page shows their next step:"
        rows += [[(says, Role.WARNING)]]
        rows += [[("one batch, at the weights of that moment.", Role.DIM)]]
    else:
        rows.append([(fault, Role.BAD) if fault else ("computing the next step …", Role.DIM)])
    return ascii_rows(rows) if look.ascii_only else rows


def tour_rows(number: int, shown: ShownPage, state: RunState) -> list[Row]:
    """Return a page with as much of its numbers and source as fits.

    Args:
        number: of the page, from 1.
        shown: the step, with the width and height of numbers, source and pictures together.
        state: of the run.
    """
    page, width = PAGES[number - 1], shown.width
    # The unit's page has tables for all columns.
    rows = None if page.name == "unit" else _wide_rows(page, number, shown, state)
    if rows is None:
        rows = _tall_rows(page, number, shown, state, width)
    return ascii_rows(rows) if shown.look.ascii_only else rows


def code_rows(number: int, of: SourceOf, look: Look, width: int, height: int) -> list[Row]:
    """Return a page that shows the source alone, in full if there is room."""
    title = "What this page computes, in our source and in PyTorch"
    if of.config.has_networks or of.config.treatment is not None:
        sources = " and in ".join(
            clipped(of.config.title(name), 18) for name in of.config.engine_names
        )
        title = f"What this page computes, in {sources}"
    head: list[Row] = [[*page_title(number, look)[:1], (title, Role.STRONG)], []]
    extents: tuple[Extent, ...] = ("whole", "short", "first")
    for extent in extents:
        source = source_rows(of, width, extent)
        if len(folded(source, width)) + len(head) <= height:
            break
    rows = [*head, *source]
    return ascii_rows(rows) if look.ascii_only else rows


def _tall_rows(page: Page, number: int, shown: ShownPage, state: RunState, width: int) -> list[Row]:
    """Return a page with its source below the numbers."""
    of = SourceOf(page.name, shown.step.config, shown.step.folder)
    for extent, most_rank in _EXTENTS:
        source = source_rows(of, width, extent)
        sections = _sections(page, number, shown, state, source)
        needed = [one.rows for one in sections if one.rank <= most_rank]
        if sum(len(folded(rows, width)) for rows in needed) <= shown.height:
            return sections_that_fit(sections, width, shown.height)
    return sections_that_fit(_sections(page, number, shown, state, []), width, shown.height)


_EXTENTS: tuple[tuple[Extent, int], ...] = (
    ("whole", _PICTURES_RANK),
    ("short", _PICTURES_RANK),
    ("short", _SOURCE_RANK),
    ("first", _SOURCE_RANK),
)
"""Whole functions only beside pictures; where there is little room the source comes first."""


def _wide_rows(page: Page, number: int, shown: ShownPage, state: RunState) -> list[Row] | None:
    """Return a page with its source at the right of the numbers; None if that is too narrow."""
    of = SourceOf(page.name, shown.step.config, shown.step.folder)
    for extent, _ in _EXTENTS:
        source = source_column(of, extent)
        columns = shown.width - _SOURCE_GAP - longest(source)
        if columns >= _NUMBERS_COLUMNS and len(source) <= shown.height - _PICTURE_ROWS - 2:
            own = ShownPage(shown.step, columns, shown.height, shown.look)
            rows = sections_that_fit(_sections(page, number, own, state, []), columns, shown.height)
            return [*rows[:1], *beside(rows[1:], source, columns, _SOURCE_GAP)]
    return None


def _sections(
    page: Page, number: int, shown: ShownPage, state: RunState, source: list[Row]
) -> list[Section]:
    trace, config = shown.step.trace, shown.step.config
    title = [page_title(number, shown.look)]
    if page.name in ("unit", "update"):
        title.append(_choice_row(page, shown))
    ended = {name for name, one in state.engines.items() if one.ended}
    if shown.step.past_epoch is not None:
        ended = set()
    where = [
        _where(name, one, state.epoch_steps, shown.step, is_ended=name in ended)
        for name, one in trace.engines.items()
    ]
    is_unit = page.name == "unit"
    words = shown.step.dataset.words
    formulas: list[Row] = [[(words(line), Role.TEXT)] for line in _formulas(page, config)]
    return [
        Section(title),
        # The unit's tables have titles of their own.
        Section(where, 5 if is_unit else 0),
        Section(formulas, 2 if page.name == "update" else 1),
        *page.sections(shown),
        Section(source, _SOURCE_RANK),
        # The unit's page keeps room for its pictures itself.
        Section([[]] * (0 if is_unit else _PICTURE_ROWS), _PICTURES_RANK, is_room=True),
        Section([[(_next(shown.step, state), Role.DIM)]], 1 if is_unit else 0),
    ]


def _formulas(page: Page, config: RunConfig) -> list[str]:
    """Return a page's formulas; of two columns with different updates those of both."""
    control, treated = config.of("numpy"), config.of("torch")
    if page.name != "update":
        has_masks = treated.dropout or treated.input_dropout
        return [*page.formulas(treated if has_masks else control)]
    both = page.formulas(control), page.formulas(treated)
    if both[0] == both[1]:
        return [*both[0]]
    return [f"{title}: {line}" for title, own in zip((CONTROL, TREATMENT), both, strict=True)
            for line in own]  # fmt: skip


def _choice_row(page: Page, shown: ShownPage) -> Row:
    """Return which unit, and which image or weight, is shown, and the keys that choose."""
    step = shown.step
    text = choice_text(step.trace, step.choice)
    third = "weight" if page.name == "update" else "image"
    if third == "image":
        third = step.dataset.words(third)
        count = min(len(one.rows) for one in step.trace.engines.values())
        text += f", {third} {step.choice.image + 1} of {count}"
    keys = [f"↑↓ unit  shift+↑↓ layer  n p {third}", "↑↓  shift+↑↓  n p"]
    if shown.look.ascii_only:
        keys = [f"up down unit  pgdn layer  n p {third}", "up down  pgdn  n p"]
    room = shown.width - len(text) - _SOURCE_GAP
    fitting = next((key for key in keys if len(key) <= room), "")
    return [(text, Role.TEXT), (" " * _SOURCE_GAP + fitting, Role.DIM)]


def _where(
    name: EngineName, one: "EngineTrace", epoch_steps: int, of: ShownStep, *, is_ended: bool
) -> Row:
    config = of.config
    step = one.state.updates + 1
    text = f"step {step:,}: epoch {one.epoch + 1}, batch {one.batch + 1:,} of {epoch_steps:,}"
    text += of.dataset.words(f", {len(one.rows)} images")
    taken = "  taken" if one.after else "  ended" if is_ended else ""
    # Last: 80 columns have no room for it beside large numbers.
    own = config.of(name)
    dropout = "  with dropout" if own.dropout or own.input_dropout else ""
    title = (f"{clipped(config.title(name), 18):<8} ", ACCENTS[name])
    return [title, (text, Role.TEXT), (taken, Role.STRONG), (dropout, Role.DIM)]


def _next(step: ShownStep, state: RunState) -> str:
    trace = step.trace
    if step.past_epoch is not None:
        return f"The step that came after epoch {step.past_epoch}." + with_keys(
            "  {<} {>} another epoch, {end} now."
        )
    if any(state.engines[name].step != one.newest.updates for name, one in trace.engines.items()):
        return "The run trains elsewhere: these are the weights that it saved last."
    if state.ended:
        return "The run has ended: these are the numbers of one more step."
    if any(one.after for one in trace.engines.values()):
        return with_keys(
            "Before → after, on the same batch.  {.} takes the next step, {space} resumes."
        )
    return with_keys(
        "Paused.  {.} takes this step: numbers become before → after; {space} resumes."
    )
