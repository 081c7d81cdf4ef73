"""The texts of the mistakes screen: its lists, filters and order, and why a list is empty."""

from collections.abc import Mapping, Sequence

from mlpwatch.core.analysis.mistakes import MistakeList, SortOrder, SplitEvaluations
from mlpwatch.core.analysis.past.past_epochs import Split
from mlpwatch.core.config import TITLES, EngineName
from mlpwatch.tui.charts.chart import NONE_DONE
from mlpwatch.tui.formatting import clipped, with_keys
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.theme import Role, Text
from mlpwatch.tui.mistakes.selection import MistakeSelection
from mlpwatch.tui.state.run_state import RunState

LIST_TITLES: Mapping[MistakeList, str] = {
    "numpy": "NumPy wrong",
    "torch": "PyTorch wrong",
    "both": "both wrong",
    "disagree": "they disagree",
    "newly-wrong": "newly wrong",
    "newly-right": "newly right",
}

_SHORT_TITLES: Mapping[MistakeList, str] = {
    **LIST_TITLES,
    "numpy": "NumPy",
    "torch": "PyTorch",
    "both": "both",
    "disagree": "differ",
    "newly-wrong": "new",
    "newly-right": "gone",
}

_ORDER_TITLES: Mapping[SortOrder, str] = {
    "image": "in order",
    "confidence": "surest mistakes first",
    "loss": "highest loss first",
    "label": "by true label",
}


def lists_text(
    lists: Sequence[MistakeList],
    selection: MistakeSelection,
    width: int,
    titles: Mapping[EngineName, str] = TITLES,
) -> Text:
    """Return the lists with their lengths; on narrow screens all but the chosen one in one word."""
    whole, short = dict(LIST_TITLES), dict(_SHORT_TITLES)
    for name, title in titles.items():
        short[name] = clipped(title, 14)
        whole[name] = f"{short[name]} wrong"
    if sum(len(whole[which]) + 10 for which in lists) <= width:
        return _lists_in_a_row(lists, selection, (whole, whole), 2, 2)
    spaced = _lists_in_a_row(lists, selection, (whole, short), 1, 1)
    fits = sum(len(text) for text, _ in spaced) <= width
    return spaced if fits else _lists_in_a_row(lists, selection, (whole, short), 0, 1)


def _lists_in_a_row(
    lists: Sequence[MistakeList],
    selection: MistakeSelection,
    titles: tuple[Mapping[MistakeList, str], Mapping[MistakeList, str]],
    before: int,
    behind: int,
) -> Text:
    """Return the lists with some blanks before and after each; the chosen one in full.

    `titles` are all in full, and all in one word.
    """
    whole, short = titles
    pieces: Text = [(" " * min(before, 1), Role.TEXT)]
    for which in lists:
        is_current = which == selection.which
        title = "▸ " + whole[which] if is_current else " " * before + short[which]
        pieces.append((title, Role.STRONG if is_current else Role.DIM))
        count = f"{selection.count(which):,}" if knows(selection.predictions, which) else "–"
        pieces.append((f" {count}" + " " * behind, Role.DIM))
    return pieces


def is_change(which: MistakeList) -> bool:
    """Return whether a list compares an epoch with the one before."""
    return which in ("newly-wrong", "newly-right")


def knows(predictions: SplitEvaluations, which: MistakeList) -> bool:
    """Return whether a list's length is known."""
    if is_change(which):
        return bool(predictions.before)
    both = which in ("both", "disagree") and len(predictions.now) > 1
    return which in predictions.now or both


def filters_text(split: Split, selection: MistakeSelection, names: str) -> Text:
    """Return split, filters and order; values other than the defaults are highlighted."""
    true = "any" if selection.true is None else names[selection.true]
    predicted = "any" if selection.predicted is None else names[selection.predicted]
    pieces: Text = [("   ", Role.TEXT)]
    if split == "test":
        pieces += [("test images", Role.WARNING), (" · ", Role.DIM)]
    role = Role.WARNING if selection.is_filtered else Role.DIM
    pieces.append((f"true label {true} · read as {predicted}", role))
    role = Role.DIM if selection.order == "image" else Role.WARNING
    return [*pieces, (" · ", Role.DIM), (_ORDER_TITLES[selection.order], role)]


