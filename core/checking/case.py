"""One network under check: what it gave, and the reference that it is held against."""

from dataclasses import dataclass
from typing import Any

from mlpwatch.core.checking.comparison import Truth, precision_of, truths_of
from mlpwatch.core.checking.foreign.process import Answers, Given
from mlpwatch.core.checking.job import Job
from mlpwatch.core.specification import Specification


@dataclass(slots=True)
class Case:
    """One network's answers, and what they are held against."""

    spec: Specification
    job: Job
    answers: Answers
    truths: list[Truth]
    precision: str
    is_module: bool
    has: dict[str, bool]
    """Which optional methods the file has."""
    facts: dict[str, Any]
    """What a PyTorch module says of itself."""

    @property
    def plain(self) -> list[int]:
        """Places of the batches that do not saturate the network."""
        return [i for i, batch in enumerate(self.job.batches) if not batch.is_huge]

    def given(self, scenario: str, name: str) -> Given | None:
        """Return one array that the network gave, None where it gave none."""
        return self.answers.arrays.get(scenario, {}).get(name)


def make_case(
    spec: Specification,
    job: Job,
    answers: Answers,
    *,
    is_module: bool,
    has: dict[str, bool],
    facts: dict[str, Any],
) -> Case:
    """Return a case with its reference calculated."""
    outputs = [
        g
        for i in range(len(job.batches))
        if (g := answers.arrays.get(f"batch {i}", {}).get("outputs")) is not None
    ]
    gradients = [
        g
        for i in range(len(job.batches))
        for g in answers.arrays.get(f"batch {i} gradients", {}).values()
    ]
    found = [precision_of(outputs), precision_of(gradients)]
    precision = next((p for p in ("float16", "float32") if p in found), "float64")
    truths = truths_of(spec, job)
    return Case(spec, job, answers, truths, precision, is_module, has, facts)
