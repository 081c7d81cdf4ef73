"""Why an engine differs from the reference: the catalogue's likeliest mistake."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from mlpwatch.core.checking.findings import Finding, Report
from mlpwatch.core.checking.inspection import Images, Inspected, inspect
from mlpwatch.core.checking.job import LEARNING_RATE
from mlpwatch.core.checking.live.engine_answers import SAMPLE, engine_report
from mlpwatch.core.checking.mistakes.factors import meanings
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.data.pixels import ink_of
from mlpwatch.core.errors import InputError

CHECK_SECONDS = 10.0
"""Time limit of the user's code, as of `mlpwatch check`."""

TWO_SIZES = (7, 32)
"""Images of two batches: a factor that depends on the batch is another mistake."""

NOT_IN_CATALOGUE = (
    "the catalogue of mistakes has none that gives these numbers; the first tensor that differs is "
    "where to look"
)


def cause_of(engine: EngineName, config: RunConfig, dataset: Dataset) -> Finding:
    """Return the likeliest mistake of an engine, in words about both engines of the run.

    Takes some tenths of a second; seconds if the engine is the user's own PyTorch file.

    Args:
        engine: the one that differs.
        config: of the run.
        dataset: batches are drawn from its training images.
    """
    findings = _report(engine, config, dataset).findings
    if not findings:
        return Finding("unknown", (), NOT_IN_CATALOGUE)
    return _about_both(findings[0], engine, config)


def cause_of_settings(config: RunConfig, classes: int) -> Finding | None:
    """Return the cause that a run's settings alone give: two means of the squared error.

    Runs of an older mlpwatch compared no step, so nothing else is known of them.

    Args:
        config: of the run.
        classes: of the data set.

    Returns:
        None if the settings of both engines are the same, or a user's own network trains.
    """
    means = {config.loss_mean(name) for name in config.engine_names}
    if config.has_networks or not config.sums_classes or len(means) == 1:
        return None
    # ∂L/∂Z of both, by their definitions, on batches of two sizes
    share = 1 / classes
    found = meanings([share, share], TWO_SIZES, classes, LEARNING_RATE)
    if not found:
        return None
    text = f"every gradient: yours is the reference's {found[0].text}."
    return _about_both(Finding(found[0].code, ("loss",), text, share), "torch", config)


def _about_both(finding: Finding, engine: EngineName, config: RunConfig) -> Finding:
    """Return a finding about one engine in words about both engines of the run."""
    other: EngineName = "numpy" if engine == "torch" else "torch"
    text = finding.text
    if config.network_file(engine) is None:
        text = text.replace("yours", f"{config.title(engine)}'s")
    if config.network_file(other) is None:
        text = text.replace("the reference's", f"{config.title(other)}'s")
        text = text.replace("the reference", config.title(other))
    return replace(finding, text=text)


def _report(engine: EngineName, config: RunConfig, dataset: Dataset) -> Report:
    if (path := _unchanged_file(engine, config)) is None:
        return engine_report(engine, config, dataset)
    # In a process of its own, which asks for more: short batches, repeated calls.
    inks = ink_of(dataset.train_images[:SAMPLE], config.pixel_range).astype(np.float64)
    data = Images(inks, dataset.train_labels[: len(inks)], dataset.classes)
    overrides = {
        "hidden": config.hidden,
        "activation": config.activation,
        "negative_slope": config.negative_slope,
        "output_activation": config.output_function,
        "loss": config.loss,
        "optimizer": config.optimizer,
    }
    file = config.network_file(engine)
    try:
        found = inspect(path, (file and file.name) or None, overrides, data, CHECK_SECONDS)
        return _beside(config, found)
    except (InputError, OSError, ValueError, IndexError):
        # Too few images for a check, or a setting that it does not know.
        return engine_report(engine, config, dataset)


def _beside(config: RunConfig, found: Inspected) -> Report:
    """Return a report without what the reference lacks, and the run has: decay and momentum."""
    made = found.facts.get("optimizer") or {}
    both = {
        "regularisation-differs": made.get("weight_decay") == config.weight_decay,
        "momentum-differs": made.get("momentum") == config.momentum and not made.get("unlike"),
    }
    findings = [one for one in found.report.findings if not both.get(one.code)]
    return replace(found.report, findings=findings)


def _unchanged_file(engine: EngineName, config: RunConfig) -> Path | None:
    """Return the path of the user's file in an engine's place, if it is still what trains."""
    file = config.network_file(engine)
    path = Path(file.folder) / file.file if file else None
    try:
        same = path is not None and file and sha256(path.read_bytes()).hexdigest() == file.sha256
    except OSError:
        return None
    return path if same else None
