"""The draw screen: the user draws a digit and sees both models' predictions at once."""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Key as KeyEvent

from mlpwatch.tui.draw.easel import Easel
from mlpwatch.tui.draw.kept_drawings import KeptDrawings
from mlpwatch.tui.draw.predictions import DrawPredictions
from mlpwatch.tui.draw.view import DrawScene, DrawView
from mlpwatch.tui.kit.base_screen import ClosesOnce, can_draw
from mlpwatch.tui.kit.epoch_bar import EpochBar
from mlpwatch.tui.kit.keys import Where, bindings
from mlpwatch.tui.kit.lines import Footer, TextLine
from mlpwatch.tui.kit.run_text import header
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.watch import Watch

HINT = ("draw a digit:", "mouse, or space and arrows")


class DrawScreen(ClosesOnce[None]):
    """Passes strokes to the easel, and the easel's drawing to both models.

    Args:
        watch: of the run.
    """

    WHERE: ClassVar[Where] = "draw"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch
        self._easel: Easel | None = None
        self._predictions: DrawPredictions | None = None
        self._asks_label = False
        self._note = ""
        """The answer to the last key, until the next stroke."""

    def compose(self) -> ComposeResult:
        """Make header, paper with panels, message and footer."""
        yield TextLine(id="header")
        yield DrawView(id="draw")
        yield EpochBar(self._watch)
        yield TextLine(id="message")
        yield Footer("draw", self._watch)

    def on_mount(self) -> None:
        """Draw once the size is known."""
        self._watch.show_kept(self.WHERE)
        self.call_after_refresh(self.update, numbers=True)

    def update(self, *, numbers: bool = False) -> None:  # noqa: ARG002 - as on other screens
        """Predict again if a model has trained since, and draw."""
        session, state = self._watch.session, self._watch.state
        if not can_draw(self):
            return
        if session is None or state is None:
            self.query_one("#header", TextLine).update(*header(self._watch))
            return
        if self._easel is None:
            self._easel = Easel(session.dataset, session.config.pixel_range)
            shown = self._watch.shown
            self._predictions = DrawPredictions(session, state, shown, self._easel, self._draw)
        if self._predictions is not None and self._predictions.is_due():
            self.run_worker(self._predictions.ask())
        self._draw()

    def on_draw_view_stroke(self, event: DrawView.Stroke) -> None:
        """Apply the mouse's stroke."""
        if self._easel is not None:
            self._easel.stroke(event.start, event.end, erases=event.erases)
            self._changed()

    def on_key(self, event: KeyEvent) -> None:
        """Take a key."""
        if self.take_key(event):
            event.stop()

    def take_key(self, event: KeyEvent) -> bool:
        """Take the next key as the label while a label is asked for."""
        session = self._watch.session
        if not self._asks_label or session is None:
            return False
        self._asks_label, self._note = False, "not kept"
        names = session.dataset.class_names
        label = names.find((event.character or "").upper()) if event.character else -1
        if label >= 0:
            self._change_set(lambda kept, easel: kept.add(label, easel.seen))
        elif event.key != "escape":
            self._note = f"not kept: a label is one of {names[0]} to {names[-1]}"
        self._draw()
        return True

    def action_move(self, right: int, down: int) -> None:
        """Move the pen; if it is down, it draws."""
        if self._easel is not None:
            self._easel.move(right, down)
            self._changed()

    def action_toggle_pen(self) -> None:
        """Lower the pen, which makes a dot, or lift it."""
        if self._easel is not None:
            self._easel.toggle_pen()
            self._changed()

    def action_toggle_eraser(self) -> None:
        """Switch the pen to an eraser, or back."""
        if self._easel is not None:
            self._easel.erases = not self._easel.erases
            self._draw()

    def action_clear(self) -> None:
        """Clear the paper."""
        if self._easel is not None:
            self._easel.clear()
            self._changed()

    def action_shift(self, right: int, down: int) -> None:
        """Move the whole drawing by one pixel."""
        if self._easel is not None:
            self._easel.shift(right, down)
            self._changed()

    def action_toggle_centring(self) -> None:
        """Show the networks the drawing as it is, or centred."""
        if self._easel is not None:
            self._easel.toggle_centring()
            self._changed()

    def action_keep(self) -> None:
        """Ask for the label of the drawing."""
        if self._easel is None:
            return
        self._asks_label = not self._easel.is_blank
        self._note = "" if self._asks_label else "nothing to keep yet: draw first"
        self._draw()

    def action_choose(self, by: int) -> None:
        """Choose a kept drawing, the newest first."""
        if self._predictions is not None:
            self._predictions.kept.choose(by)
            self._draw()

    def action_delete(self) -> None:
        """Delete the chosen drawing, or the newest."""
        self._change_set(lambda kept, _: kept.delete())

    def action_take_back(self) -> None:
        """Restore the drawing deleted last."""
        self._change_set(lambda kept, _: kept.take_back())

    def action_back(self) -> None:
        """Go back to the dashboard."""
        self.dismiss()

    def _changed(self) -> None:
        self._note, self._asks_label = "", False
        if self._predictions is not None:
            self._predictions.stale = True
            if self._predictions.is_due():
                self.run_worker(self._predictions.ask())
        self._draw()

    def _change_set(self, change: Callable[[KeptDrawings, Easel], Awaitable[str]]) -> None:
        """Change the user's own set, show the result, and predict it again with both models."""
        if self._easel is None or self._predictions is None:
            return
        predictions, done = self._predictions, change(self._predictions.kept, self._easel)

        async def follow() -> None:
            self._note = await done
            self._draw()
            await predictions.ask_about_set()
            self._draw()

        self.run_worker(follow())

    def _draw(self) -> None:
        session, easel, predictions = self._watch.session, self._easel, self._predictions
        if not can_draw(self) or session is None or easel is None or predictions is None:
            return
        self.query_one("#header", TextLine).update(*header(self._watch))
        self.query_one(EpochBar).update()
        scene = DrawScene(
            pixels=easel.pixels,
            seen=easel.seen,
            cursor=easel.cursor,
            pen=easel.pen,
            hint=() if easel.touched else HINT,
            names=session.dataset.class_names,
            engines={name: session.config.title(name) for name in session.config.engine_names},
            probabilities=predictions.probabilities,
            own=predictions.own,
            chosen=predictions.kept.chosen,
        )
        self.query_one(DrawView).update(scene)
        self._draw_message(session.dataset.class_names, easel, predictions)

    def _draw_message(self, names: str, easel: Easel, predictions: DrawPredictions) -> None:
        state = self._watch.state
        role, text = Role.DIM, self._note or predictions.error
        if self._asks_label:
            role = Role.WARNING
            text = f"what is it? {names[0]} to {names[-1]} keeps it so labelled, escape does not"
        elif not text and state is not None and (news := state.message_on(self.WHERE)):
            role, text = (Role.BAD if state.message_is_bad else Role.DIM), news
        self.query_one("#message", TextLine).update([(f" {text or easel.centring_note}", role)])
