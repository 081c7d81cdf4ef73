"""Common parts of the tour: page titles, the step shown, and how to get its numbers."""

from typing import TYPE_CHECKING

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.data.pixels import ink_of
from mlpwatch.tui.explain.tour_formulas import ascii_rows
from mlpwatch.tui.explain.tour_pages import PAGES, Page, ShownPage
from mlpwatch.tui.formatting import TITLES
from mlpwatch.tui.images.image_rows import Strip
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.text_block import Row
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.run_state import RunState

if TYPE_CHECKING:
    from mlpwatch.core.analysis.step_trace import EngineTrace, StepTrace

_MOST_PICTURES = 16
"""Most images of a batch: at 220 columns 13 of 28 pixels fit."""

PAGE_COUNT = 1 + len(PAGES)
"""The first page is about the two losses."""


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


def tour_rows(
    page: ShownPage,
    config: RunConfig,
    state: RunState,
    trace: "StepTrace | None",
    fault: str = "",
) -> list[Row]:
    """Return a page with its numbers, or how to get them.

    Args:
        page: number, width and look.
        config: of the run.
        state: of the run.
        trace: the step; None until it is computed.
        fault: why it could not be computed; may be empty.
    """
    rows = [page_title(page.number, page.look), []]
    if not is_still(state):
        rows.append(
            [("Space pauses the models; then this page shows their next step:", Role.WARNING)]
        )
        rows.append([("one batch, at the weights of that moment.", Role.DIM)])
    elif trace is None:
        rows.append([(fault, Role.BAD) if fault else ("computing the next step …", Role.DIM)])
    else:
        rows += [_where(name, one, state, config) for name, one in trace.engines.items()]
        rows += [[]]
        rows += _rows_of(PAGES[page.number - 1], trace, config, page)
        rows += [[], [(_next(trace, state), Role.DIM)]]
    return ascii_rows(rows) if page.look.ascii_only else rows


def batch_strips(
    dataset: Dataset, config: RunConfig, state: RunState, trace: "StepTrace | None"
) -> list[Strip]:
    """Return the worst images of each model's batch; none without a step."""
    if trace is None or not is_still(state):
        return []
    return [_strip(name, one, dataset, config) for name, one in trace.engines.items()]


def _strip(name: EngineName, one: "EngineTrace", dataset: Dataset, config: RunConfig) -> Strip:
    chosen = one.worst_first[:_MOST_PICTURES]
    pixels = dataset.train_images[one.rows[chosen]].reshape(-1, *dataset.image_shape)
    images = ink_of(pixels, config.pixel_range)
    shares = (one.after or one.before).label_probabilities
    names = dataset.class_names
    captions = [f"{names[int(one.labels[n])]}  {float(shares[n]) * 100:5.1f} %" for n in chosen]
    title = f"{TITLES[name]}'s worst images of the batch, and what it gives their labels"
    return Strip(title, images, captions)


def _rows_of(page: Page, trace: "StepTrace", config: RunConfig, shown: ShownPage) -> list[Row]:
    formulas: list[Row] = [[(formula, Role.TEXT)] for formula in page.formulas(config)]
    return [*formulas, [], *page.table(trace, config, shown)]


def _where(name: EngineName, one: "EngineTrace", state: RunState, config: RunConfig) -> Row:
    step = one.state.updates + 1
    text = f"step {step:,}: epoch {one.epoch + 1}, batch {one.batch + 1:,} of {state.epoch_steps:,}"
    text += f", {len(one.rows)} images"
    taken = "  taken" if one.after else "  ended" if state.engines[name].ended else ""
    # Last: 80 columns have no room for it beside large numbers.
    dropout = "  with dropout" if config.dropout or config.input_dropout else ""
    title = (f"{TITLES[name]:<9}", ACCENTS[name])
    return [title, (text, Role.TEXT), (taken, Role.STRONG), (dropout, Role.DIM)]


def _next(trace: "StepTrace", state: RunState) -> str:
    if any(state.engines[name].step != one.newest.updates for name, one in trace.engines.items()):
        return "The run trains elsewhere: these are the weights that it saved last."
    if state.ended:
        return "The run has ended: these are the numbers of one more step."
    if any(one.after for one in trace.engines.values()):
        return "Before → after, on the same batch.  . takes the next step, space resumes."
    return "Paused.  . takes this step: numbers become before → after; space resumes."