def epochs_text(state: RunState | None) -> Text:
    """Return the epoch of each model's predictions, and its state unless it is training."""
    pieces: Text = []
    for name, place in weights_places(state).items():
        phase = state.engines[name].phase if state else ""
        title = state.titles[name] if state else TITLES[name]
        text = f"{title} {place}" + ("  " if phase == "training" else f" {phase}  ")
        pieces.append((text, ACCENTS[name]))
    return pieces


def weights_places(state: RunState | None) -> dict[EngineName, str]:
    """Return the epoch of each model's predictions, or the step if it is within an epoch."""
    places = {}
    for name, engine in state.engines.items() if state else ():
        if state and engine.validation is not None:
            epoch, rest = divmod(engine.validation_step, state.epoch_steps)
            places[name] = f"step {engine.validation_step:,}" if rest else f"epoch {epoch}"
    return places


def test_epochs_text(places: Mapping[EngineName, str], titles: Mapping[EngineName, str]) -> Text:
    """Return the epochs whose weights predicted the test images."""
    return [(f"{titles[name]} {place}  ", ACCENTS[name]) for name, place in places.items()]


def caption(predictions: SplitEvaluations, row: int, names: str) -> Text:
    """Return an image's true class and each model's prediction: `4 → 9 4`."""
    pieces: Text = [(f"{names[predictions.labels[row]]} →", Role.DIM)]
    for name, one in predictions.now.items():
        predicted = int(one.predictions[row])
        right = predicted == predictions.labels[row]
        pieces.append((f" {names[predicted]}", Role.DIM if right else ACCENTS[name]))
    return pieces


def detail_text(
    selection: MistakeSelection,
    title: str,
    names: str,
    width: int,
    titles: Mapping[EngineName, str] = TITLES,
) -> Text:
    """Return place, title and predictions of the image under the cursor; empty without one.

    The title, which the sheet does not need, is left out if there is no room.
    """
    row, predictions = selection.row, selection.predictions
    if row is None or not len(selection.rows):
        return []
    told: Text = [(f" · true {names[predictions.labels[row]]}", Role.STRONG)]
    was = predicted_before(predictions, row, selection.which)
    for n, (name, one) in enumerate(predictions.now.items()):
        predicted = int(one.predictions[row])
        share = 100 * float(one.probabilities[row, predicted])
        before, verb = (", ", "") if n else (" · ", "predicts ")
        text = f"{before}{titles[name]} {verb}{names[predicted]} {share:.1f} %"
        if name in was:
            text += f" (was {names[was[name]]})"
        told.append((text, ACCENTS[name]))
    place, number = f" {place_text(selection)}", f" · {title}"
    length = len(place) + len(number) + sum(len(text) for text, _ in told)
    return [(place + (number if length <= width else ""), Role.TEXT), *told]


def place_text(selection: MistakeSelection) -> str:
    """Return the place in the list of the image under the cursor."""
    if not selection.is_here:
        return "no longer here"
    return f"{selection.place + 1:,} of {len(selection.rows):,}"


def predicted_before(
    predictions: SplitEvaluations, row: int, which: MistakeList
) -> dict[EngineName, int]:
    """Return each model's prediction of the epoch before, if it was different.

    Only for the two lists of changes; in other lists it would distract.
    """
    if not is_change(which):
        return {}
    return {
        name: int(one.predictions[row])
        for name, one in predictions.before.items()
        if name in predictions.now
        and one.predictions[row] != predictions.now[name].predictions[row]
    }


def why_empty(split: Split, selection: MistakeSelection, *, ended: bool) -> str:
    """Return why no digit is shown; `ended`: no more predictions will come."""
    if not selection.predictions.now:
        if ended:
            return NONE_DONE
        return "after the first epoch, what was read wrong appears here"
    if not knows(selection.predictions, selection.which):
        if split == "test":
            return with_keys(
                "no epoch before to compare with: {T} goes back to the validation images"
            )
        if ended:
            return "of a saved run only the newest epoch is known: none before to compare with"
        return "no epoch before to compare with yet"
    if selection.is_filtered:
        return with_keys("nothing with these labels; {c} shows all")
    if is_change(selection.which):
        return "nothing: as in the epoch before"
    return "nothing: every digit was read right"
