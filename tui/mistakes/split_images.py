"""The images of a split with what the models made of them, for the mistakes browser."""

import asyncio
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.mistakes import SplitEvaluations
from mlpwatch.core.config import EngineName
from mlpwatch.tui.kit.theme import Text
from mlpwatch.tui.mistakes.explanation_text import ink_of
from mlpwatch.tui.mistakes.text import (
    Split,
    epochs_text,
    test_epochs_text,
    weights_places,
)
from mlpwatch.tui.state.watch import Watch

if TYPE_CHECKING:
    from mlpwatch.core.evaluation import Evaluation
    from mlpwatch.core.run_source import RunSource


class SplitImages:
    """Validation images by default, as the newest epoch read them; the test images on demand.

    Args:
        watch: the session that is followed.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.split: Split = "validation"
        self._test: dict[EngineName, Evaluation] = {}
        self._test_places: dict[EngineName, str] = {}

    @property
    def names(self) -> str:
        """One character per class; empty while loading."""
        return self._watch.session.dataset.class_names if self._watch.session else ""

    @property
    def readings(self) -> SplitEvaluations:
        """What the models made of the split; while loading, of nothing."""
        session, state = self._watch.session, self._watch.state
        if session is None or state is None:
            return SplitEvaluations(np.empty(0, np.int64))
        if self.split == "test":
            return SplitEvaluations(session.dataset.test_labels, self._test)
        engines = state.engines.items()
        return SplitEvaluations(
            session.dataset.validation_labels,
            {name: engine.validation for name, engine in engines if engine.validation},
            {name: e.validation_before for name, e in engines if e.validation_before},
        )

    @property
    def missing(self) -> str:
        """Why there are no images, where there are none."""
        return self._watch.session.images_missing if self._watch.session else ""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of an image, in pixels."""
        return self._session().dataset.image_shape

    @property
    def probabilities_note(self) -> str:
        """What is to be known of probabilities that are no softmax."""
        is_mse = self._session().config.loss == "mse"
        return "sigmoids: need not sum to 100 %" if is_mse else ""

    def epochs_text(self) -> Text:
        """Return after which epochs the models are seen."""
        if self.split == "test":
            return test_epochs_text(self._test_places)
        return epochs_text(self._watch.state)

    def pixels(self, row: int) -> NDArray[np.float32]:
        """Return an image (features,) as the networks read it."""
        pixels: NDArray[np.float32] = self._images[row]
        return pixels

    def inks(self, rows: NDArray[np.intp]) -> NDArray[np.floating]:
        """Return images (images, height, width) of ink from 0 to 1."""
        pixels = self._images[rows].reshape(-1, *self.shape)
        return ink_of(pixels, self._session().config.pixel_range)

    @property
    def _images(self) -> NDArray[np.float32]:
        data = self._session().dataset
        return data.test_images if self.split == "test" else data.validation_images

    def title(self, row: int) -> str:
        """Return split and number of an image, as its source counts them."""
        data = self._session().dataset
        if self.split == "test":
            return f"test image {row:,}"
        return f"validation image {int(data.source_rows[data.train_count + row]):,}"

    async def read_test(self) -> None:
        """Turn to the test images, read off the event loop with the newest epoch's weights.

        Raises:
            MemoryError: there is no room for it; the split is as before.
            RuntimeError: the same, from PyTorch.
            DataError: the images are not there.
        """
        session, state = self._session(), self._watch.state
        if state is None:
            return
        places = weights_places(state)
        # After the end, those readings that the run's result tells; a log tells no images.
        test = {name: e.test for name, e in state.engines.items() if e.test and len(e.test.losses)}
        if not state.ended or not test:
            test = await asyncio.to_thread(session.evaluate_test)
        self._test, self.split = test, "test"
        self._test_places = {name: places[name] for name in test if name in places}

    def _session(self) -> "RunSource":
        session = self._watch.session
        if session is None:
            raise RuntimeError("no session yet: expected one before an image is asked for")
        return session
