"""What a check says: its single checks, and the mistakes that it found."""

from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake, under the name that it has in every course."""

    code: str
    tensors: tuple[str, ...]
    """Where it shows: `outputs`, `loss`, `weight gradient 1`, …"""
    text: str
    """Both formulas, theirs and the reference's, and what follows."""
    factor: float | None = None
    """Theirs divided by the reference's, where it is one number."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "code": self.code,
            "tensors": list(self.tensors),
            "factor": self.factor,
            "text": self.text,
        }


def factor_text(factor: float) -> str:
    """Return a factor for display: 0.1 as `1/10`, a gradient ten times smaller; NaN as nothing."""
    inverse = 1 / factor if factor else 0.0
    if abs(factor) < 1 and abs(inverse - round(inverse)) < 1e-3 * abs(inverse):
        return f"1/{round(inverse)}"
    return f"{factor:.6g}" if isfinite(factor) else ""


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison with the reference."""

    name: str
    passed: bool
    largest_difference: float | None
    """None: there was nothing to compare."""
    rounding: float | None
    """What another order of the reference's own sums changes."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "name": self.name,
            "passed": self.passed,
            "largest_difference": self.largest_difference,
            "rounding": self.rounding,
        }


@dataclass(slots=True)
class Report:
    """All that was found out of one network."""

    file: str
    name: str
    checks: list[Check] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was noticed and is no mistake."""

    PASSING = frozenset({"low-precision declared"})

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings and all(check.passed for check in self.checks)

    def add(self, finding: Finding) -> None:
        """Add a finding; one of a loss joins that of a gradient with the same mistake."""
        for i, other in enumerate(self.findings):
            if other.code != finding.code or other.code == "unknown":
                continue
            if finding.tensors == ("loss",) and other.factor is not None:
                self.findings[i] = replace(other, tensors=(*finding.tensors, *other.tensors))
                return
            if set(finding.tensors) <= set(other.tensors):
                return
        self.findings.append(finding)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "file": self.file,
            "name": self.name,
            "passed": self.passed,
            "checks": [check.to_dict() for check in self.checks],
            "findings": [finding.to_dict() for finding in self.findings],
            "notes": list(self.notes),
        }
