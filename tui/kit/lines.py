"""The lines of text around the charts: header, a model's status, message, footer."""

from collections.abc import Collection, Sequence
from math import isfinite
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

from mlpwatch.core.config import EngineName
from mlpwatch.core.text import printable
from mlpwatch.tui import formatting
from mlpwatch.tui.formatting import clipped
from mlpwatch.tui.kit.cells import Canvas, CellView, columns_of
from mlpwatch.tui.kit.keys import Key, Where, footer_keys
from mlpwatch.tui.kit.run_text import NETWORK_ACTIONS, RUN_ACTIONS, why_not
from mlpwatch.tui.kit.theme import Ink, Role
from mlpwatch.tui.state.watch import Watch

if TYPE_CHECKING:
    from mlpwatch.tui.state.run_state import EngineView

WIDE = 60
"""A status of this width fits into two rows."""

NARROWEST = 24
"""Narrower statuses show only name, epoch and state."""

TITLE_COLUMNS = 18
"""Most of a model's name beside its progress."""

ACCENTS: dict[EngineName, Role] = {"numpy": Role.NUMPY, "torch": Role.TORCH}

_BAR = {False: ("━", "╸", "─"), True: ("=", ">", "-")}
"""Done, the half step at its end, and remaining; by `Look.ascii_only`."""


class Speed(NamedTuple):
    """What a status shows about the speed besides its measurement."""

    batch_size: int
    threads: int
    """0 for a watched loop, which does not say; its speed is in steps."""


