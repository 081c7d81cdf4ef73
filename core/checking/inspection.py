"""Checks one network file, or two: starts its process, gives it the job, reads the answers."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.checking.case import Case, make_case
from mlpwatch.core.checking.diagnosis import diagnose
from mlpwatch.core.checking.findings import Finding, Report
from mlpwatch.core.checking.foreign.process import Fault, started
from mlpwatch.core.checking.job import make_job
from mlpwatch.core.checking.reference import Array, ReferenceOptimizer
from mlpwatch.core.checking.undeclared import inferred
from mlpwatch.core.errors import InputError
from mlpwatch.core.foreign.torch_optimizers import declared_optimizer, how_unlike, our_name
from mlpwatch.core.foreign.user_module import module_specification
from mlpwatch.core.network.optimizers import optimizer_named
from mlpwatch.core.specification import Specification, specification_from


class Images(NamedTuple):
    """What a check is made on."""

    images: Array
    """(samples, features) in 0..1."""
    labels: NDArray[np.int64]
    """(samples,)"""
    classes: int


class Inspected(NamedTuple):
    """A checked network."""

    report: Report
    spec: Specification | None
    facts: dict[str, Any]
    case: Case | None


def inspect(
    path: Path, name: str | None, overrides: Mapping[str, Any], data: Images, seconds: float
) -> Inspected:
    """Check one network.

    Args:
        path: of its file.
        name: of its class; None for the only one.
        overrides: fields of the specification that the command line gives.
        data: images and labels.
        seconds: that the user's code may take.

    Raises:
        InputError: the file is missing, has no network, or says something unknown of it.
    """
    if not path.is_file():
        raise InputError(f"network file {str(path)!r}: no such file; expected a Python file")
    report = Report(str(path), name or "")
    with TemporaryDirectory(prefix="mlpwatch-check-") as folder, \
            started(path.resolve(), name, seconds) as process:  # fmt: skip
        loaded = process.load()
        if isinstance(loaded, Fault):
            where = f" ({loaded.where})" if loaded.where else ""
            report.add(Finding(loaded.code, ("import",), f"{loaded.call}: {loaded.text}{where}."))
            return Inspected(report, None, {}, None)
        report.name = "" if loaded["style"] == "functions" else str(loaded["name"])
        facts: dict[str, Any] = dict(loaded["facts"])
        is_module = loaded["style"] == "module"
        said = dict(loaded["attributes"])
        if is_module:
            said |= module_specification(facts) | declared_optimizer(facts)
        spec = _named(path, said, overrides)
        job = make_job(spec, *data)
        if is_module and facts["linear"][0][0] != data.images.shape[1]:
            raise InputError(
                f"{path.name}: its first nn.Linear takes {facts['linear'][0][0]} inputs; the data "
                f"has {data.images.shape[1]} pixels (--data chooses other images)"
            )
        answers = process.run(Path(folder), job.arrays, job.settings(asdict(spec)))
    declared = {k for k in {**said, **overrides} if {**said, **overrides}.get(k) is not None}
    spec = inferred(spec, declared, job, answers, is_module=is_module)
    case = make_case(
        spec, job, answers, is_module=is_module, has=dict(loaded["has"]), facts=facts
    )  # fmt: skip
    if is_module:
        _module_findings(facts, report)
    diagnose(case, report)
    return Inspected(report, spec, facts, case)


def _named(path: Path, said: Mapping[str, Any], overrides: Mapping[str, Any]) -> Specification:
    try:
        return specification_from(said, overrides)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error


def _module_findings(facts: Mapping[str, Any], report: Report) -> None:
    """Say what a PyTorch module's own structure shows."""
    loose = [k for k, trains in enumerate(facts["registered"]) if not trains]
    if loose:
        layers = ", ".join(map(str, loose))
        report.add(Finding(
            "parameters-not-registered", tuple(f"weight gradient {k}" for k in loose),
            f"nn.Linear {layers}: model.parameters() does not have it, so the optimizer never "
            "trains it. Lists of layers belong into nn.ModuleList or nn.Sequential.",
        ))  # fmt: skip
    described = facts.get("optimizer") or {}
    if decay := described.get("weight_decay"):
        does = f"shrinks W by η {decay:g} W" if described["name"] == "AdamW" else (
            f"adds {decay:g} W to the gradient")  # fmt: skip
        report.add(Finding(
            "regularisation-differs", ("update 1",),
            f"the optimizer has weight_decay={decay:g}: each update {does}; the reference has no "
            "penalty.",
        ))  # fmt: skip
    if described.get("dampening"):
        report.add(Finding(
            "momentum-differs", ("update 1",),
            f"the optimizer has dampening={described['dampening']:g}: v = μ v + (1 - dampening) g;"
            " the reference has v = μ v + g.",
        ))  # fmt: skip
    elif our_name(described) and described.get("unlike"):
        own, usual = how_unlike(described)
        report.add(Finding(
            "momentum-differs", ("update 2",),
            f"the optimizer has {own}; the reference has {usual}.",
        ))  # fmt: skip
    momentum = described.get("momentum") or ReferenceOptimizer.MOMENTUM
    rule = optimizer_named(our_name(described))
    if rule and rule.has_momentum() and momentum != ReferenceOptimizer.MOMENTUM:
        report.add(Finding(
            "momentum-differs", ("update 2",),
            f"yours has μ = {momentum:g}; the reference has μ = {ReferenceOptimizer.MOMENTUM:g}.",
        ))  # fmt: skip
