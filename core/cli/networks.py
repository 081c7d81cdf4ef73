"""`--network` and `--torch`: what a user's files say of themselves becomes the run's settings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, get_args

from mlpwatch.core.cli.options import file_and_name, shown_setting
from mlpwatch.core.config import TITLES, EngineName, OptimizerName, RecipeName, RunConfig
from mlpwatch.core.errors import ConfigError
from mlpwatch.core.foreign.loading import diverted_stdout
from mlpwatch.core.foreign.reading import ReadNetwork, read_bytes, read_network
from mlpwatch.core.foreign.torch_optimizers import how_unlike, our_name
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.text import printable

_SAID = ("activation", "negative_slope", "loss", "output_activation", "optimizer")
"""What a file says becomes a setting of the same name."""

_LOSS_OF_OUTPUT = {"softmax": "cross-entropy", "sigmoid": "mse", "linear": "mse"}
"""The loss that is tried first where a file says its output activation alone."""

_FLAGS: Mapping[EngineName, str] = {"numpy": "--network", "torch": "--torch"}
_OTHER: Mapping[EngineName, EngineName] = {"numpy": "torch", "torch": "numpy"}

Reads = dict[EngineName, ReadNetwork]


def with_networks(
    recipe: RecipeName,
    pace: Mapping[str, Any],
    given: Mapping[str, Any],
    network: str | None,
    torch: str | None,
) -> RunConfig:
    """Return the settings of a run that trains the user's own networks.

    Args:
        recipe: whose settings come first.
        pace: what the data set makes of them.
        given: those of the command line, which win over what the files say.
        network: FILE[:NAME] in NumPy's place, or None.
        torch: FILE[:NAME] in PyTorch's place, or None.

    Raises:
        InputError: a file can't be used, or says something that the run can't train.
    """
    reads = _read({"numpy": network, "torch": torch}, given.get("only"))
    base = from_recipe(recipe, **pace)
    names = replace(base, only=given.get("only", base.only)).engine_names
    ours = [name for name in names if name not in reads]
    settings: dict[str, Any] = {}
    for name, read in reads.items():
        _check_hidden(read, given, settings)
        for field in _SAID:
            if field in read.said and field not in given:
                _agree(field, reads, name, settings)
        if ours:
            _check_beside_ours(read, ours[0])
        _check_optimizer(read, reads, names, given)
        if "pixels" in read.said:
            settings.setdefault("pixel_range", read.file.spec.pixels)
        settings |= _of_optimizer(read)
    settings["bias"] = _bias(reads, given)
    if "output_activation" in settings and not {"loss"} & (settings.keys() | given.keys()):
        settings["loss"] = _LOSS_OF_OUTPUT[settings["output_activation"]]
    settings["dtype"] = _dtype(base, reads)
    config = from_recipe(recipe, **{**pace, **settings, **given})
    if config.dropout or config.input_dropout:
        raise ConfigError(
            f"recipe {config.recipe!r}: it drops units at random, which a network file does not; "
            "choose another --recipe"
        )
    if "torch" in reads and config.device != "cpu":
        raise ConfigError(f"--device {config.device}: a PyTorch file of your own trains on cpu")
    return _with_files(config, reads, given)


def check_same(config: RunConfig, files: Mapping[EngineName, str | None]) -> None:
    """Check that the files named for a resumed run are those that it trains.

    Raises:
        InputError: one is missing or another file.
    """
    for name, text in files.items():
        if text is None:
            continue
        source = read_bytes(file_and_name(text)[0])
        own = config.network_file(name)
        if own is None or sha256(source).hexdigest() != own.sha256:
            has = f"a copy of {own.file} as it was" if own else f"mlpwatch's {config.title(name)}"
            raise ConfigError(
                f"{_FLAGS[name]} {printable(text)}: this run trains {has}, and resuming can't "
                "change it; start a new run"
            )


def _read(files: Mapping[EngineName, str | None], only: str | None) -> Reads:
    reads: Reads = {}
    for name, text in files.items():
        if text is None:
            continue
        flag = f"{_FLAGS[name]} {printable(text)}"
        if only not in (None, name):
            raise ConfigError(f"{flag}: --only {only} leaves no place for it; drop one of them")
        # What the file prints while it is imported must not spoil `--json`.
        with diverted_stdout():
            reads[name] = read = read_network(*file_and_name(text))
        is_module = read.file.kind == "module"
        if is_module != (name == "torch"):
            what = "is a PyTorch module" if is_module else "has no PyTorch module"
            raise ConfigError(f"{flag}: {what}; give it with {_FLAGS[_OTHER[name]]}")
    return reads


def _check_hidden(read: ReadNetwork, given: Mapping[str, Any], settings: dict[str, Any]) -> None:
    """Take the widths that a file says; those of a PyTorch module can't be others."""
    file = read.file
    if "hidden" not in read.said:
        return
    widths = file.spec.hidden
    wanted = given.get("hidden", settings.get("hidden"))
    if wanted is not None and wanted != widths:
        if "hidden" in given and file.kind != "module":
            return
        shown = ",".join(map(str, wanted)) or "''"
        who = f"--hidden {shown}" if "hidden" in given else f"hidden {shown}"
        raise ConfigError(
            f"{who}: {file.file} has {','.join(map(str, widths)) or 'no hidden layer'}; both "
            "networks need the same widths"
        )
    settings["hidden"] = widths


