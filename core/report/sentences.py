"""A run's conclusion in sentences. Each is there only where the run's numbers carry it."""

from collections.abc import Iterator
from itertools import pairwise
from math import isfinite
from statistics import median

from mlpwatch.core.analysis.scores import score_classes
from mlpwatch.core.checking.live.cause import cause_of_settings
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.epochs import EpochRecord, Matrix
from mlpwatch.core.network.build import layer_sizes, parameter_count
from mlpwatch.core.report.reading import Predictions, RunReading

RARE = 0.05
"""A difference that chance makes less often is called one: the usual level of a test."""

FALLING = 0.01
"""Least share by which a loss falls in the last epoch to be called falling."""

RISEN = 1.1
"""A validation loss has risen that is so many times its lowest in each of the last epochs: a single
higher one is noise."""

FEWEST_EPOCHS = 3
"""A course needs so many epochs."""


def heading(reading: RunReading) -> str:
    """Return the title of a report."""
    return f"{reading.name}: {' and '.join(map(reading.config.title, reading.config.engine_names))}"


def subheading(reading: RunReading) -> str:
    """Return data, network and pace in one line."""
    config, info = reading.config, reading.manifest.dataset
    sizes = _sizes(reading)
    parts = [
        info.name,
        "-".join(map(str, sizes)),
        f"{parameter_count(sizes, has_bias=config.bias):,} weights and biases",
        *([config.activation] if config.hidden else []),
        config.loss,
        f"{config.optimizer} {config.learning_rate:g}",
        *([config.treatment.describe("torch")] if config.treatment else []),
        f"batch {config.batch_size}",
        f"{config.epochs:,} epoch{'s' * (config.epochs != 1)}",
        f"seed {config.seed}",
    ]
    return " · ".join(parts)


def conclusion(reading: RunReading) -> tuple[str, ...]:
    """Return what the numbers of a run say, in sentences; the most important first."""
    return (
        *_how_it_stands(reading),
        *_results(reading),
        *_against_chance(reading),
        *_on_the_same_samples(reading),
        *why_they_differ(reading),
        *_courses(reading),
        *_confusions(reading),
        *_speeds(reading),
    )


def _sizes(reading: RunReading) -> tuple[int, ...]:
    height, width = reading.manifest.dataset.image_shape
    return layer_sizes(height * width, reading.config.hidden, reading.manifest.dataset.classes)


def _how_it_stands(reading: RunReading) -> Iterator[str]:
    """Say what is not an ordinary end."""
    config, planned = reading.config, reading.config.epochs
    done = {name: len(reading.epochs[name]) for name in config.engine_names}
    if reading.is_training:
        counts = _joined([f"{config.title(name)} {count:,}" for name, count in done.items()])
        yield f"The run still trains: of {planned:,} epochs {counts} are done. Nothing is final."
        return
    for name, count in done.items():
        end = reading.ends.get(name)
        if end is None:
            yield (
                f"{config.title(name)} has no recorded end: {count:,} of {planned:,} epochs are "
                "in the folder."
            )
        elif end.reason in ("diverged", "failed"):
            why = f": {end.detail}" if end.detail else ""
            yield f"{config.title(name)} {end.reason} after {count:,} whole epochs{why}."
        elif count < planned:
            why = f" ({end.detail})" if end.detail else ""
            yield f"{config.title(name)} ended after {count:,} of {planned:,} epochs{why}."


def _results(reading: RunReading) -> Iterator[str]:
    found = {name: reading.test_accuracy(name) for name in reading.config.engine_names}
    known = {name: share for name, share in found.items() if share is not None}
    if known:
        right = _joined([f"{reading.config.title(n)} {share:.2%}" for n, share in known.items()])
        count = ""
        if reading.predictions is not None and reading.predictions.split == "test":
            count = f"{len(reading.predictions.labels):,} "
        yield f"Of the {count}test samples, which no training step has seen, {right} are right."
        return
    last = {name: reading.last(name) for name in reading.engines}
    values = [
        f"{reading.config.title(name)} {one.val_accuracy:.2%} after epoch {one.epoch:,}"
        for name, one in last.items()
        if isfinite(one.val_accuracy)
    ]
    if values:
        yield f"Of the validation samples {_joined(values)} are right."