class StatusPanel(CellView):
    """One model: name, progress, state; loss, validation accuracy, speed, remaining time."""

    def __init__(
        self,
        engine: EngineName,
        title: str,
        *,
        id: str,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._title, self._accent = clipped(title, TITLE_COLUMNS), ACCENTS[engine]
        self._engine: EngineView | None = None
        self._epochs = 0
        self._speed = Speed(0, 0)

    def update(self, engine: "EngineView", epochs: int, speed: Speed) -> None:
        """Show an engine's state; `epochs` is the planned number."""
        self._engine, self._epochs, self._speed = engine, epochs, speed
        self._title = clipped(engine.title, TITLE_COLUMNS)
        self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return two rows if there is room, otherwise three short ones."""
        canvas = Canvas(width, height)
        engine = self._engine
        if engine is None:
            canvas.put(0, 0, self._title, self._accent)
            canvas.put(0, 1, "loading", Role.DIM)
            return canvas
        if width < NARROWEST:
            canvas.put(0, 0, self._title, self._accent)
            canvas.put(0, 1, f"{engine.epochs_done}/{self._epochs}")
            canvas.put(0, 2, engine.phase, _PHASE_ROLES.get(engine.phase, Role.TEXT))
            return canvas
        self._put_progress(canvas, engine)
        if engine.detail and engine.phase != "finished":
            why = printable(engine.detail)
            lines = wrap(why, width, max_lines=max(1, height - 1), placeholder="…")
            for y, line in enumerate(lines, start=1):
                canvas.put(0, y, line, Role.BAD)
            return canvas
        for y, facts in enumerate(self._facts(engine, wide=width >= WIDE), start=1):
            x = 0
            for text, role in facts:
                if x + len(text) <= width:
                    x = canvas.put(x, y, text, role) + 3
        return canvas

    def _put_progress(self, canvas: Canvas, engine: "EngineView") -> None:
        accent = self._accent
        phase = engine.phase
        digits = len(str(self._epochs))
        # Completed epochs, without the one in progress.
        epoch = f"epoch {engine.epochs_done:>{digits}}/{self._epochs}"
        if canvas.width < WIDE:
            epoch = epoch.removeprefix("epoch ")
        right = f"{epoch}  {phase:<8}"
        start = canvas.put(0, 0, f"{self._title:<7} ", accent)
        columns = max(0, canvas.width - start - len(right) - 1)
        done, half, rest = _BAR[self.look.ascii_only]
        halves = round(2 * columns * min(1.0, engine.step / max(1, engine.planned_steps)))
        bar = done * (halves // 2) + half * (halves % 2)
        canvas.put(start, 0, bar, accent)
        canvas.put(start + len(bar), 0, rest * (columns - len(bar)), Role.DIM)
        x = canvas.put(start + columns + 1, 0, f"{epoch}  ")
        canvas.put(x, 0, phase, _PHASE_ROLES.get(phase, Role.TEXT))

    def _facts(self, engine: "EngineView", *, wide: bool) -> list[list[tuple[str, Role]]]:
        per_second = engine.steps_per_second
        samples = None if per_second is None else per_second * self._speed.batch_size
        accuracy = engine.epochs[-1].val_accuracy if engine.epochs else None
        loss = (f"loss {formatting.loss(engine.loss)}", Role.TEXT)
        val = (f"val {formatting.percent(accuracy)}", Role.TEXT)
        unit = "samples/s" if self._speed.threads else "steps/s"
        speed = (f"{formatting.rate(samples)} {unit}", Role.TEXT)
        threads = (formatting.count(self._speed.threads, "thread"), Role.DIM)
        time = (self._time(engine), Role.DIM)
        if isfinite(engine.test_accuracy):
            test = (f"test {formatting.percent(engine.test_accuracy)}", Role.STRONG)
            return [[test, val, loss, speed, time]] if wide else [[test, val], [loss, speed]]
        if wide:
            return [[loss, val, speed, *([threads] if self._speed.threads else []), time]]
        return [[loss, val], [speed, time]]

    @staticmethod
    def _time(engine: "EngineView") -> str:
        if engine.ended or engine.seconds_left is None:
            return formatting.duration(engine.seconds)
        left = formatting.duration(engine.seconds_left)
        return f"{formatting.duration(engine.seconds)} · {left} left"


_PHASE_ROLES = {
    "paused": Role.WARNING,
    "finished": Role.GOOD,
    "diverged": Role.BAD,
    "failed": Role.BAD,
}


class TextLine(CellView):
    """One row with text at the left and at the right, cut where they meet."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._left: Sequence[tuple[str, Ink]] = ()
        self._right: Sequence[tuple[str, Ink]] = ()

    def update(
        self, left: Sequence[tuple[str, Ink]], right: Sequence[tuple[str, Ink]] = ()
    ) -> None:
        """Show pieces of text; if there is no room, the right ones are left out, the last first."""
        self._left, self._right = left, right
        self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return the row."""
        canvas = Canvas(width, height)
        x = 0
        for text, role in self._left:
            x = canvas.put(x, 0, printable(text), role)
        canvas.mark_cut(x, 0)
        right = [(printable(text), role) for text, role in self._right]
        while right and width - sum(columns_of(text) for text, _ in right) <= x:
            right.pop()
        start = width - sum(columns_of(text) for text, _ in right)
        for text, role in right:
            start = canvas.put(start, 0, text, role)
        return canvas


class Footer(CellView):
    """The keys that have an effect now, as many as fit, always including help and `q`.

    Args:
        where: the screen.
        watch: the run, whose keys are shown too.
    """

    def __init__(self, where: Where, watch: Watch | None = None) -> None:
        super().__init__(id="footer")
        self._where, self._watch = where, watch
        self._without: Collection[str] = ()
        self._keys: list[Key] = []

    def update(self, without: Collection[str] | None = None) -> None:
        """Show the present keys.

        Args:
            without: the screen's own actions that have no effect now; None changes nothing.
        """
        if without is not None:
            self._without = without
        if self._keys != self._keys_of_now():
            self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return the row."""
        canvas = Canvas(width, height)
        self._keys = self._keys_of_now()
        shown = [(key.shown_in(self.look), key.label) for key in self._keys]
        while len(shown) > 2 and _footer_width(shown) > width:  # noqa: PLR2004 - help and `q` stay
            del shown[-3]
        x = 1
        for key, label in shown:
            x = canvas.put(x, 0, key, Role.STRONG) + 1
            x = canvas.put(x, 0, label, Role.DIM) + 2
        return canvas

    def _keys_of_now(self) -> list[Key]:
        watch = self._watch
        is_above = self.is_attached and self.app.screen_stack[0] not in self.ancestors
        if watch is None:
            return footer_keys(self._where, is_view=is_above, without=self._without)
        dead = [one for one in (*RUN_ACTIONS, *NETWORK_ACTIONS) if why_not(watch, one)]
        return footer_keys(
            self._where,
            attached=watch.attached,
            is_view=is_above or watch.is_view,
            without={*self._without, *dead},
        )


def _footer_width(keys: Sequence[tuple[str, str]]) -> int:
    """Return the columns that keys need: one at the left, and two between them."""
    return sum(len(key) + len(label) + 3 for key, label in keys) - 1
