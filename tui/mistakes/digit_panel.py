"""One enlarged digit: its image, both models' predictions, and an explanation."""

from typing import TYPE_CHECKING, Literal

import numpy as np
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message

from mlpwatch.core.config import EngineName
from mlpwatch.tui.images.image_rows import ImageRowsView
from mlpwatch.tui.images.renderers import RendererChoice
from mlpwatch.tui.images.saliency import Saliency, SaliencyView
from mlpwatch.tui.kit.base_screen import can_draw
from mlpwatch.tui.kit.look import SHOWS_ALL
from mlpwatch.tui.mistakes.digit_facts import DigitFactsView
from mlpwatch.tui.mistakes.digit_view import DigitView
from mlpwatch.tui.mistakes.explanation_reader import About, ExplanationReader
from mlpwatch.tui.mistakes.explanation_text import (
    instead_of_neighbours,
    neighbour_rows,
    saliency_title,
    weights_note,
)
from mlpwatch.tui.mistakes.split_images import SeenDigit
from mlpwatch.tui.state.watch import Watch

if TYPE_CHECKING:
    from mlpwatch.core.analysis.explanation import Question

Gradient = Literal["off", "predicted", "true"]
"""The class whose logit is differentiated: none, the predicted one, the true label."""

GRADIENTS: tuple[Gradient, ...] = ("off", "predicted", "true")

NEIGHBOURS = 5
"""Training images requested per class: as many as fit side by side on the largest screens."""

NEIGHBOUR_ROWS = 13
"""With this many rows below the bars, the neighbours are shown there: twice a title, four rows of
an image and a distance."""

LEAST_STRIP = 2
"""Rows of the shortest strip of two models."""

SEARCHING_SECONDS = 0.1
"""How long the screen stays unchanged before it shows that a search is running."""

PREPARE_SECONDS = 1.0
"""Time between two checks for newer weights."""