def _against_chance(reading: RunReading) -> Iterator[str]:
    split, found = reading.matrices()
    for name, counts in found.items():
        total = int(counts.sum())
        most = int(counts.sum(axis=1).max()) if total else 0
        if total and counts.trace() <= most:
            label = reading.class_names[int(counts.sum(axis=1).argmax())]
            yield (
                f"{reading.config.title(name)} is no better than naming class {label} every time, "
                f"which is right for {most / total:.2%} of the {split} samples."
            )


def _on_the_same_samples(reading: RunReading) -> Iterator[str]:
    """Compare both engines sample by sample: McNemar's exact test."""
    found = reading.predictions
    if found is None or len(found.engines) < 2:  # noqa: PLR2004 - a pair
        return
    titles = reading.config.titles
    where = f"{len(found.labels):,} {found.split} samples"
    differing = int(
        (found.engines["numpy"].predictions != found.engines["torch"].predictions).sum()
    )
    if not differing:
        yield f"Both predict the same class for each of the {where}."
        return
    alone = only_right(found)
    yield (
        f"They predict different classes for {differing:,} of the {where}: {titles['numpy']} alone "
        f"is right on {alone['numpy']:,}, {titles['torch']} alone on {alone['torch']:,}."
    )
    if not any(alone.values()):
        return
    chance = mcnemar(alone["numpy"], alone["torch"])
    if chance < RARE:
        better = max(alone, key=lambda name: alone[name])
        often = "less than 0.1 %" if chance < 1e-3 else f"{chance:.1%}"  # noqa: PLR2004 - 0.1 %
        yield (
            f"That is a difference between these two networks, {titles[better]} being better: "
            f"equally good ones would split so unevenly in {often} of the cases (McNemar's exact "
            "test). Whether other seeds show it too, a sweep over seeds says."
        )
    else:
        yield (
            f"That shows no difference: equally good networks split at least so unevenly in "
            f"{chance:.0%} of the cases (McNemar's exact test)."
        )


def only_right(found: Predictions) -> dict[EngineName, int]:
    """Return how many samples each of two engines alone predicts right."""
    numpy, torch = found.wrong("numpy"), found.wrong("torch")
    return {"numpy": int((torch & ~numpy).sum()), "torch": int((numpy & ~torch).sum())}


def mcnemar(one: int, other: int) -> float:
    """Return how often chance alone splits `one + other` samples at least so unevenly, 0 to 1.

    The exact, two-sided test of McNemar (1947): each sample falls to either side with probability
    1/2. It is scipy's `binomtest(one, one + other).pvalue`.
    """
    from scipy.special import bdtr  # noqa: PLC0415 - only for a pair that differs

    return min(1.0, 2 * float(bdtr(min(one, other), one + other, 0.5)))


def why_they_differ(reading: RunReading) -> Iterator[str]:
    """Yield the cause, or that rounding is all that is between the two."""
    config, titles = reading.config, reading.config.titles
    if len(config.engine_names) < 2:  # noqa: PLR2004 - a pair
        return
    if (found := reading.difference) is not None:
        yield (
            f"From step {found.step:,} on they do not compute the same: {titles[found.differs]} "
            f"differs, in the {found.tensor} first ({found.code})."
        )
        yield _sentence(found.text)
        yield from _advice(config, found.code)
        return
    if not reading.compared:
        cause = cause_of_settings(config, reading.manifest.dataset.classes)
        if cause is not None:
            yield _sentence(cause.text)
            yield from _advice(config, cause.code)
        return
    if any(one.is_outside for one in reading.compared):
        return
    count, most = len(reading.compared), max(one.difference for one in reading.compared)
    steps = "the step that was" if count == 1 else f"all {count:,} steps that were"
    yield (
        f"They compute the same: in {steps} repeated by the other from the same weights, no weight "
        f"differs by more than {most:.1e}, which rounding explains."
    )
    gap = reading.gaps[-1] if reading.gaps else None
    if gap is None or _rates_differ(reading) or not isfinite(gap.weight_difference):
        return
    if gap.weight_difference > 10 * most:
        yield (
            f"Training has made of it a largest difference of {gap.weight_difference:.1e} after "
            f"epoch {gap.epoch:,}."
        )
    else:
        yield f"After epoch {gap.epoch:,} no weight is {gap.weight_difference:.1e} apart or more."


