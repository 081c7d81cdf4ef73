"""Both models' confusion matrices on the dashboard: their counts, epoch and selected cell."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mlpwatch.core.config import EngineName
from mlpwatch.tui.charts.chart import AFTER_EPOCH, NONE_DONE
from mlpwatch.tui.dashboard.confusion import ConfusionMatrix
from mlpwatch.tui.dashboard.confusion_cells import MATRIX_MODES, MatrixFacts, MatrixMode
from mlpwatch.tui.dashboard.planes import Planes, Size
from mlpwatch.tui.formatting import clipped, with_keys
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.pace import MATRICES_SECONDS, PLANES_SECONDS, SCORES_SECONDS
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.watch import Watch

if TYPE_CHECKING:
    from mlpwatch.core.analysis.scores import ClassScores, PairDifference
    from mlpwatch.core.epochs import Matrix
    from mlpwatch.tui.state.run_state import EngineView, RunState

CHOOSE_A_CELL = with_keys(
    "arrows choose a cell, {enter} shows its digits; {c}: row %, difference, scores"
)

PLANE_KEYS = with_keys(
    "{c}: confusion matrix, row %, scores; {w}: the units over the plane; {z}: larger"
)

Find = Callable[[EngineName], ConfusionMatrix]
"""Returns the matrix of a model."""


class Matrices:
    """Both matrices of one dashboard.

    Args:
        find: returns the widgets.
        watch: of the run.
    """

    def __init__(self, find: Find, watch: Watch) -> None:
        self._find = find
        self._watch, self.planes = watch, Planes(watch)
        self.has_plane = False
        self.mode: MatrixMode = "counts"
        self.cell: tuple[int, int] | None = None
        """True and predicted class under the cursor."""
        self.epoch: int | None = None
        """The past epoch that is shown; None for the newest."""
        self.is_kept = False
        """Whether the weights of that epoch are kept."""
        self._scores: dict[EngineName, tuple[Matrix, ClassScores]] = {}
        self._differences: tuple[Matrix, Matrix, tuple[PairDifference, ...]] | None = None

    def counts(self, engine: "EngineView", state: "RunState") -> "Matrix | None":
        """Return the shown matrix of an engine, if there is one."""
        epoch = self._epoch_of(engine, state)
        return engine.confusion if epoch is None else engine.matrices.get(epoch)

    def reader_of(
        self, true: int, predicted: int, names: Sequence[EngineName], state: "RunState"
    ) -> EngineName | None:
        """Return the first of these models that has digits in a cell; if none has, say why."""
        if self.epoch is not None and not self.is_kept:
            answer = f"the digits of epoch {self.epoch} are not kept; end goes back to now"
            state.say(self._watch.words(answer), where="dashboard")
            return None
        for name in names:
            engine = state.engines[name]
            newest = engine.validation.confusion if engine.validation else None
            counts = newest if self.epoch is None else engine.matrices.get(self.epoch)
            if counts is not None and counts[true, predicted]:
                return name
        answer = self._watch.words("no validation digit is read like that")
        state.say(answer, where="dashboard")
        return None

    def next_mode(self, state: "RunState") -> None:
        """Switch to the next way of showing them.

        A single model has no difference, and only a branch one from its parent.
        """
        has = {
            "plane": self.has_plane,
            "difference": len(state.engines) > 1,
            "parent": bool(state.parent_future),
        }
        modes = [mode for mode in MATRIX_MODES if has.get(mode, True)]
        self.mode = modes[(modes.index(self.mode) + 1) % len(modes)]

    def begin_with_plane(self) -> None:
        """Show the plane first: the samples are points."""
        self.has_plane, self.mode = True, "plane"

    async def read_planes(self, state: "RunState", look: Look, draw: Callable[[], None]) -> None:
        """Compute the planes of the newest weights or of the chosen epoch, off the event loop."""
        await self.planes.read(lambda: self._plane_sizes(state), lambda: self.epoch, look, draw)

    def _plane_sizes(self, state: "RunState") -> dict[EngineName, Size]:
        views = {name: self._find(name) for name in state.engines}
        return {
            name: (view.size.width, view.size.height - 1)
            for name, view in views.items()
            if self.mode == "plane" and view.is_on_screen
        }

    def draw(self, state: "RunState", names: str, title: str) -> None:
        """Draw what has changed.

        Args:
            state: of the run.
            names: one character per class.
            title: of the panel, with its mark.
        """
        for name, engine in state.engines.items():
            self._find(name).update(
                self.counts(engine, state),
                names,
                title + self._subtitle(engine, state),
                ACCENTS[name],
                cursor=self.cell,
                facts=self._facts(name, state),
            )

    def wants_scores(self, state: "RunState") -> bool:
        """Return whether scores are to be shown that are not computed yet."""
        return bool(self._shows_scores(state) and self._unscored(state))

    def seconds_between(self, state: "RunState") -> float:
        """Return the least time before the next drawing."""
        if self.mode == "plane":
            return PLANES_SECONDS
        return SCORES_SECONDS if self._shows_scores(state) else MATRICES_SECONDS

    def _shows_scores(self, state: "RunState") -> bool:
        room = any(self._find(name).has_room_for_scores for name in state.engines)
        return self.mode == "scores" or (room and self.mode != "plane")

    async def score(self, state: "RunState") -> None:
        """Compute the scores of the shown matrices, off the event loop."""
        from mlpwatch.core.analysis.scores import score_classes  # noqa: PLC0415 - after the first frame

        try:
            for name, counts in self._unscored(state).items():
                self._scores[name] = counts, await asyncio.to_thread(score_classes, counts)
        except MemoryError as error:
            # Training continues; the next matrix tries again.
            state.say(f"no memory to score the classes: {error}".removesuffix(": "), bad=True)

    def _unscored(self, state: "RunState") -> "dict[EngineName, Matrix]":
        shown = {name: self.counts(engine, state) for name, engine in state.engines.items()}
        return {
            name: counts
            for name, counts in shown.items()
            if counts is not None and self._scores_of(name, counts) is None
        }

    def _facts(self, name: EngineName, state: "RunState") -> MatrixFacts:
        if self.mode == "plane":
            return MatrixFacts("plane", plane=self.planes.canvases.get(name))
        counts = self.counts(state.engines[name], state)
        if counts is None:
            return MatrixFacts(absent=self._why_absent(state.engines[name]))
        if self.mode == "parent":
            return self._facts_beside_parent(name, state)
        if self.mode != "difference":
            return MatrixFacts(self.mode, scores=self._scores_of(name, counts))
        first, second = (self.counts(engine, state) for engine in state.engines.values())
        if first is None or second is None:
            return MatrixFacts()
        if counts is first:
            return MatrixFacts("difference", other=second)
        titles = tuple(engine.title for engine in state.engines.values())
        found = self._differences_of(first, second)
        return MatrixFacts("difference", differences=found, titles=titles)

    def _facts_beside_parent(self, name: EngineName, state: "RunState") -> MatrixFacts:
        """Return the parent's counts after the same epoch, or that there are none."""
        engine = state.engines[name]
        epoch, counts = self._epoch_of(engine, state), self.counts(engine, state)
        other = None if epoch is None else state.parent_future.matrix(name, epoch)
        if counts is None or other is None or other.shape != counts.shape:
            return MatrixFacts("parent")
        return MatrixFacts("parent", other=other)

    def _has_parent_s(self, engine: "EngineView", state: "RunState") -> bool:
        epoch = self._epoch_of(engine, state)
        return epoch is not None and state.parent_future.matrix(engine.name, epoch) is not None

    def _epoch_of(self, engine: "EngineView", state: "RunState") -> int | None:
        """Return the epoch of an engine's matrix; None for the newest.

        Beside the parent: the newest epoch that both have.
        """
        if self.epoch is not None or self.mode != "parent":
            return self._shared_epoch(state)
        future = state.parent_future
        both = (n for n in engine.matrices if future.matrix(engine.name, n) is not None)
        return max(both, default=None)

    def _why_absent(self, engine: "EngineView") -> str:
        if self.epoch is None:
            return NONE_DONE if engine.ended else AFTER_EPOCH
        newest = max(engine.matrices, default=0)
        if newest < self.epoch:
            return f"{engine.title} is at epoch {newest}"
        if self.epoch == 0:
            return "before the first epoch"
        return f"no matrix of epoch {self.epoch}"

    def _shared_epoch(self, state: "RunState") -> int | None:
        """Return the epoch that both matrices show; None if each shows its newest."""
        if self.epoch is not None or self.mode != "difference":
            return self.epoch
        both = set.intersection(*(set(engine.matrices) for engine in state.engines.values()))
        return max(both, default=None)

    def _scores_of(self, name: EngineName, counts: "Matrix") -> "ClassScores | None":
        scored, scores = self._scores.get(name, (None, None))
        return scores if scored is counts else None

    def _differences_of(self, one: "Matrix", other: "Matrix") -> "tuple[PairDifference, ...]":
        from mlpwatch.core.analysis.scores import largest_differences  # noqa: PLC0415 - after the first frame

        known = self._differences
        if known is None or known[0] is not one or known[1] is not other:
            try:
                known = self._differences = one, other, largest_differences(one, other)
            except MemoryError:
                return ()
        return known[2]

    def _subtitle(self, engine: "EngineView", state: "RunState") -> str:
        what: dict[MatrixMode, str] = {
            "plane": "",
            "counts": "",
            "percent": " row %",
            "difference": " "
            + " − ".join(clipped(one.title, 14) for one in state.engines.values()),
            "parent": " − parent" if self._has_parent_s(engine, state) else " (no parent's here)",
            "scores": " scores %",
        }
        epoch, text = self._epoch_of(engine, state), what[self.mode]
        if epoch is None:
            return text
        return f"{text} · epoch {epoch}{self._accuracy(engine, state)}"

    def _accuracy(self, engine: "EngineView", state: "RunState") -> str:
        counts = self.counts(engine, state)
        if counts is None or self.mode == "difference":
            return ""
        from mlpwatch.core.epochs import accuracy_of  # noqa: PLC0415 - 1 ms, after the first frame

        epoch, future = self._epoch_of(engine, state), state.parent_future
        parents = None if epoch is None else future.matrix(engine.name, epoch)
        if self.mode == "parent" and parents is not None:
            return f": {100 * (accuracy_of(counts) - accuracy_of(parents)):+.2f} points"
        return f": {100 * accuracy_of(counts):.2f} %"


