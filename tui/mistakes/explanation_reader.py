"""Explanations of images, computed one after another off the event loop."""

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
    from mlpwatch.core.analysis.weight_store import WeightStore


class About(NamedTuple):
    """The subject of an answer."""

    engine: EngineName
    split: str
    row: int
    towards: int
    epoch: int | None
    """Of the network that explains; None before its first epoch."""


class ExplanationReader:
    """Answers the newest question; older waiting ones are dropped.

    Args:
        watch: of the run.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._explainer: Explainer | None = None
        self._store: WeightStore | None = None
        """Whose weights explain: the run's own, or those of a past epoch."""
        self._wanted: tuple[About, Question] | None = None
        self._about: About | None = None
        self._works = False
        self._preparing: Thread | None = None
        self._prepared: set[EngineName] = set()
        self._closing = Flag()
        self.answer: Explanation | None = None
        """The newest answer, possibly for the image before."""
        self.answers: About | None = None
        """The subject of `answer`."""
        self.has_failed = False
        """Whether the newest answer failed because memory ran out."""

    @property
    def is_searching(self) -> bool:
        """Whether the answer shown is for another image and a new one is being computed."""
        return self._works and not self.fits

    @property
    def fits(self) -> bool:
        """Whether the answer is for the requested image; its epoch may be older."""
        if self._about is None or self.answers is None:
            return False
        return self._about[:4] == self.answers[:4]

    def ask(self, about: About, question: "Question") -> bool:
        """Accept a question; return whether `work` must be started for it."""
        if about == self._about:
            return False
        self._about, self._wanted = about, (about, question)
        return not self._works

    def epoch(self, engine: EngineName) -> int | None:
        """Return the epoch of the weights that an answer would use."""
        explainer = self._explainer_of_session()
        return explainer.epoch(engine) if explainer else None

    def prepare(self, engine: EngineName, *, renew: bool) -> None:
        """Start to index the training images before they are needed, if there are newer weights.

        Args:
            engine: whose network is used.
            renew: also index again for newer weights, from time to time.
        """
        explainer = self._explainer_of_session()
        if explainer is None or self._closing.is_set() or not explainer.is_due(engine):
            return
        is_busy = self._preparing is not None and self._preparing.is_alive()
        if is_busy or (engine in self._prepared and not renew):
            return
        self._prepared.add(engine)
        # In its own thread: only that can be given a lower priority than the trainers.
        self._preparing = Thread(
            target=self._prepare, args=(explainer, engine), name="neighbours", daemon=True
        )
        self._preparing.start()

    def close(self) -> None:
        """Ask the preparation to stop; returns at once."""
        self._closing.set()

    async def work(self, draw: Callable[[], None]) -> None:
        """Answer questions until none is left, then call `draw`."""
        if self._works:
            return
        self._works = True
        try:
            while self._wanted is not None:
                (about, question), self._wanted = self._wanted, None
                # Of now or of the epoch shown, which a key may change meanwhile.
                if (explainer := self._explainer_of_session()) is None:
                    return
                answer = await self._answer(explainer, question)
                if self._wanted is None:
                    self.answer, self.answers = answer, about
        finally:
            self._works = False
        draw()

    async def _answer(self, explainer: "Explainer", question: "Question") -> "Explanation | None":
        """Return the answer, computed in a thread; None and a message if memory runs out."""
        self.has_failed = False
        try:
            return await asyncio.to_thread(explainer.answer, question)
        except (MemoryError, RuntimeError) as error:
            # PyTorch raises RuntimeError if memory runs out. Training continues; the next digit or
            # newer weights try again.
            self.has_failed = True
            if state := self._watch.state:
                fault = f"no memory to explain this digit: {error}"
                state.say(fault, bad=True, where="mistakes")
            return None

    def _explainer_of_session(self) -> "Explainer | None":
        from mlpwatch.core.analysis.explanation import Explainer  # noqa: PLC0415 - after the first frame

        session, shown = self._watch.session, self._watch.shown
        # An attached run gets its images some seconds after it is opened.
        if session is None or not session.dataset.train_count or shown.is_reading:
            return self._explainer
        store = shown.past.store if shown.past else session.weight_store
        if self._explainer is None or self._store is not store:
            self._explainer = Explainer(session.dataset, session.config, store)
            self._store = store
            self._prepared.clear()
        return self._explainer

    def _prepare(self, explainer: "Explainer", engine: EngineName) -> None:
        stand_back()
        try:
            explainer.prepare(engine, self._closing.is_set)
        except (MemoryError, RuntimeError):
            # Questions still index the two classes that they need.
            self._closing.set()
