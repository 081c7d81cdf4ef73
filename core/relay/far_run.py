"""The `RunSource` of a run on another machine: the usual follower on the mirror of its folder."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

from mlpwatch import __version__
from mlpwatch.core.analysis.gradient_comparison import GradientComparison
from mlpwatch.core.analysis.inference import Answer
from mlpwatch.core.config import EngineName
from mlpwatch.core.epochs import Evaluation
from mlpwatch.core.events import Notice
from mlpwatch.core.monitor.loop_source import LoopRunSource
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.relay.link import Link
from mlpwatch.core.remote.follower import RunFollower
from mlpwatch.core.runs.checkpoints import Checkpoint, LatestCheckpoint
from mlpwatch.core.runs.layout import (
    HISTORY_NAME,
    IMAGES_NAME,
    PREDICTIONS_NAME,
    checkpoint_name,
    past_name,
)
from mlpwatch.core.runs.manifest import RunManifest
from mlpwatch.core.runs.run import Run

BRING_SECONDS = 60.0
"""Longest wait for a checkpoint: 0.4 MB at 10 kB/s take 40 s."""

LOOK_SECONDS = 0.1


class FarRun(Run):
    """A run folder whose checkpoints come from another machine when they are read.

    Args:
        path: of the mirror.
        manifest: the content of its `config.json`.
        link: to the other machine.
    """

    def __init__(self, path: Path, manifest: RunManifest, link: Link) -> None:
        super().__init__(path, manifest)
        self._link = link
        self.host = link.host

    @property
    def name(self) -> str:
        """As `mlpwatch attach` takes it."""
        return self._link.title

    def read_latest(self, engine: EngineName) -> LatestCheckpoint | None:
        """Bring the newest checkpoint, then read it; see `Run.read_latest`."""
        self._link.bring(checkpoint_name(engine), BRING_SECONDS)
        return super().read_latest(engine)

    def read_past(self, engine: EngineName, epoch: int) -> Checkpoint:
        """Bring the checkpoint of a kept epoch, then read it; see `Run.read_past`."""
        self._link.bring(f"{HISTORY_NAME}/{past_name(engine, epoch)}", BRING_SECONDS)
        return super().read_past(engine, epoch)


class FarRunFollower(RunFollower):
    """Follows a run on another machine.

    Args:
        run: its mirror.
        link: to the other machine, not started.

    Raises:
        RunError: the mirror can't be read.
    """

    def __init__(self, run: FarRun, link: Link) -> None:
        super().__init__(run)
        self._link = link
        link.say = lambda text, is_bad: self.mailbox.put(Notice(text, is_bad=is_bad))
        # A different version with the same protocol works; who looks for a fault should know it.
        if link.version != __version__:
            link.say(f"{link.host} has mlpwatch {link.version}, here is {__version__}", False)

    def ask_for_weights(self) -> None:
        """Bring new checkpoints for a while."""
        self._link.want(*map(checkpoint_name, self.config.engine_names))

    def ask(self, name: EngineName, question: Callable[[Engine], Answer]) -> Future[Answer]:
        """Bring the weights if there are none, then ask; see `RunImages.ask`."""
        self.ask_for_weights()
        if self.weight_store.latest(name) is not None:
            return super().ask(name, question)
        answer: Future[Answer] = Future()

        def reply() -> None:
            self._wait_for_weights(name)
            try:
                answer.set_result(super(FarRunFollower, self).ask(name, question).result())
            except Exception as error:  # raised by `answer.result()`
                answer.set_exception(error)

        Thread(target=reply, name=f"far-ask-{name}", daemon=True).start()
        return answer

    def compare_gradients(self) -> GradientComparison:
        """Bring the weights, then compare; see `RunImages.compare_gradients`."""
        self._wait_for_weights(*self.config.engine_names)
        return super().compare_gradients()

    def evaluate_test(self) -> dict[EngineName, Evaluation]:
        """Bring the weights, then evaluate; see `RunImages.evaluate_test`."""
        self._wait_for_weights(*self.config.engine_names)
        return super().evaluate_test()

    def join(self, seconds: float) -> bool:
        """Wait until earlier orders are sent, then leave the other machine."""
        has_ended = super().join(seconds)
        self._link.close()
        return has_ended

    def _wait_for_weights(self, *names: EngineName) -> None:
        self.ask_for_weights()
        until = monotonic() + BRING_SECONDS
        while monotonic() < until and not self.ended and self.dataset.train_count:
            if all(self.weight_store.latest(name) is not None for name in names):
                return
            sleep(LOOK_SECONDS)


class FarLoopSource(LoopRunSource):
    """Follows a watched loop on another machine.

    Args:
        link: to it, started.

    Raises:
        RunError: the mirror can't be read.
    """

    def __init__(self, link: Link) -> None:
        super().__init__(link.mirror.path)
        self._link = link
        self.run.name, self.run.host = link.title, link.host
        link.say = lambda text, is_bad: self.mailbox.put(Notice(text, is_bad=is_bad))

    def ask_for_weights(self) -> None:
        """Bring predictions and images for a while: a loop has no weights."""
        self._link.want(PREDICTIONS_NAME, IMAGES_NAME)

    def join(self, seconds: float) -> bool:
        """Wait until earlier orders are sent, then leave the other machine."""
        has_ended = super().join(seconds)
        self._link.close()
        return has_ended
