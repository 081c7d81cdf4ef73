"""The images of a split with both models' predictions, and what the screen shows of them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.mistakes import SplitEvaluations
from mlpwatch.core.analysis.past.past_epochs import Split
from mlpwatch.core.analysis.plane.pictures import picture_shape, sample_inks, source_numbers
from mlpwatch.core.config import TITLES, EngineName, OutputActivation
from mlpwatch.tui.images.contact_sheet import SheetSource
from mlpwatch.tui.kit.theme import Role, Text
from mlpwatch.tui.mistakes.past_predictions import PastPredictions
from mlpwatch.tui.mistakes.selection import MistakeSelection
from mlpwatch.tui.mistakes.text import (
    caption,
    epochs_text,
    place_text,
    predicted_before,
    test_epochs_text,
    weights_places,
)
from mlpwatch.tui.state.watch import Watch

if TYPE_CHECKING:
    from mlpwatch.core.epochs import Evaluation
    from mlpwatch.core.run_source import RunSource

_NOTES: Mapping[OutputActivation, str] = {
    "softmax": "",
    "sigmoid": "sigmoids: need not sum to 100 %",
    "linear": "linear outputs, cut to 0 to 100 %",
}


@dataclass(frozen=True, slots=True)
class DigitFacts:
    """An image and the models' predictions for it."""

    place: str
    """Position in the list, and the image's number."""
    true: int
    probabilities: Mapping[EngineName, Sequence[float]]
    """By class, 0 to 1, of each engine that has been evaluated."""
    names: str
    """One character per class."""
    before: Mapping[EngineName, int] = field(default_factory=dict)
    """Predictions of the epoch before, of the engines that show them."""
    note: str = ""
    """A few words about the probabilities."""
    titles: Mapping[EngineName, str] = field(default_factory=lambda: TITLES)
    """The models' names."""
    at: str = ""
    """Where a point is; empty for an image."""


@dataclass(frozen=True, slots=True)
class SeenDigit:
    """The image on the screen."""

    split: Split
    row: int
    image: NDArray[np.floating]
    """(features,), as the networks get it."""
    ink: NDArray[np.floating]
    """(height, width) from 0 to 1."""
    facts: DigitFacts


