"""What measuring the layers, and what comparing steps costs: training with and without, in pairs.

    python -m tests.bench.layers [--pairs 30] [--shape 784-50-10] [--probe]

The trainers of a pair have the same network, data, epochs and one thread, and run one after the
other, every second pair in reverse, so that a busy machine slows both alike. "Without" measures no
step and looks at no unit. Printed are the median of the pairs' ratios and its 95 % interval from
resampling, in processor time of the whole process, which other programs disturb less than time on
the clock; then what the measurements say that they spent, by which they keep below 1 %, and what
the parts cost by themselves, as a share of an epoch on the clock.

With `--probe` the runs are some seconds long, and with and without steps that PyTorch repeats; what
the comparisons themselves say that they cost is printed too.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from unittest.mock import patch

import numpy as np

from mlpwatch.core.analysis.features import PROBE_IMAGES, UnitProbe
from mlpwatch.core.config import ENGINE_NAMES, EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset, load_dataset, steps_per_epoch
from mlpwatch.core.training.clocks import ComparisonPace
from mlpwatch.core.training.control import Control
from mlpwatch.core.training.epoch_report import LOOK_IMAGES, LOOK_STEPS
from mlpwatch.core.training.launch import engine_on
from mlpwatch.core.training.layer_samples import (
    LayerSampler,
    MeasurementPace,
    is_sampled,
    sampled_batches,
)
from mlpwatch.core.training.step_probe import StepProbe
from mlpwatch.core.training.trainer import train
from tests.bench.bench_data import load_bench_data
from tests.support.samples.training import HookedMailbox, MemoryRecorder

SHAPES: dict[str, RunConfig] = {
    "784-50-10": RunConfig(hidden=(50,), batch_size=100, epochs=2),
    "784-128-10": RunConfig(hidden=(128,), batch_size=64, epochs=1),
    "784-512-256-10": RunConfig(hidden=(512, 256), batch_size=128, epochs=1, optimizer="adam"),
    "64-128-10": RunConfig(data="digits", hidden=(128,), batch_size=64, epochs=400),
    "64-32-10": RunConfig(data="digits", hidden=(32,), batch_size=64, epochs=400),
}
PROBED_EPOCHS = {
    "784-50-10": 40,
    "784-128-10": 20,
    "784-512-256-10": 5,
    "64-128-10": 1_000,
    "64-32-10": 2_000,
}
"""Of some seconds: the first comparisons cost more of a shorter run."""

RESAMPLES = 2_000
CALLS = 200


@contextmanager
def _without_layers() -> Iterator[None]:
    with (
        patch.object(LayerSampler, "is_due", lambda _sampler, _epoch, _batch, _seconds: False),
        patch.object(UnitProbe, "look", lambda _probe, _weights: ()),
    ):
        yield


def _seconds(
    name: EngineName,
    config: RunConfig,
    dataset: Dataset,
    clock: Callable[[], float] = process_time,
    *,
    probed: bool = False,
) -> float:
    engine = engine_on(dataset, name, config)
    mailbox, recorder = HookedMailbox(), MemoryRecorder()
    probe = StepProbe(config, dataset, name, mailbox) if probed else None
    began = clock()
    train(engine, dataset, config, Control(), mailbox, recorder=recorder, probe=probe)
    return clock() - began


def _print_probe(shape: str, config: RunConfig, dataset: Dataset, pairs: int) -> None:
    config = replace(config, epochs=PROBED_EPOCHS[shape], threads=1)
    ratios: list[float] = []
    spent: list[float] = []

    def note(pace: ComparisonPace) -> None:
        spent.append(pace.spent)

    with patch.object(ComparisonPace, "end", note):
        for number in range(pairs + 1):
            seconds: dict[bool, float] = {}
            for probed in (True, False) if number % 2 else (False, True):
                seconds[probed] = _seconds("numpy", config, dataset, probed=probed)
            ratios.append(seconds[True] / seconds[False])
    low, high = _interval(ratios[1:])
    print(  # noqa: T201
        f"{shape:<15} {median(ratios[1:]) - 1:+.2%} ({low - 1:+.2%} to {high - 1:+.2%})  "
        f"comparisons {median(spent[1:]) / seconds[False]:.2%} of {seconds[False]:.1f} s"
    )


def _ratios(name: EngineName, config: RunConfig, dataset: Dataset, pairs: int) -> list[float]:
    found = []
    for number in range(pairs + 1):
        seconds = {}
        for with_layers in (True, False) if number % 2 else (False, True):
            if with_layers:
                seconds[True] = _seconds(name, config, dataset)
            else:
                with _without_layers():
                    seconds[False] = _seconds(name, config, dataset)
        found.append(seconds[True] / seconds[False])
    return found[1:]


def _parts(name: EngineName, config: RunConfig, dataset: Dataset) -> tuple[float, float]:
    """Return the seconds that a measured step takes more, and those of a look at the units."""
    engine = engine_on(dataset, name, config)
    rows = np.arange(config.batch_size)
    times: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(CALLS):
        for measured in (True, False):
            began = perf_counter()
            engine.train_batch(rows, measured=measured)
            times[measured].append(perf_counter() - began)
    engine.take_losses()
    probe = UnitProbe(config.activation, dataset.train_images[:PROBE_IMAGES])
    weights = engine.weights()
    looks = []
    for _ in range(CALLS):
        began = perf_counter()
        probe.look(weights)
        looks.append(perf_counter() - began)
    return median(times[True]) - median(times[False]), median(looks)


def _spent(name: EngineName, config: RunConfig, dataset: Dataset) -> float:
    """Return the share of the processor time that the measurements themselves say they cost."""
    paces: list[MeasurementPace] = []
    begin = MeasurementPace.__init__

    def note(pace: MeasurementPace, share: float) -> None:
        begin(pace, share)
        paces.append(pace)

    with patch.object(MeasurementPace, "__init__", note):
        seconds = _seconds(name, config, dataset)
    return sum(pace.spent for pace in paces) / seconds


def _interval(ratios: list[float]) -> tuple[float, float]:
    random = np.random.default_rng(0)
    medians = np.median(random.choice(ratios, (RESAMPLES, len(ratios))), axis=1)
    low, high = np.quantile(medians, (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    """Print the cost at each shape for each engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--shape", choices=SHAPES, help="only this one")
    parser.add_argument("--probe", action="store_true", help="the comparisons of steps instead")
    options = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        if os.environ.get(variable) != "1":
            parser.error(f"{variable} is {os.environ.get(variable)}: set it to 1")
    with tempfile.TemporaryDirectory() as folder:
        mnist = load_bench_data(Path(folder)).dataset
    digits = load_dataset("digits", 0, "0..1")
    for shape, settings in SHAPES.items():
        if options.shape not in (None, shape):
            continue
        dataset = digits if settings.data == "digits" else mnist
        if options.probe:
            _print_probe(shape, settings, dataset, options.pairs)
            continue
        steps = steps_per_epoch(dataset.train_count, settings.batch_size)
        samples = len(sampled_batches(steps))
        for name in ENGINE_NAMES:
            config = replace(settings, only=name)
            ratios = _ratios(name, config, dataset, options.pairs)
            low, high = _interval(ratios)
            step, look = _parts(name, config, dataset)
            with _without_layers():
                epoch = _seconds(name, config, dataset, perf_counter) / config.epochs
            # Short epochs share samples, and a look at the units.
            looks = min(1.0, steps / max(LOOK_STEPS, LOOK_IMAGES // settings.batch_size))
            measured = sum(is_sampled(n, steps) for n in range(config.epochs)) / config.epochs
            spent = _spent(name, config, dataset)
            share = (measured * samples * step + looks * look) / epoch
            print(  # noqa: T201
                f"{shape:<15} {name:<6} {median(ratios) - 1:+.2%} "
                f"({low - 1:+.2%} to {high - 1:+.2%})  spent {spent:.2%}  parts {share:.2%}: "
                f"{samples} of {steps} steps in {measured:.0%} of the epochs, "
                f"{step * 1e6:.0f} µs each, "
                f"units {look * 1e6:.0f} µs, of {epoch * 1e3:.1f} ms"
            )


if __name__ == "__main__":
    main()
