"""A run as the screens see it, whether it trains in this process, elsewhere, or has ended."""

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


class RunFolder(Protocol):
    """Where a run is saved, and the lock that says who trains it."""

    @property
    def path(self) -> Path:
        """The folder."""

    @property
    def name(self) -> str:
        """Name of the run."""

    def acquire(self) -> str:
        """Take the lock; see `Run.acquire`."""

    def release(self) -> None:
        """Give the lock back. No effect if it is not held."""


class RunSource(Protocol):
    """One run: its settings, its events, and the orders that it takes.

    `Session` trains a run in this process; `RunFollower` reads the folder of a run that another
    process trains or trained. Orders return at once and may come from any thread.
    """

    @property
    def config(self) -> RunConfig:
        """The settings, with the epochs planned now."""

    @property
    def dataset(self) -> Dataset:
        """Its shape and classes are right from the start; a follower's images come later."""

    @property
    def run(self) -> RunFolder:
        """The folder."""

    @property
    def mailbox(self) -> Mailbox:
        """Brings the events that come after `past_events`."""

    @property
    def weight_store(self) -> WeightStore:
        """Has the newest published weights."""

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know about a resumed run, one line each."""

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
        """Whether nothing more happens after `stop` or `leave`."""

    @property
    def save_error(self) -> str | None:
        """What is not on disk although it should be, in one line; None if all is."""

    def threads(self, engine: EngineName) -> int:
        """Return the number of threads that an engine may use."""

    def paused(self, engine: EngineName) -> bool:
        """Return whether an engine has been paused."""

    def past_events(self) -> list[Event]:
        """Return what the logs say of earlier training; to be called before `start`."""

    def compare_gradients(self) -> GradientComparison:
        """Compare both engines' gradients on the same weights and batch."""

    def predict(self, name: EngineName, images: Floats) -> Future[Prediction]:
        """Ask an engine about images (images, features), scaled as in training; returns at once."""

    def trace_step(self, previous: StepTrace | None = None) -> StepTrace:
        """Compute each engine's next step part by part; not for the event loop."""

    def evaluate_test(self) -> dict[EngineName, Evaluation]:
        """Evaluate the test images with published weights; takes 0.1 s."""

    def ask_for_weights(self) -> None:
        """Ask for newer weights in the store. No effect if they are elsewhere."""

    def start(self) -> None:
        """Start the threads that train, or follow."""

    def pause(self, *engines: EngineName) -> None:
        """Pause the named engines, or all; several stop at the same step."""

    def resume(self, *engines: EngineName) -> None:
        """Let the named engines, or all, train on."""

    def step(self) -> None:
        """Train one more batch on every paused engine."""

    def save(self) -> None:
        """Write a checkpoint of every engine."""

    def set_steps_per_second(self, limit: float | None) -> None:
        """Limit the speed of every engine; None lifts the limit."""

    def set_lockstep(self, lockstep: bool) -> None:
        """Keep all engines at the same step, the faster waiting, or no longer."""

    def stop(self) -> None:
        """Save and end the run, wherever it trains."""

    def leave(self) -> None:
        """Save and end a run that trains here; a run that trains elsewhere continues."""

    def join(self, seconds: float) -> bool:
        """Wait for the end and the last writes; False if they took longer."""