class DigitPanel(Horizontal):
    """Shows a digit at once, and its explanation when it is computed.

    Args:
        watch: of the run.
        id: for the stylesheet.
    """

    class Failed(Message):
        """There is no explanation; the run's message says why."""

    def __init__(self, watch: Watch, *, id: str) -> None:
        super().__init__(id=id)
        self._watch = watch
        self._reader = ExplanationReader(watch)
        self._digit: SeenDigit | None = None
        self._renderers = RendererChoice(SHOWS_ALL)
        self._absent = ""
        self._gradient: Gradient = "off"
        self._chosen: EngineName | None = None
        self._alone = False

    def compose(self) -> ComposeResult:
        """Make the image, plain and with its gradient, the bars and the neighbours."""
        yield DigitView(id="digit")
        yield SaliencyView(id="saliency")
        with Vertical(id="digit-side"):
            yield DigitFactsView(id="facts")
            yield ImageRowsView(id="neighbours")

    def on_mount(self) -> None:
        """Index the training images in the background, and again from time to time."""
        self.set_interval(PREPARE_SECONDS, self.prepare)
        self.prepare()

    def on_unmount(self) -> None:
        """Stop the indexing."""
        self._reader.close()

    def prepare(self) -> None:
        """Prepare explanations before they are needed; update the present one to newer weights."""
        session = self._watch.session
        if session is None or not can_draw(self):
            return
        shows_explanation = self.is_on_screen and self._question() is not None
        self._reader.prepare(
            self._engine(list(session.config.engine_names)), renew=shows_explanation
        )
        if shows_explanation:
            self._follow()

    def look_at(
        self, digit: SeenDigit | None, renderers: RendererChoice, *, absent: str = ""
    ) -> None:
        """Show a digit; without one, the text `absent`."""
        self._digit, self._renderers, self._absent = digit, renderers, absent
        self._draw_digit()
        self._follow()

    def rows_to_spare(self, height: int) -> int:
        """Return the rows that the panel can leave to the strip below it.

        The bars of all classes come before the strip, and so do the neighbours where the terminal
        has room for all three.

        Args:
            height: of panel and strip together.
        """
        room = height - self.query_one(DigitFactsView).rows_needed
        return room - NEIGHBOUR_ROWS if room >= NEIGHBOUR_ROWS + LEAST_STRIP else room

    @property
    def shows_gradient(self) -> bool:
        """Whether the gradient is shown in place of the plain image."""
        return self._gradient != "off"

    def next_gradient(self) -> None:
        """Show no gradient, that of the predicted class, or that of the true label."""
        if self._watch.are_points:
            return
        self._gradient = GRADIENTS[(GRADIENTS.index(self._gradient) + 1) % len(GRADIENTS)]
        self._draw_digit()
        self._follow()

    def next_model(self) -> None:
        """Explain the other model's prediction."""
        names = list(self._digit.facts.probabilities) if self._digit else []
        if names:
            here = names.index(self._engine(names))
            self._chosen = names[(here + 1) % len(names)]
            self._follow()

    def toggle_neighbours(self) -> None:
        """Show the neighbours alone beside the image, or the bars first; both if both fit."""
        self._alone = not self._alone
        self._follow()

    @property
    def has_to_choose(self) -> bool:
        """Whether bars and neighbours do not both fit beside the image."""
        room = self.size.height - self.query_one(DigitFactsView).rows_needed
        return room < NEIGHBOUR_ROWS

    def _show_what_fits(self) -> None:
        """Hide what does not fit."""
        both_fit = not self.has_to_choose
        self.query_one(DigitFactsView).display = both_fit or not self._alone
        self.query_one(ImageRowsView).display = both_fit or self._alone
        self.query_one(DigitView).display = not self.shows_gradient
        self.query_one(SaliencyView).display = self.shows_gradient

    def _engine(self, names: list[EngineName]) -> EngineName:
        return self._chosen if self._chosen in names else names[0]

    def _follow(self) -> None:
        """Arrange, request what is missing, and draw the rest; while hidden, wait for the size."""
        if not self.size.height:
            return
        self._show_what_fits()
        asked = self._question()
        if asked and self._reader.ask(*asked):
            self.run_worker(self._reader.work(self._answered))
        if self._reader.fits or asked is None:
            self._draw_explanation()
        else:
            # The answer usually comes sooner: then nothing is drawn twice.
            self.set_timer(SEARCHING_SECONDS, self._draw_explanation)

    def _answered(self) -> None:
        self._draw_explanation()
        if self._reader.has_failed:
            self.post_message(self.Failed())

    def _question(self) -> "tuple[About, Question] | None":
        from mlpwatch.core.analysis.explanation import Question, rival_class  # noqa: PLC0415 - after the first frame

        digit, hidden = self._digit, not self.query_one(ImageRowsView).display
        if digit is None or (hidden and not self.shows_gradient):
            return None
        engine = self._engine(list(digit.facts.probabilities))
        probabilities, true = digit.facts.probabilities[engine], digit.facts.true
        predicted = int(np.argmax(probabilities))
        towards = true if self._gradient == "true" else predicted
        about = About(engine, digit.split, digit.row, towards, self._reader.epoch(engine))
        classes = (true, rival_class(probabilities, true))
        return about, Question(engine, digit.image, classes, towards, NEIGHBOURS)

    def _draw_digit(self) -> None:
        digit = self._digit
        ink = digit.ink if digit else None
        self.query_one(DigitView).update(ink, self._renderers.large, absent=self._absent)
        self.query_one(DigitFactsView).update(digit.facts if digit else None)

    def _draw_explanation(self) -> None:
        session, digit, answer = self._watch.session, self._digit, self._reader.answer
        if not can_draw(self) or session is None:
            return
        rows_view, saliency_view = self.query_one(ImageRowsView), self.query_one(SaliencyView)
        if digit is None or answer is None or not self._reader.fits:
            words = instead_of_neighbours(
                no_digit=digit is None,
                searching=self._reader.is_searching,
                failed=self._reader.has_failed,
            )
            rows_view.update((), "ramp", instead=words)
            saliency_view.update(None)
            return
        data = session.dataset
        rows = neighbour_rows(answer, digit.facts, data, session.config)
        newest = self._newest_epoch(answer.engine)
        note = weights_note(answer, newest) if session.config.hidden else ""
        # An outline of a point would leave out those around it.
        renderer = self._renderers.shaded if data.are_points else self._renderers.outlines
        rows_view.update(rows, renderer, note=note, shades=data.are_points)
        gradient = answer.gradient.reshape(data.image_shape)
        title = saliency_title(
            answer, digit.facts.names, newest, session.config.title(answer.engine)
        )
        saliency_view.update(Saliency(digit.ink, gradient, answer.scale, title))

    def _newest_epoch(self, engine: EngineName) -> int:
        """Return the epoch whose predictions the bars show: the newest, or the one shown."""
        if (past := self._watch.shown.epoch) is not None:
            return past
        state = self._watch.state
        epochs = state.engines[engine].epochs if state else ()
        return epochs[-1].epoch if epochs else 0
