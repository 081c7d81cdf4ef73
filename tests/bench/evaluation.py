"""What reading 10,000 validation images after each epoch costs the training.

    python -m tests.bench.evaluation [--rounds 5]

Each engine trains 784-50-10, batch 100, on 55,000 images, alone and beside the other one, for some
epochs: with 10,000 validation images and with ten, in turn. Printed are how long the training
thread stands at an epoch's end, as a share of the epoch, and how much longer the epochs take.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from threading import Thread

import numpy as np

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.events import EpochDone, Mailbox, StepDone
from mlpwatch.core.training.control import Control
from mlpwatch.core.training.launch import engine_on
from mlpwatch.core.training.trainer import train
from tests.bench.bench_data import load_bench_data
from tests.bench.contenders import SHAPES
from tests.bench.tables import spread
from tests.support.samples.training import MemoryRecorder

EPOCHS = 4
MANY, FEW = 10_000, 10


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        data = load_bench_data(Path(folder)).dataset
    for names in (*((name,) for name in ENGINE_NAMES), ENGINE_NAMES):
        measure(data, names, rounds)


def measure(data: Dataset, names: tuple[EngineName, ...], rounds: int) -> None:
    """Train these engines at once, again and again, and print a line for each."""
    stands: dict[EngineName, list[float]] = {name: [] for name in names}
    ratios: dict[EngineName, list[float]] = {name: [] for name in names}
    run_together(with_validation(data, FEW), names)
    for _ in range(rounds):
        many = run_together(with_validation(data, MANY), names)
        few = run_together(with_validation(data, FEW), names)
        for name in names:
            stands[name] += standing_shares(many[name])
            ratios[name].append(epoch_seconds(many[name]) / epoch_seconds(few[name]))
    for name in names:
        print(  # noqa: T201
            f"{name:<6} {'alone' if len(names) == 1 else 'beside the other':<17}"
            f"stands {median(stands[name]):6.2%} of an epoch, at most {max(stands[name]):6.2%}; "
            f"epochs take {median(ratios[name]):.3f}x {spread(ratios[name])}"
        )
        sys.stdout.flush()


def with_validation(data: Dataset, count: int) -> Dataset:
    """Return the training images with `count` of the test images for validation."""
    first = data.train_count
    return replace(
        data,
        images=np.concatenate([data.images[:first], data.test_images[:count]]),
        labels=np.concatenate([data.labels[:first], data.test_labels[:count]]),
        test_images=data.test_images[:FEW],
        test_labels=data.test_labels[:FEW],
    )


def run_together(
    data: Dataset, names: tuple[EngineName, ...]
) -> Mapping[EngineName, list[StepDone | EpochDone]]:
    """Train these engines for some epochs, each in its thread; return what they told."""
    mailboxes = {name: Mailbox() for name in names}
    threads = [Thread(target=_train, args=(data, name, mailboxes[name])) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kinds = (StepDone, EpochDone)
    return {
        name: [event for event in box.drain().events if isinstance(event, kinds)]
        for name, box in mailboxes.items()
    }


def _train(data: Dataset, name: EngineName, mailbox: Mailbox) -> None:
    config = SHAPES[0].config(epochs=EPOCHS)
    engine = engine_on(data, name, config)
    train(engine, data, config, Control(threads=1), mailbox, recorder=MemoryRecorder())


def standing_shares(events: list[StepDone | EpochDone]) -> list[float]:
    """Return, per epoch but the last, the extra time before the next step as a share of it."""
    times = [event.seconds for event in events if isinstance(event, StepDone)]
    per_epoch = len(times) // EPOCHS
    step = median(np.diff(times))
    first_steps = range(per_epoch, per_epoch * EPOCHS, per_epoch)
    return [(times[k] - times[k - 1] - step) / (step * per_epoch) for k in first_steps]


def epoch_seconds(events: list[StepDone | EpochDone]) -> float:
    """Return the time from the first step of the run to its last, reading included."""
    times = [event.seconds for event in events if isinstance(event, StepDone)]
    return times[-1] - times[0]


if __name__ == "__main__":
    main()
