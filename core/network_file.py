"""A user's own network in an engine's place: its file, and what the file says of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, get_args

from mlpwatch.core.errors import ConfigError, InputError
from mlpwatch.core.specification import Specification, specification_from
from mlpwatch.core.text import excerpt

Kind = Literal["class", "functions", "module"]
"""How the file holds its network: a class, two plain functions, or an `nn.Module`."""

SHA256_DIGITS = 64


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """A file whose network trains instead of mlpwatch's own."""

    file: str
    """The file's name, which titles, legends and tables show."""
    sha256: str
    """Of the file's bytes, in hexadecimal."""
    name: str = ""
    """Of the class in it; empty for plain functions."""
    kind: Kind = "class"
    spec: Specification = field(default_factory=Specification)
    """What the file says of its network."""
    keeps_slots: bool = True
    """Whether mlpwatch sees the optimizer's memory, so that checkpoints hold it."""
    is_exact: bool = True
    """Whether a resumed run continues exactly; not with an update or training step of its own."""
    draws_at_random: bool = False
    """Whether a step of a NumPy file draws random numbers, whose state no checkpoint holds."""
    folder: str = ""
    """Where the file was: modules beside it are imported from there."""
    declared: tuple[str, ...] = field(default=(), compare=False)
    """What the file or the command line says of the network; the rest is found by trying."""
    source: bytes = field(default=b"", repr=False, compare=False)
    """The file's bytes. Empty in a run that is only shown where the file has changed or is not
    here: its code is not run."""

    def to_dict(self) -> dict[str, Any]:
        """Return what a run's folder keeps, as JSON values: not the source."""
        said = asdict(self.spec) | {"hidden": list(self.spec.hidden)}
        # An empty text is what the layout or the loss goes with.
        spec = {key: value for key, value in said.items() if value != ""}
        return {
            "file": self.file,
            "sha256": self.sha256,
            "name": self.name,
            "kind": self.kind,
            "keeps_slots": self.keeps_slots,
            "is_exact": self.is_exact,
            "draws_at_random": self.draws_at_random,
            "folder": self.folder,
            "specification": spec,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build it from `to_dict`'s output, without the source.

        Raises:
            ConfigError: a field is missing, unknown or of the wrong kind.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"network {values!r:.40}: expected its file and sha256")
        texts = {key: values.get(key, "") for key in ("file", "sha256", "name", "folder")}
        usual = {"keeps_slots": True, "is_exact": True, "draws_at_random": False}
        flags = {key: values.get(key, flag) for key, flag in usual.items()}
        for key, text in texts.items():
            if not isinstance(text, str):
                raise ConfigError(f"network {key} {text!r:.40}: expected a text")
        for key, flag in flags.items():
            if not isinstance(flag, bool):
                raise ConfigError(f"network {key} {flag!r:.40}: expected true or false")
        kind, said = values.get("kind", "class"), values.get("specification", {})
        if kind not in get_args(Kind):
            raise ConfigError(f"network kind {kind!r:.40}: expected {', '.join(get_args(Kind))}")
        if not texts["file"] or len(texts["sha256"]) != SHA256_DIGITS:
            raise ConfigError("network: expected the name of its file, and its sha256")
        if not isinstance(said, Mapping):
            raise ConfigError(f"network specification {said!r:.40}: expected an object")
        try:
            spec = specification_from(said, {})
        except (InputError, TypeError) as error:
            raise ConfigError(f"network specification: {excerpt(error)}") from None
        return cls(**texts, **flags, kind=kind, spec=spec)
