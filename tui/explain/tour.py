"""The guided tour's frame: pages, their headings, and what stands there without numbers yet."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.tui.explain.tour_formulas import plain
from mlpwatch.tui.explain.tour_pages import PAGES, Page
from mlpwatch.tui.formatting import TITLES
from mlpwatch.tui.images.batch_strip import Strip
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.text_block import Row
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.run_state import RunState

if TYPE_CHECKING:
    from mlpwatch.core.analysis.step_trace import EngineTrace, StepTrace

PICTURED = 2
"""The last page that shows images of the batch."""

_MOST_PICTURES = 8

PAGE_COUNT = 1 + len(PAGES)
"""The story of the two losses comes first."""


def page_title(page: int, look: Look) -> Row:
    """Return the row that says where in the tour one is; pages count from 0."""
    place = (f"{page + 1}/{PAGE_COUNT}  ", Role.DIM)
    next_key, both_keys = ("right", "left, right") if look.ascii_only else ("→", "← →")
    if page == 0:
        return [place, (f"{next_key} takes one training step apart, page by page", Role.DIM)]
    return [place, (PAGES[page - 1].title, Role.STRONG), (f"   {both_keys}", Role.DIM)]


def is_still(state: RunState) -> bool:
    """Return whether no engine trains, so that its next step can be looked at."""
    return all(engine.phase == "paused" or engine.ended for engine in state.engines.values())


def tour_rows(
    page: int, config: RunConfig, state: RunState, trace: "StepTrace | None", look: Look
) -> list[Row]:
    """Return a page with numbers, or what to do to see them.

    Args:
        page: 1 to `PAGE_COUNT` - 1.
        config: of the run.
        state: tells whether it is paused or has ended.
        trace: the step; None until it has been taken apart.
        look: what the terminal can show.
    """
    rows = [page_title(page, look), []]
    if not is_still(state):
        rows.append(
            [("Space pauses the models; then this page takes their next step apart:", Role.WARNING)]
        )
        rows.append([("one batch, with the weights as they are at that moment.", Role.DIM)])
    elif trace is None:
        rows.append([("taking the next step apart …", Role.DIM)])
    else:
        rows += [_where(name, one, state, config) for name, one in trace.engines.items()]
        rows += [[]]
        rows += _rows_of(PAGES[page - 1], trace, config, look)
        rows += [[], [(_next(trace, state), Role.DIM)]]
    return plain(rows) if look.ascii_only else rows


def batch_strips(
    page: int, dataset: Dataset, config: RunConfig, state: RunState, trace: "StepTrace | None"
) -> list[Strip]:
    """Return the worst images of each model's batch.

    Only on the pages about the images themselves, forward and loss, while these show a step.
    """
    if trace is None or page > PICTURED or not is_still(state):
        return []
    return [_strip(name, one, dataset, config) for name, one in trace.engines.items()]


def _strip(name: EngineName, one: "EngineTrace", dataset: Dataset, config: RunConfig) -> Strip:
    chosen = one.worst_first[:_MOST_PICTURES]
    images: NDArray[np.floating] = dataset.train_images[one.rows[chosen]]
    images = images.reshape(-1, *dataset.image_shape)
    if config.pixel_range == "-1..1":
        images = (images + 1) / 2
    shares = (one.after or one.before).label_probabilities
    names = dataset.class_names
    captions = [f"{names[int(one.labels[n])]}  {float(shares[n]) * 100:5.1f} %" for n in chosen]
    title = f"{TITLES[name]}'s worst images of the batch, and what it gives their labels"
    return Strip(title, images, captions)


def _rows_of(page: Page, trace: "StepTrace", config: RunConfig, look: Look) -> list[Row]:
    formulas: list[Row] = [[(formula, Role.TEXT)] for formula in page.formulas(config)]
    return [*formulas, [], *page.table(trace, config, look)]


def _where(name: EngineName, one: "EngineTrace", state: RunState, config: RunConfig) -> Row:
    step = one.state.updates + 1
    text = f"step {step:,}: epoch {one.epoch + 1}, batch {one.batch + 1:,} of {state.epoch_steps:,}"
    text += f", {len(one.rows)} images"
    taken = "  taken" if one.after else "  ended" if state.engines[name].ended else ""
    # Last, for in 80 columns there is no room for all when numbers are large.
    dropout = "  with dropout" if config.dropout or config.input_dropout else ""
    title = (f"{TITLES[name]:<9}", ACCENTS[name])
    return [title, (text, Role.TEXT), (taken, Role.STRONG), (dropout, Role.DIM)]


def _next(trace: "StepTrace", state: RunState) -> str:
    if any(state.engines[name].step != one.newest.updates for name, one in trace.engines.items()):
        return "The run has gone on elsewhere: these are the weights that it saved last."
    if state.ended:
        return "The run has ended: these are the numbers that one more step would have."
    if any(one.after for one in trace.engines.values()):
        return "Before → after, on the same batch.  . takes the next step, space resumes."
    return "Paused.  . takes this step: numbers become before → after; space resumes."
