"""The row that shows, while a past epoch is on the screen, which epochs are kept."""

from collections.abc import Collection
from typing import Protocol, runtime_checkable

from mlpwatch.tui.formatting import with_keys
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import Role, Text
from mlpwatch.tui.state.watch import Watch

_MARKS = {False: ("●", "━", "╌"), True: ("o", "=", "-")}
"""The epoch shown, a kept one, one that is done; by `Look.ascii_only`."""

_KEYS = ("{<} {>} an epoch  {home} first  {end} now", "{<} {>}  {home}  {end} now", "{end} now")

_LEAST_BAR = 10

LIST_SECONDS = 2.0
"""Time between two lists of the kept epochs while a past one is shown: training continues."""


def epoch_bar(
    kept: Collection[int], shown: int, done: int, planned: int, *, columns: int, look: Look
) -> Text:
    """Return a bar over the epochs from 0 to the last planned one.

    Args:
        kept: epochs in the history.
        shown: the epoch on the screen.
        done: newest epoch done.
        planned: epochs of the whole run.
        columns: at most; an epoch takes one, or several share one.
        look: what the terminal can show.
    """
    here, has, lost = _MARKS[look.ascii_only]
    total = max(planned, done) + 1
    columns = max(1, min(columns, total))
    # Epoch e is in column ⌊e · columns ÷ total⌋.
    full = {epoch * columns // total for epoch in kept}
    pieces: Text = []
    for column in range(columns):
        if column == shown * columns // total:
            pieces.append((here, Role.WARNING))
        elif column in full:
            pieces.append((has, Role.TEXT))
        else:
            is_done = column <= done * columns // total
            pieces.append((lost if is_done else " ", Role.DIM))
    return pieces


@runtime_checkable
class UpdatedScreen(Protocol):
    """A screen that draws what has changed."""

    def update(self, *, numbers: bool = False) -> None:
        """Draw; with `numbers` also what changes at every step."""
        ...


class EpochBar(CellView):
    """Takes a row only while a past epoch is shown; says there too if it can't be read.

    Args:
        watch: of the run.
    """

    def __init__(self, watch: Watch) -> None:
        super().__init__(id="epochs")
        self._watch = watch
        self.display = False

    def on_mount(self) -> None:
        """List the kept epochs again from time to time, while the bar is shown."""
        self.set_interval(LIST_SECONDS, self._list)

    def _list(self) -> None:
        if self.display:
            self.run_worker(self._listed())

    async def _listed(self) -> None:
        shown = self._watch.shown
        await shown.look()
        if shown.is_to_be_read:
            # It was written after its key was pressed: the newest epochs reach the disk late.
            await shown.read(self._update_screen)
        self.repaint()

    def _update_screen(self) -> None:
        if isinstance(self.screen, UpdatedScreen):
            self.screen.update(numbers=True)

    def update(self) -> None:
        """Appear, draw or disappear; screens call it whenever they draw."""
        self.display = self._watch.shown.epoch is not None
        if self.display:
            self.repaint()

    @property
    def rows(self) -> int:
        """Rows that it takes now."""
        return 1 if self.display else 0

    def paint(self, width: int, height: int) -> Canvas:
        """Return the bar with its ends, how many epochs are kept, and as many keys as fit."""
        canvas = Canvas(width, height)
        shown, state = self._watch.shown, self._watch.state
        if shown.epoch is None or state is None:
            return canvas
        if shown.fault:
            canvas.mark_cut(canvas.put(1, 0, shown.fault, Role.BAD), 0)
            return canvas
        done = max(engine.epochs_done for engine in state.engines.values())
        last = max(done, state.epochs)
        count = f"  {len(shown.kept)} kept" if shown.kept else "  none is kept"
        x = canvas.put(1, 0, "epochs 0 ", Role.DIM)
        ends = len(f" {last}") + len(count)
        room = width - x - ends
        keys = next(
            (k for k in map(with_keys, _KEYS) if room - len(k) - 2 >= min(last + 1, 40)), ""
        )
        columns = max(_LEAST_BAR, room - len(keys) - 2)
        for text, role in epoch_bar(
            shown.kept, shown.epoch, done, last, columns=columns, look=self.look
        ):
            x = canvas.put(x, 0, text, role)
        x = canvas.put(x, 0, f" {last}", Role.DIM)
        canvas.put(x, 0, count, Role.DIM)
        canvas.put(width - len(keys) - 1, 0, keys, Role.DIM)
        return canvas