class SplitImages:
    """Validation images by default, with the newest epoch's predictions; test images on demand.

    Args:
        watch: of the run.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.split: Split = "validation"
        self._test: dict[EngineName, Evaluation] = {}
        self._test_places: dict[EngineName, str] = {}
        self._past = PastPredictions(watch)
        self._last = SplitEvaluations(np.empty(0, np.int64))
        """What `predictions` returned last: it stays while an epoch of the same split is read."""
        self._last_split: Split = "validation"

    @property
    def names(self) -> str:
        """One character per class; empty while loading."""
        return self._watch.session.dataset.class_names if self._watch.session else ""

    @property
    def predictions(self) -> SplitEvaluations:
        """Both models' predictions for the split, now or at the epoch shown.

        Empty while loading, and if the epoch can't be read.
        """
        if self._last_split != self.split:
            self._last, self._last_split = SplitEvaluations(np.empty(0, np.int64)), self.split
        if self._watch.shown.epoch is None:
            self._last = self._predictions_now()
        elif (past := self._past.of(self.split)) is not None:
            self._last = past
        elif self.fault and self._last.now:
            self._last = SplitEvaluations(self._last.labels)
        return self._last

    @property
    def fault(self) -> str:
        """Why the epoch shown can't be shown; empty if it can."""
        is_past = self._watch.shown.epoch is not None
        return self._past.fault(self.split) if is_past else ""

    @property
    def is_due(self) -> bool:
        """Whether `read` has something to do."""
        return self._watch.shown.epoch is not None and self._past.is_due(self.split)

    @property
    def lacks_test(self) -> bool:
        """Whether the test images are shown, and not read since a past epoch was left."""
        return self.split == "test" and self._watch.shown.epoch is None and not self._test

    def ask(self) -> None:
        """Ask for newer predictions: the weights of another machine's run come only on request."""
        if self._watch.attached and self._watch.session is not None:
            self._watch.session.ask_for_weights()

    async def read(self, draw: Callable[[], None]) -> None:
        """Predict with the weights of the epoch shown, then draw."""
        await self._past.work(lambda: self.split, draw)

    def _predictions_now(self) -> SplitEvaluations:
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
        """Why there are no images; empty if there are."""
        return self._watch.session.images_missing if self._watch.session else ""

    @property
    def titles(self) -> Mapping[EngineName, str]:
        """The models' names."""
        return self._watch.titles

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of an image, in pixels."""
        return picture_shape(self._session().dataset)

    def epochs_text(self) -> Text:
        """Return the epochs whose weights made the predictions."""
        state, epoch = self._watch.state, self._watch.shown.epoch
        if state is not None and epoch is not None:
            waits = self._past.of(self.split) is None and not self.fault
            title = f"reading epoch {epoch} …" if waits else self._watch.shown.title(state.epochs)
            return [(f"{title} ", Role.WARNING)]
        if self.split == "test":
            return test_epochs_text(self._test_places, self.titles)
        return epochs_text(self._watch.state)

    def inks(self, rows: NDArray[np.intp]) -> NDArray[np.floating]:
        """Return images (images, height, width) of ink from 0 to 1."""
        session = self._session()
        return sample_inks(session.dataset, self._images[rows], session.config.pixel_range)

    def title(self, row: int) -> str:
        """Return an image's split and number, as its source counts them."""
        data = self._session().dataset
        number = row
        if self.split == "validation":
            number = int(data.source_rows[data.train_count + row])
        return data.words(f"{self.split} image {number:,}")

    def place(self, row: int) -> str:
        """Return where a point is, in its source's numbers; empty for an image."""
        data, config = self._session().dataset, self._session().config
        if not data.are_points:
            return ""
        x1, x2 = source_numbers(data, self._images[row], config.pixel_range)
        return f" at {x1:.2f}, {x2:.2f}"

    def sheet_source(self, selection: MistakeSelection) -> SheetSource | None:
        """Return the images of a list; None if it is empty."""
        if not len(selection.rows):
            return None
        predictions, names = selection.predictions, self.names
        return SheetSource(
            selection.rows,
            self.shape,
            self.inks,
            lambda row: caption(predictions, row, names),
            self.split,
        )

    def seen_digit(self, selection: MistakeSelection) -> SeenDigit | None:
        """Return the image under the cursor with both models' predictions; None without any."""
        row, predictions = selection.row, selection.predictions
        if row is None or not predictions.now:
            return None
        function = self._session().config.output_function
        facts = DigitFacts(
            place=f"{place_text(selection)} · {self.title(row)}",
            true=int(predictions.labels[row]),
            probabilities={
                name: [float(p) for p in one.probabilities[row]]
                for name, one in predictions.now.items()
            },
            names=self.names,
            before=predicted_before(predictions, row, selection.which),
            note=_NOTES[function],
            titles=self.titles,
            at=self.place(row),
        )
        ink = self.inks(np.array([row]))[0]
        return SeenDigit(self.split, row, self._images[row], ink, facts)

    async def read_test(self) -> None:
        """Switch to the test images; a thread predicts them with the newest epoch's weights.

        Raises:
            MemoryError: memory ran out; the split has not changed.
            RuntimeError: the same, from PyTorch.
            DataError: the images are missing.
        """
        session, state = self._session(), self._watch.state
        if state is None:
            return
        if self._watch.shown.epoch is not None:
            self.split = "test"
            await self.read(lambda: None)
            return
        places = weights_places(state)
        # An ended run has its own test predictions; those from a log have no values per image.
        test = {name: e.test for name, e in state.engines.items() if e.test and len(e.test.losses)}
        if not state.ended or not test:
            test = await asyncio.to_thread(session.evaluate_test)
        self._test, self.split = test, "test"
        self._test_places = {name: places[name] for name in test if name in places}

    @property
    def _images(self) -> NDArray[np.float32]:
        data = self._session().dataset
        return data.test_images if self.split == "test" else data.validation_images

    def _session(self) -> "RunSource":
        session = self._watch.session
        if session is None:
            raise RuntimeError("no session yet: expected one before an image is asked for")
        return session
