"""Predicts all images of a split with each kept epoch, in a thread behind the trainers."""

from threading import Event as Flag
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

from mlpwatch.core.config import EngineName
from mlpwatch.core.errors import MlpwatchError
from mlpwatch.core.scheduling import stand_back
from mlpwatch.tui.state.watch import Watch

if TYPE_CHECKING:
    from mlpwatch.core.analysis.past.lives import Life, Lives
    from mlpwatch.core.analysis.past.past_epochs import Split

SHARE = 0.25
"""Most of a core for it: 40 epochs of MNIST at 784-128 take 2 s of it, so they are there in 8 s."""


class LifeReader:
    """Works only after `start`, and until every kept epoch is predicted.

    Args:
        watch: of the run.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._lives: dict[str, Lives] = {}
        self._thread: Thread | None = None
        self._closing = Flag()
        self.version = 0
        """Grows with each epoch that is predicted."""
        self.kept = 0
        """Epochs in the history when it was listed last."""

    def start(self, split: "Split") -> None:
        """Predict what is missing of a split; returns at once. No effect while it works."""
        lives = self._lives_of(split)
        is_busy = self._thread is not None and self._thread.is_alive()
        if lives is None or is_busy or self._closing.is_set():
            return
        self._thread = Thread(target=self._work, args=(lives,), name="lives", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ask the thread to stop; returns at once."""
        self._closing.set()

    def of(self, split: "Split", row: int, names: tuple[EngineName, ...]) -> "Life":
        """Return the life of an image as known so far."""
        from mlpwatch.core.analysis.past.lives import Life  # noqa: PLC0415 - after the first frame

        lives = self._lives.get(split)
        if lives is None:
            return Life((), dict.fromkeys(names, ()), dict.fromkeys(names, ()))
        return lives.of(row)

    def _lives_of(self, split: "Split") -> "Lives | None":
        from mlpwatch.core.analysis.past.lives import Lives  # noqa: PLC0415 - likewise

        session, epochs = self._watch.session, self._watch.shown.epochs
        if session is None or epochs is None:
            return None
        if split not in self._lives:
            self._lives[split] = Lives(epochs, session.config, session.dataset, split)
        return self._lives[split]

    def _work(self, lives: "Lives") -> None:
        stand_back()
        epochs = self._watch.shown.epochs
        while epochs is not None:
            kept = {epoch for one in epochs.kept().values() for epoch in one}
            if len(kept) != self.kept:
                self.kept, self.version = len(kept), self.version + 1
            missing = lives.missing(kept)
            if not missing:
                return
            began = monotonic()
            try:
                lives.add(missing[0])
            except (MlpwatchError, OSError, MemoryError, RuntimeError):
                # It has no column in the strip; the screen says why if one goes to this epoch.
                continue
            self.version += 1
            if self._closing.wait((monotonic() - began) * (1 / SHARE - 1)):
                return
