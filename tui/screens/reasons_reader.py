"""Reasons for one image after another, looked for off the event loop."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from core.config import EngineName
from tui.watch import Watch

if TYPE_CHECKING:
    from core.reasons import Question, Reasoner, Reasons


class About(NamedTuple):
    """What an answer is about."""

    engine: EngineName
    split: str
    row: int
    towards: int
    epoch: int
    """Of the network, as far as the screen knows."""


class ReasonsReader:
    """Answers the newest question; those asked while one is looked into are passed over.

    Args:
        watch: the session that is followed.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._reasoner: Reasoner | None = None
        self._wanted: tuple[About, Question] | None = None
        self._about: About | None = None
        self._works = False
        self.answer: Reasons | None = None
        """The newest; perhaps of the image before."""
        self.answers: About | None = None
        """What `answer` is about."""

    @property
    def is_searching(self) -> bool:
        """Whether another image's answer is still looked for."""
        return self._works and not self.fits

    @property
    def fits(self) -> bool:
        """Whether the answer is about the image asked for last, be it of an earlier epoch."""
        if self._about is None or self.answers is None:
            return False
        return self._about[:4] == self.answers[:4]

    def ask(self, about: About, question: "Question") -> bool:
        """Take a question; say whether `work` has to be started for it."""
        if about == self._about:
            return False
        self._about, self._wanted = about, (about, question)
        return not self._works

    async def work(self, draw: Callable[[], None]) -> None:
        """Look into the questions until there is none; call `draw` for each answer."""
        from core.reasons import Reasoner  # noqa: PLC0415 - after the first frame

        session = self._watch.session
        if session is None or self._works:
            return
        if self._reasoner is None:
            self._reasoner = Reasoner(session.dataset, session.config, session.board)
        self._works = True
        try:
            while self._wanted is not None:
                (about, question), self._wanted = self._wanted, None
                answer = await asyncio.to_thread(self._reasoner.answer, question)
                if self._wanted is None:
                    self.answer, self.answers = answer, about
        finally:
            self._works = False
        draw()
