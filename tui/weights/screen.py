"""The first layer's weights as tiles of the image's shape, for either model or both."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.events import Resize

from mlpwatch.core.config import EngineName
from mlpwatch.tui.charts.chart import NONE_DONE
from mlpwatch.tui.images.signed import legend, pixels_per_cell, signed_style
from mlpwatch.tui.images.tiles import (
    LARGE_COLUMNS,
    SMALL_COLUMNS,
    Grid,
    TileSize,
    TilesView,
    grid,
    tile_size,
)
from mlpwatch.tui.kit.base_screen import ClosesOnce, can_draw
from mlpwatch.tui.kit.epoch_bar import EpochBar
from mlpwatch.tui.kit.hints import Hints, message_text
from mlpwatch.tui.kit.keys import Where, bindings
from mlpwatch.tui.kit.lines import Footer, TextLine
from mlpwatch.tui.kit.look import look_of
from mlpwatch.tui.kit.run_text import header
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.watch import Watch
from mlpwatch.tui.terminal.textual_internals import is_being_removed
from mlpwatch.tui.weights.reader import WeightsReader
from mlpwatch.tui.weights.text import (
    absent_text,
    dead_text,
    model_text,
    sought_text,
    unit_tiles,
    units_text,
    weights_per_dot,
)

REFRESH_SECONDS = 1.0
"""Least time between two drawings of the weights, each of 2 to 10 kB."""

REFRESH_FRAMES = 4
"""Dashboard frames between two drawings: over SSH, at 2 per second, two seconds."""

TAKE_SECONDS = 0.1
"""Time between requesting weights and reading them: a batch takes less."""


BOTH_COLUMNS = 100
"""Both models are shown side by side from this width on."""


class WeightsScreen(ClosesOnce[None]):
    """Asks the trainers for copies of their weights, once a second at most.

    Args:
        watch: of the run.
        names: the engines that train, left to right.
        fps: frames per second of the dashboard.
        hints: shown for the first few keys.
    """

    WHERE: ClassVar[Where] = "weights"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)

    def __init__(
        self,
        watch: Watch,
        names: tuple[EngineName, ...],
        *,
        fps: float,
        hints: Hints,
    ) -> None:
        super().__init__()
        self._look_seconds = max(REFRESH_SECONDS, REFRESH_FRAMES / fps)
        self._watch, self._names = watch, names
        self._reader = WeightsReader(watch)
        self._alone: EngineName | None = None
        self._large = False
        self._first = self._cursor = 0
        self._sought = -1
        self._hints, self._note = hints, ""
        """The answer to the last key."""

    def compose(self) -> ComposeResult:
        """Make header, range and scale, a column per model, message and footer."""
        yield TextLine(id="header")
        yield TextLine(id="units")
        with Horizontal(id="weights-titles"):
            for name in self._names:
                yield TextLine(id=f"{name}-titles")
        with Horizontal(id="weights-tiles"):
            for name in self._names:
                yield TilesView(id=f"{name}-tiles")
        yield EpochBar(self._watch)
        yield TextLine(id="message")
        yield Footer("weights", self._watch)

    def on_mount(self) -> None:
        """Draw once the size is known, then refresh the weights."""
        if is_being_removed(self):
            return  # closed before it was mounted
        self._watch.mark_read()
        self._watch.show_kept(self.WHERE)
        self._arrange()
        # Only after the layout is done: each of its passes would send all tiles again.
        self.call_after_refresh(self._look)
        self.set_interval(self._look_seconds, self._look)

    def on_resize(self, _event: Resize) -> None:
        """Arrange for the new size."""
        self._arrange()

    def update(self, *, numbers: bool = False) -> None:
        """Draw header and message; with `numbers` the weights too."""
        if can_draw(self):
            self._draw_lines()
            if numbers:
                self._take()

    def action_page(self, by: int) -> None:
        """Move by some pages."""
        self._go_to(self._first + by * self._grid().tiles)

    def action_row(self, by: int) -> None:
        """Move by some rows of tiles."""
        self._go_to(self._first + by * self._grid().across)

    async def action_first(self) -> None:
        """Go to the first units; in the past to the first epoch."""
        if self._watch.shown.epoch is not None:
            await self.run_action("app.epoch('first')")
            return
        self._cursor = 0
        self._go_to(0)

    async def action_last(self) -> None:
        """Go to the last units; in the past back to now."""
        if self._watch.shown.epoch is not None:
            await self.run_action("app.epoch('now')")
            return
        self._cursor = self._reader.units - 1
        self._go_to(self._reader.units)

    def action_move(self, by: int) -> None:
        """Move the cursor by some units, to the page where it is."""
        self._cursor = min(max(self._cursor + by, 0), self._reader.units - 1)
        is_shown = self._first <= self._cursor < self._first + self._grid().tiles
        self._go_to(self._first if is_shown else self._cursor)

    async def action_open(self) -> None:
        """Show the part of the unit at the cursor in one training step."""
        if self._reader.units:
            await self.run_action(f"app.explain({self._cursor})")

    async def on_tiles_view_picked(self, event: TilesView.Picked) -> None:
        """Move the cursor to the unit that was clicked; open it at a double click."""
        self._cursor = min(self._first + event.place, self._reader.units - 1)
        self._draw()
        if event.twice:
            await self.action_open()

    def action_next_model(self) -> None:
        """Show the next model alone, or both if there is room."""
        choices: list[EngineName | None] = [*self._names]
        if len(self._names) > 1 and self.size.width >= BOTH_COLUMNS:
            choices.insert(0, None)
        here = choices.index(self._alone) if self._alone in choices else 0
        self._alone = choices[(here + 1) % len(choices)]
        self._arrange()

    def action_toggle_zoom(self) -> None:
        """Switch between small tiles and large ones."""
        self._large = not self._large
        self._arrange()

    def action_next_dead(self) -> None:
        """Go to the next dead unit; after the last comes the first."""
        found = sorted(set().union(*(self._reader.dead_units(n) for n in self._shown_names())))
        if found:
            self._sought = next((unit for unit in found if unit > self._sought), found[0])
            self._cursor = self._sought
            self._go_to(self._sought)
        # A note of this screen, not a message of the run, which other screens would show too.
        self._note = self._watch.words(sought_text(self._sought, len(found)))
        self._draw_lines()

    def action_back(self) -> None:
        """Go back to the dashboard."""
        self.dismiss()

    def _shown_names(self) -> tuple[EngineName, ...]:
        if self._alone is not None:
            return (self._alone,)
        return self._names if self.size.width >= BOTH_COLUMNS else self._names[:1]

    def _grid(self) -> Grid:
        view = self.query_one(f"#{self._shown_names()[0]}-tiles", TilesView)
        return grid(self._tile_size(), *view.size)

    def _tile_size(self) -> TileSize:
        layer = next(iter(self._reader.layers.values()), None)
        shape = (1, 1) if layer is None else (layer.tiles.shape[1], layer.tiles.shape[2])
        return tile_size(shape, LARGE_COLUMNS if self._large else SMALL_COLUMNS)

    def _go_to(self, unit: int) -> None:
        """Scroll to the row of tiles with a unit; the last page is always full.

        The cursor stays at its place on the page if it would be on another one.
        """
        if not can_draw(self):
            return
        self._note = ""
        self._hints.count_key("weights")
        fitting = self._grid()
        rows = -(-self._reader.units // fitting.across)
        row = min(unit // fitting.across, rows - fitting.down)
        before, self._first = self._first, max(0, row) * fitting.across
        if not self._first <= self._cursor < self._first + fitting.tiles:
            self._cursor += self._first - before
        last = min(self._first + fitting.tiles, self._reader.units) - 1
        self._cursor = max(self._first, min(self._cursor, last))
        self._draw()

    def _arrange(self) -> None:
        shown = self._shown_names()
        for name in self._names:
            for row in ("titles", "tiles"):
                view = self.query_one(f"#{name}-{row}")
                view.display = name in shown
                view.set_class(name == shown[-1] != shown[0], "second")
        self.call_after_refresh(self._go_to, self._first)

    def _look(self) -> None:
        """Request the weights, and read them a moment later."""
        self._reader.ask()
        self._take()
        self.set_timer(TAKE_SECONDS, self._take)

    def _take(self) -> None:
        if can_draw(self) and self._reader.has_news():
            self.run_worker(self._reader.read(self._draw))

    def _draw(self) -> None:
        if not can_draw(self):
            return
        self._draw_lines()
        session, layers = self._watch.session, self._reader.shown_layers
        if session is None or not layers:
            state = self._watch.state
            note = NONE_DONE if state and state.ended else ""
            self.query_one("#units", TextLine).update([(f" {note}", Role.DIM)])
            return
        from mlpwatch.core.analysis.weight_tiles import shared_scale  # noqa: PLC0415 - after the first frame

        scale = shared_scale(*layers.values())
        units, data = self._reader.units, session.dataset
        last = min(self._first + self._grid().tiles, units)
        style, size = signed_style(look_of(self)), self._tile_size()
        dots = size.rows * pixels_per_cell(style), size.columns
        mean = "" if data.are_points else weights_per_dot(data.image_shape, dots)
        text = units_text(session.config, data, self._first, last, units, mean=mean)
        self.query_one("#units", TextLine).update(text, legend(style, f"{scale:g}"))
        for name in self._names:
            title = self.query_one(f"#{name}-titles", TextLine)
            view = self.query_one(f"#{name}-tiles", TilesView)
            layer = layers.get(name)
            if layer is None:
                title.update(absent_text(name, session.config.title(name), self._watch.shown.epoch))
                view.update([], size, scale)
                continue
            title.update(
                model_text(layer, session.config.title(name)),
                dead_text(self._reader.dead_count(name)),
            )
            names = "" if session.config.hidden else data.class_names
            dead = self._reader.dead_units(name)
            view.update(
                unit_tiles(layer, range(self._first, last), dead, names, self._cursor), size, scale
            )

    def _draw_lines(self) -> None:
        self.query_one("#header", TextLine).update(*header(self._watch))
        self.query_one(EpochBar).update()
        hint = self._hints.of("weights", are_points=self._watch.are_points)
        text = message_text(self._watch, self.WHERE, self._note, hint)
        self.query_one("#message", TextLine).update(text)
