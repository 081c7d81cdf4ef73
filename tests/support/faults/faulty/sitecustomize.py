"""Makes a real mlpwatch process fail on purpose; Python imports it first, by its name.

MLPWATCH_FAULT holds words of the form `what=value`:
    slow_sync=SECONDS    each fsync of a checkpoint or of the metrics takes so long (Linux)
    slow_batch=SECONDS   each NumPy batch after the 20th takes so long
    slow_test=SECONDS    reading the test images of the bundled digits takes so long
    raise_at=STEP        the NumPy engine raises at this step
    overflow_at=STEP     NumPy's trainer raises between two batches, after so many
    save_every=STEPS     each engine saves after so many steps
"""

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

_FAULTS = dict(word.split("=") for word in os.environ.get("MLPWATCH_FAULT", "").split())
_TRAINING_WRITES = ("safetensors", "metrics")
_EARLY_BATCHES = 20
_VALIDATION_IMAGES = 249


def _slow_sync(seconds: float) -> None:
    sync = os.fsync

    def slowly(handle: Any) -> None:  # noqa: ANN401
        path = str(Path(f"/proc/self/fd/{handle}").readlink())
        # Not the new run's own folder: training would never begin.
        if any(word in path for word in _TRAINING_WRITES):
            time.sleep(seconds)
        sync(handle)

    os.fsync = slowly  # type: ignore[assignment]


def _before_batches(action: Any) -> None:  # noqa: ANN401
    """Call `action(step)` before each NumPy batch."""
    from mlpwatch.core.network.numpy_mlp import NumpyMLP

    train_batch, steps = NumpyMLP.train_batch, 0

    def train_after_action(self: NumpyMLP, rows: Any, **options: Any) -> Any:  # noqa: ANN401
        nonlocal steps
        steps += 1
        action(steps)
        return train_batch(self, rows, **options)

    NumpyMLP.train_batch = train_after_action  # type: ignore[method-assign]


def _slow_batch(seconds: float) -> None:
    _before_batches(lambda step: time.sleep(seconds if step > _EARLY_BATCHES else 0))


def _slow_test(seconds: float) -> None:
    from mlpwatch.core.network.numpy_mlp import NumpyMLP

    logits = NumpyMLP.logits

    def slowly(self: NumpyMLP, images: Any, *more: Any) -> Any:  # noqa: ANN401
        time.sleep(seconds if len(images) > _VALIDATION_IMAGES else 0)
        return logits(self, images, *more)

    NumpyMLP.logits = slowly  # type: ignore[assignment, method-assign]


def _raise_at(step: float) -> None:
    def fail(at: int) -> None:
        if at == step:
            raise RuntimeError("told to \x1b[31;5mfail")

    _before_batches(fail)


def _overflow_at(step: float) -> None:
    from mlpwatch.core.training.trainer import _Training

    may_step = _Training._may_step

    def fail(self: _Training) -> bool:
        if self.engine.name == "numpy" and self.step >= step:
            raise OverflowError("timestamp too large")
        return may_step(self)

    _Training._may_step = fail  # type: ignore[method-assign]


def _save_every(steps: float) -> None:
    from mlpwatch.core.training import control

    control.SAVE_REST_SECONDS = 0.0
    take, taken = control.Control.take, Counter[int]()

    def take_and_ask(self: control.Control, step: int = 0) -> control.Action:
        taken[id(self)] += 1
        if taken[id(self)] % steps == 0:
            self.save()
        return take(self, step)

    control.Control.take = take_and_ask  # type: ignore[method-assign]


for _name, _value in _FAULTS.items():
    globals()[f"_{_name}"](float(_value))