def cell_text(matrices: Matrices, watch: Watch, width: int) -> list[tuple[str, Role]]:
    """Return the counts of the cell under the cursor in both models, or how to choose a cell.

    Empty without counts. If `width` columns are too few, both share one total.
    """
    state, session = watch.state, watch.session
    if state is None or session is None:
        return []
    found = {name: matrices.counts(engine, state) for name, engine in state.engines.items()}
    shown = {name: counts for name, counts in found.items() if counts is not None}
    if matrices.mode == "plane":
        return [(f" {PLANE_KEYS}", Role.DIM)] if matrices.epoch is None else []
    if matrices.cell is None:
        is_shown = matrices.epoch is None and bool(shown)
        return [(f" {session.dataset.words(CHOOSE_A_CELL)}", Role.DIM)] if is_shown else []
    if not shown:
        return []
    names, (true, predicted) = session.dataset.class_names, matrices.cell
    full: list[str] = []
    brief: list[str] = []
    for name, counts in shown.items():
        count, total = int(counts[true, predicted]), int(counts[true].sum())
        share = f"({100 * count / max(1, total):.1f} %)"
        full.append(f"{state.titles[name]} {count:,} of {total:,} {share}")
        brief.append(f"{state.titles[name]} {count:,} {share}" if brief else full[-1])
    head = f" {names[true]} predicted as {names[predicted]}: "
    forms = [" · ".join(one) for one in (full, brief)]
    anywhere = any(counts[true, predicted] for counts in shown.values())
    ends = _cell_ends(matrices, names[predicted], anywhere=anywhere)
    fitting = [form + end for end in ends for form in forms if len(head + form + end) <= width]
    return [(head + (fitting or [forms[-1]])[0], Role.TEXT)]


def _cell_ends(matrices: Matrices, predicted: str, *, anywhere: bool) -> list[str]:
    """Return the texts that may follow a cell's counts, the longest first.

    Args:
        matrices: whose cursor is on the cell.
        predicted: the name of its predicted class.
        anywhere: whether either model has images in the cell.
    """
    if matrices.epoch is not None:
        return [f" · after epoch {matrices.epoch}"]
    if matrices.cell is not None and matrices.cell[0] == matrices.cell[1]:
        opens = with_keys(" · {enter}: ")
        return [f"{opens}wrongly predicted as {predicted}", f"{opens}false {predicted}"]
    return [with_keys(" · {enter} opens") if anywhere else ""]
