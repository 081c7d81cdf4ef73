"""The screens' view of a run: it trains in this process or in another, or has ended."""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from mlpwatch.core.analysis.gradient_comparison import GradientComparison
from mlpwatch.core.analysis.inference import Prediction
from mlpwatch.core.analysis.step_trace import StepTrace
from mlpwatch.core.analysis.weight_store import WeightStore
from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.epochs import Evaluation
from mlpwatch.core.events import Event, Mailbox
from mlpwatch.core.runs.checkpoints import Checkpoint
from mlpwatch.core.runs.history import History


class RunFolder(Protocol):
    """The folder of a run, and the lock of the process that trains it."""

    @property
    def path(self) -> Path:
        """The folder."""

    @property
    def name(self) -> str:
        """Name of the run."""

    @property
    def host(self) -> str:
        """The machine that has it, if it is mirrored here; empty for a folder of this machine."""

    @property
    def history(self) -> History:
        """Its kept epochs."""

    def read_past(self, engine: EngineName, epoch: int) -> Checkpoint:
        """Read an engine's checkpoint of a kept epoch; see `Run.read_past`."""

    def acquire(self) -> str:
        """Take the lock; see `Run.acquire`."""

    def release(self) -> None:
        """Give the lock back. No effect if it is not held."""


class RunSource(Protocol):
    """One run: its settings, its events, and the orders that it accepts.

    `Session` trains a run in this process; `RunFollower` reads the folder of a run that another
    process trains or trained. Orders return at once and may come from any thread.
    """

    @property
    def config(self) -> RunConfig:
        """The settings, with the epochs planned now."""

    @property
    def dataset(self) -> Dataset:
        """The data set: shape and classes from the start, a follower's images later."""

    @property
    def run(self) -> RunFolder:
        """The folder."""

    @property
    def mailbox(self) -> Mailbox:
        """Brings the events that come after `past_events`."""

    @property
    def weight_store(self) -> WeightStore:
        """Holds the newest published weights."""

    @property
    def notes(self) -> Sequence[str]:
        """Notes for the user about a resumed run, one line each."""

    @property
    def epoch_steps(self) -> int:
        """Steps per epoch."""

    @property
    def steps_per_second(self) -> float | None:
        """The speed limit, or None."""

    @property
    def lockstep(self) -> bool:
        """Whether all engines are kept at the same step."""

    @property
    def images_missing(self) -> str:
        """Why there are no images, in one line; empty if there are."""

    @property
    def ended(self) -> bool:
        """Whether the run has ended or, for a follower, the following."""

    @property
    def save_error(self) -> str | None:
        """What could not be saved, in one line; None if everything is saved."""

    def threads(self, engine: EngineName) -> int:
        """Return the number of threads that an engine may use."""

    def paused(self, engine: EngineName) -> bool:
        """Return whether an engine has been paused."""

    def past_events(self) -> list[Event]:
        """Return the events of earlier training from the logs; call it before `start`."""

    def compare_gradients(self) -> GradientComparison:
        """Compare both engines' gradients on the same weights and batch."""

    def predict(self, name: EngineName, images: Floats) -> Future[Prediction]:
        """Predict images (images, features), scaled as in training; returns at once."""

    def trace_step(self, previous: StepTrace | None = None) -> StepTrace:
        """Compute each engine's next step part by part; too slow for the event loop."""

    def evaluate_test(self) -> dict[EngineName, Evaluation]:
        """Evaluate the test images with published weights; takes 0.1 s."""

    def ask_for_weights(self) -> None:
        """Ask for newer weights in the store. No effect if another process trains."""

    def start(self) -> None:
        """Start the threads that train or follow."""

    def pause(self, *engines: EngineName) -> None:
        """Pause the named engines, or all; several stop at the same step."""

    def resume(self, *engines: EngineName) -> None:
        """Resume the named engines, or all."""

    def step(self) -> None:
        """Train one more batch on every paused engine."""

    def save(self) -> None:
        """Write a checkpoint of every engine."""

    def set_steps_per_second(self, limit: float | None) -> None:
        """Limit the speed of every engine; None lifts the limit."""

    def set_lockstep(self, lockstep: bool) -> None:
        """Set whether the faster engine waits, so that all engines are at the same step."""

    def learning_rate(self, engine: EngineName) -> float:
        """Return η₀ of an engine as ordered last; its schedule scales it."""

    def set_learning_rate(self, rate: float, *engines: EngineName) -> None:
        """Change η₀ of the named engines, or of all, from their next batches on.

        Raises:
            ConfigError: it is out of range.
        """

    def stop(self) -> None:
        """Save and end the run, in whichever process it trains."""

    def leave(self) -> None:
        """Save and end a run that trains here; a run that trains elsewhere continues."""

    def join(self, seconds: float) -> bool:
        """Wait for the end and the last writes; False if they took longer."""