def _advice(config: RunConfig, code: str) -> Iterator[str]:
    if code == "loss-mean-over-classes" and config.torch_loss_mean == "element":
        yield "With --torch-loss-mean batch both have the same loss."


def _rates_differ(reading: RunReading) -> bool:
    changes = [
        [(one.step, one.learning_rate) for one in reading.rates if one.engine == name]
        for name in reading.config.engine_names
    ]
    return any(one != changes[0] for one in changes)


def _courses(reading: RunReading) -> Iterator[str]:
    """Say of each engine whether its validation loss still fell, or has risen again."""
    for name in reading.engines:
        records = [one for one in reading.epochs[name] if isfinite(one.val_loss)]
        if len(records) < FEWEST_EPOCHS:
            continue
        title, last = reading.config.title(name), records[-1]
        best = min(records, key=lambda one: one.val_loss)
        if overfits(records):
            yield (
                f"{title}'s validation loss was lowest after epoch {best.epoch:,} "
                f"({best.val_loss:.4g}) and has risen to {last.val_loss:.4g} since, while its "
                f"training loss fell from {best.train_loss:.4g} to {last.train_loss:.4g}: it "
                "overfits."
            )
        elif still_falls(records):
            fall = 1 - last.val_loss / records[-2].val_loss
            yield (
                f"{title}'s validation loss was still falling, by {fall:.1%} in epoch "
                f"{last.epoch:,}: it had not learned all that it can."
            )


def overfits(records: list[EpochRecord]) -> bool:
    """Return whether the validation loss has risen since its lowest while training loss fell."""
    best, newest = min(records, key=lambda one: one.val_loss), records[-FEWEST_EPOCHS:]
    has_risen = all(one.val_loss > RISEN * best.val_loss > 0 for one in newest)
    return has_risen and newest[-1].train_loss < best.train_loss


def still_falls(records: list[EpochRecord]) -> bool:
    """Return whether the validation loss fell in the last epochs, and in the last one clearly."""
    newest = [one.val_loss for one in records[-FEWEST_EPOCHS:]]
    falls = all(after < before for before, after in pairwise(newest))
    return falls and newest[-1] < (1 - FALLING) * newest[-2]


def _confusions(reading: RunReading) -> Iterator[str]:
    split, found = reading.matrices()
    for name, counts in found.items():
        if (text := _confusion(counts, reading.class_names)) is not None:
            yield f"{reading.config.title(name)} {text} ({split})."


def _confusion(counts: Matrix, names: str) -> str | None:
    """Return the pair that is confused most; None without one that stands out."""
    pairs = score_classes(counts).pairs
    if not pairs or pairs[0].images < 2:  # noqa: PLR2004 - a single image is no habit
        return None
    if len(pairs) > 1 and pairs[1].images == pairs[0].images:
        return None
    first = pairs[0]
    return (
        f"most often takes {names[first.true]} for {names[first.predicted]}: {first.images:,} "
        f"times, {first.share:.1%} of class {names[first.true]}"
    )


def _speeds(reading: RunReading) -> Iterator[str]:
    speeds = {}
    for name in reading.engines:
        found = [one.samples_per_second for one in reading.epochs[name]]
        found = [one for one in found if isfinite(one) and one > 0]
        if found:
            speeds[name] = median(found)
    if speeds:
        each = _joined([f"{reading.config.title(n)} {speed:,.0f}" for n, speed in speeds.items()])
        at_once = ", both at once" if len(speeds) > 1 else ""
        yield f"Training samples per second: {each} (medians of the epochs{at_once})."


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _sentence(text: str) -> str:
    """Return a text that begins and ends as a sentence does."""
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
