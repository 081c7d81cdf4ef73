"""What a network makes of a few images, asked between two of its batches."""

from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import EngineName
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.network.losses import Loss, loss_for

if TYPE_CHECKING:
    from mlpwatch.core.remote.follower import RunFollower
    from mlpwatch.core.training.session import Session


@dataclass(frozen=True, slots=True)
class Reading:
    """Of some images, by one network."""

    probabilities: NDArray[np.floating]
    """(images, classes) from 0 to 1; after a squared error the rows need not sum to 1."""

    @property
    def predictions(self) -> NDArray[np.intp]:
        """(images,) the most probable class of each."""
        found: NDArray[np.intp] = self.probabilities.argmax(axis=1)
        return found

    @property
    def confidences(self) -> NDArray[np.floating]:
        """(images,) the greatest probability of each."""
        found: NDArray[np.floating] = self.probabilities.max(axis=1)
        return found

    def accuracy(self, labels: list[int]) -> float:
        """Return the share of images (at least one) that were read as labelled."""
        return float((self.predictions == np.array(labels)).mean())


def ask_reading(
    session: "Session | RunFollower", name: EngineName, images: NDArray[np.float32]
) -> Future[Reading]:
    """Have one of a run's networks read images (images, features), scaled as in training.

    Returns at once; the answer comes with the weights between two batches, or the last ones.
    """
    loss = loss_for(session.config, name)
    return session.ask(name, partial(_read, images=images, loss=loss))


def _read(engine: Engine, images: NDArray[np.float32], loss: Loss) -> Reading:
    # A network that diverges has logits without a finite softmax: shown as they are, once.
    with np.errstate(over="ignore", invalid="ignore"):
        return Reading(loss.probabilities(engine.logits(images)))
