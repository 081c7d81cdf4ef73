"""Reasons for one image after another, looked for off the event loop."""

import asyncio
from collections.abc import Callable
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

from mlpwatch.core.config import EngineName
from mlpwatch.core.scheduling import stand_back
from mlpwatch.tui.state.watch import Watch

if TYPE_CHECKING:
    from mlpwatch.core.analysis.explanation import Explainer, Explanation, Question


class About(NamedTuple):
    """What an answer is about."""

    engine: EngineName
    split: str
    row: int
    towards: int
    epoch: int | None
    """Of the network that is asked."""


class ReasonsReader:
    """Answers the newest question; those asked while one is looked into are passed over.

    Args:
        watch: the session that is followed.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._explainer: Explainer | None = None
        self._wanted: tuple[About, Question] | None = None
        self._about: About | None = None
        self._works = False
        self._preparing: Thread | None = None
        self._prepared: set[EngineName] = set()
        self._closing = Flag()
        self.answer: Explanation | None = None
        """The newest; perhaps of the image before."""
        self.answers: About | None = None
        """What `answer` is about."""
        self.has_failed = False
        """Whether there was no memory for the newest answer."""

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

    def epoch(self, engine: EngineName) -> int | None:
        """Return after how many epochs an answer would see a network."""
        explainer = self._explainer_of_session()
        return explainer.epoch(engine) if explainer else None

    def prepare(self, engine: EngineName, *, renew: bool) -> None:
        """Begin to read the training images ahead of questions, if there is anything new to read.

        Args:
            engine: whose network reads.
            renew: also read anew with newer weights, now and then.
        """
        explainer = self._explainer_of_session()
        if explainer is None or self._closing.is_set() or not explainer.is_due(engine):
            return
        is_busy = self._preparing is not None and self._preparing.is_alive()
        if is_busy or (engine in self._prepared and not renew):
            return
        self._prepared.add(engine)
        # Of its own: threads of the event loop's pool can't be put behind the trainers for a while.
        self._preparing = Thread(
            target=self._prepare, args=(explainer, engine), name="neighbours", daemon=True
        )
        self._preparing.start()

    def close(self) -> None:
        """Leave off preparing, soon; returns at once."""
        self._closing.set()

    async def work(self, draw: Callable[[], None]) -> None:
        """Look into the questions until there is none; call `draw` for each answer."""
        explainer = self._explainer_of_session()
        if explainer is None or self._works:
            return
        self._works = True
        try:
            while self._wanted is not None:
                (about, question), self._wanted = self._wanted, None
                answer = await self._answer(explainer, question)
                if self._wanted is None:
                    self.answer, self.answers = answer, about
        finally:
            self._works = False
        draw()

    async def _answer(self, explainer: "Explainer", question: "Question") -> "Explanation | None":
        """Return the answer off the event loop; where memory runs out, say so and return None."""
        self.has_failed = False
        try:
            return await asyncio.to_thread(explainer.answer, question)
        except MemoryError as error:
            # Training goes on; the next digit, or newer weights, try again.
            self.has_failed = True
            if state := self._watch.state:
                state.say(f"no memory to look for reasons: {error}", bad=True)
            return None

    def _explainer_of_session(self) -> "Explainer | None":
        from mlpwatch.core.analysis.explanation import Explainer  # noqa: PLC0415 - after the first frame

        session = self._watch.session
        # A run that lives elsewhere has its images some seconds after it is opened.
        if self._explainer is None and session is not None and session.dataset.train_count:
            self._explainer = Explainer(session.dataset, session.config, session.weight_store)
        return self._explainer

    def _prepare(self, explainer: "Explainer", engine: EngineName) -> None:
        stand_back()
        try:
            explainer.prepare(engine, self._closing.is_set)
        except MemoryError:
            # Questions still read the two classes that they are about.
            self._closing.set()