def _agree(field: str, reads: Reads, name: EngineName, settings: dict[str, Any]) -> None:
    """Take what a file says, if the other file does not say something else."""
    read = reads[name]
    value = getattr(read.file.spec, field)
    before = settings.get(field, value)
    if before == value:
        settings[field] = value
        return
    other = reads[_OTHER[name]].file
    if field in ("activation", "negative_slope"):
        # Each file computes its own; the run's is the first one's.
        return
    if field == "optimizer" and not (other.keeps_slots and read.file.keeps_slots):
        settings[field] = value if read.file.keeps_slots else before
        return
    raise ConfigError(
        f"{field}: {other.file} says {before!r}, {read.file.file} {value!r}; choose one for both "
        f"with --{field}"
    )


def _bias(reads: Reads, given: Mapping[str, Any]) -> bool:
    """Return whether the layers have biases: those of a PyTorch module are as they are."""
    for read in reads.values():
        has, file = read.file.spec.bias, read.file
        if file.kind == "module" and given.get("bias", has) != has:
            raise ConfigError(
                f"--bias {shown_setting(given['bias'])}: {file.file} has "
                f"{'biases' if has else 'none'}; leave it out, or change nn.Linear(bias=…) there"
            )
    return bool(given.get("bias", any(read.file.spec.bias for read in reads.values())))


def _check_beside_ours(read: ReadNetwork, ours: EngineName) -> None:
    """Check that mlpwatch's own network can train the same beside a file's."""
    has = read.facts.get("with_bias", [])
    if any(has) and not all(has):
        layer = has.index(not has[0])
        raise ConfigError(
            f"{read.file.file}: bias={has[layer]} in nn.Linear {layer}, bias={has[0]} in nn.Linear "
            f"{layer - 1}; mlpwatch's {TITLES[ours]} has biases in all layers or in none; "
            f"{_alone(ours)}"
        )


def _check_optimizer(
    read: ReadNetwork, reads: Reads, names: Sequence[EngineName], given: Mapping[str, Any]
) -> None:
    """Check that a PyTorch file's optimizer is one of ours, if mlpwatch updates the other network.

    It does in its own, and in a NumPy file without an update.
    """
    made = read.facts.get("optimizer")
    ours = [n for n in names if n not in reads or (n == "numpy" and reads[n].file.keeps_slots)]
    if not (made and ours) or "optimizer" in given:
        return
    what = f"{read.file.file}: optimizer {made['name']}"
    who = reads[ours[0]].file.file if ours[0] in reads else f"mlpwatch's {TITLES[ours[0]]}"
    does = f"give {who} an update of its own" if ours[0] in reads else _alone(ours[0])
    if not our_name(made):
        raise ConfigError(
            f"{what}: {who} has {', '.join(get_args(OptimizerName))}; choose one with "
            f"--optimizer, or {does}"
        )
    if made["unlike"]:
        own, usual = how_unlike(made)
        raise ConfigError(
            f"{what} with {own}: {who} has {usual}; take that in the file, too, choose one for "
            f"{who} with --optimizer, or {does}"
        )


def _alone(ours: EngineName) -> str:
    """Return what to do where mlpwatch's own network can't train the same."""
    return f"give a file for {_FLAGS[ours]}, too, or --only {_OTHER[ours]}"


def _of_optimizer(read: ReadNetwork) -> dict[str, Any]:
    """Return what a PyTorch file's own optimizer says: mlpwatch's NumPy then does the same."""
    made = read.facts.get("optimizer")
    if not made:
        return {}
    found: dict[str, Any] = {"learning_rate": float(made["lr"])} if made.get("lr") else {}
    if made.get("momentum"):
        found["momentum"] = float(made["momentum"])
    if "weight_decay" in made:
        found["weight_decay"] = float(made["weight_decay"])
    return found


def _dtype(base: RunConfig, reads: Reads) -> str:
    """Return the run's dtype: a NumPy file gets float64 arrays unless it says float32."""
    said = [r.file.spec.dtype for r in reads.values() if "dtype" in r.said]
    if said:
        return "float32" if said[0] == "float32" else "float64"
    return "float64" if "numpy" in reads else base.dtype


def _with_files(config: RunConfig, reads: Reads, given: Mapping[str, Any]) -> RunConfig:
    # Both are trained and shown with one loss; each has its own activation and form of outputs.
    shared = ("loss", "output_activation")
    both = [field for field in shared for read in reads.values() if field in read.said]
    for name, read in reads.items():
        spec, file = read.file.spec, read.file
        if "pixels" not in read.said or "pixel_range" in given:
            spec = replace(spec, pixels=config.pixel_range)
        if "bias" in given:
            spec = replace(spec, bias=config.bias)
        made = read.facts.get("optimizer")
        if made and our_name(made) != config.optimizer:
            # A checkpoint holds the memory of the run's optimizer.
            file = replace(file, keeps_slots=False, is_exact=False)
        file = replace(file, spec=spec, declared=(*read.said, *given, *both))
        config = config.with_network(name, file)
    return config
