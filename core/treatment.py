"""Control and treatment: both columns of a run by one engine, the right one with changed settings.

A branch trained so shows what one change does: both columns begin with the parent's weights, see
the same batches and draw dropout from the same random numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from mlpwatch.core.errors import ConfigError

CONTROL, TREATMENT = "control", "treatment"

TREATABLE = (
    "learning_rate", "schedule", "warmup", "optimizer", "momentum", "weight_decay", "dropout",
    "input_dropout",
)  # fmt: skip
"""The settings that may differ between the columns: those of the update and of dropout. The
network, the loss and the batches are the same, so that both are measured alike."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What the right column trains with in place of the run's own settings."""

    engine: Literal["numpy", "torch"]
    """The engine of both columns."""
    settings: tuple[tuple[str, Any], ...] = ()
    """Names in `RunConfig`, of `TREATABLE`, and their values."""

    def __str__(self) -> str:
        """Return the changes as `dropout 0.5, warmup 10`; empty without any."""
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.settings)

    def describe(self, engine: str) -> str:
        """Return what a column is, for files and lists: `control`, `treatment: dropout 0.5`."""
        if engine == "numpy":
            return CONTROL
        return f"{TREATMENT}: {self or 'nothing changed'}"

    def bare(self) -> Self:
        """Return the same without changes, for settings that have them already."""
        return replace(self, settings=())

    def check(self) -> None:
        """Check the names; the values are checked with the settings that they become.

        Raises:
            ConfigError: a setting can't differ between the columns.
        """
        for name, _ in self.settings:
            if name not in TREATABLE:
                raise ConfigError(
                    f"{name.replace('_', ' ')}: control and treatment have it in common; what may "
                    f"differ are {', '.join(TREATABLE).replace('_', ' ')}"
                )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"engine": self.engine, "settings": dict(self.settings)}

    @classmethod
    def from_dict(cls, values: object) -> Self:
        """Build it from `to_dict`'s output.

        Raises:
            ConfigError: a field is missing or of the wrong kind.
        """
        if not isinstance(values, Mapping) or not isinstance(values.get("settings"), Mapping):
            raise ConfigError(f"treatment {values!r:.40}: expected its engine and settings")
        engine = values.get("engine")
        if engine not in ("numpy", "torch"):
            raise ConfigError(f"treatment engine {engine!r:.40}: expected numpy or torch")
        given = values["settings"]
        cls(engine, tuple(given.items())).check()
        return cls(engine, tuple((name, given[name]) for name in TREATABLE if name in given))
