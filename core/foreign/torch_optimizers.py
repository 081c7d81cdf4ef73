"""The optimizer that a PyTorch file makes: its name among ours, and what ours have otherwise."""

from collections.abc import Mapping
from inspect import signature
from typing import Any

from mlpwatch.core.specification import TORCH_OPTIMIZERS

_OURS: Mapping[str, str] = {kind: name for name, kind in reversed(list(TORCH_OPTIMIZERS.items()))}
"""Our first name of each optimizer of `torch.optim`; ours have its default constants."""

_SETTINGS = ("lr", "momentum", "nesterov", "dampening", "weight_decay", "betas", "alpha", "eps")
"""What is described, as `torch.optim` names it."""

_FREE = ("lr", "weight_decay", "foreach", "capturable", "differentiable", "fused")
"""Settings that ours have, too, or that change no number."""

_FREE_OF_SGD = ("momentum", "nesterov")

_EXTRA_MEMORY = ("amsgrad", "centered", "momentum")
"""Settings of Adam and RMSprop with which they keep more than a checkpoint holds."""


def described(made: Any) -> dict[str, Any]:  # noqa: ANN401 - an optimizer, perhaps not torch's
    """Return an optimizer as JSON values: its name, its settings, those that ours have otherwise.

    Args:
        made: what the file's `optimizer(parameters)` returned.

    Returns:
        `unlike` has rows of a setting's name, its value and ours.
    """
    groups = getattr(made, "param_groups", None) or [{"lr": getattr(made, "lr", None)}]
    kind, group = type(made), groups[0]
    name = "AdamW" if group.get("decoupled_weight_decay") else kind.__name__
    found: dict[str, Any] = {"name": name, "is_usual": kind.__module__.startswith("torch.optim.")}
    for key in _SETTINGS:
        if isinstance(value := _plain(group.get(key)), (int, float, list)):
            found[key] = value
    found["unlike"] = _unlike(kind, groups) if found["is_usual"] and name in _OURS else []
    return found


def _unlike(kind: type, groups: list[dict[str, Any]]) -> list[list[Any]]:
    free = _FREE + _FREE_OF_SGD * (kind.__name__ == "SGD")
    usual = {
        name: each.default
        for name, each in signature(kind).parameters.items()
        if name in groups[0] and name not in (*free, "params", "decoupled_weight_decay")
    }
    rows = [
        [name, _plain(groups[0][name]), _plain(default)]
        for name, default in usual.items()
        if groups[0][name] != default
    ]
    settings = [{key: _plain(v) for key, v in g.items() if key != "params"} for g in groups]
    if any(one != settings[0] for one in settings):
        rows.append(["param_groups", len(groups), 1])
    return rows


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Return tuples as lists and tensors of one number as that, as JSON has them."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return float(value) if hasattr(value, "numel") and value.numel() == 1 else value


def our_name(optimizer: Mapping[str, Any] | None) -> str:
    """Return our name of a described optimizer; "sgd" for none, "" if we have none like it."""
    if not optimizer:
        return "sgd"
    name = _OURS.get(optimizer["name"], "") if optimizer.get("is_usual") else ""
    if name == "sgd" and optimizer.get("momentum"):
        return "nesterov" if optimizer.get("nesterov") else "momentum"
    return name


def keeps_whole_memory(optimizer: Mapping[str, Any] | None) -> bool:
    """Return whether a checkpoint holds all that a described optimizer remembers."""
    kept = {row[0] for row in optimizer["unlike"]} if optimizer else set()
    return bool(our_name(optimizer)) and not kept & set(_EXTRA_MEMORY)


def declared_optimizer(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the optimizer that a PyTorch file makes, as a specification's field."""
    return {"optimizer": our_name(facts.get("optimizer")) or "sgd"}


def how_unlike(optimizer: Mapping[str, Any]) -> tuple[str, str]:
    """Return the settings that ours have otherwise, and ours; as in Python."""
    rows = [(key, *map(_shown, values)) for key, *values in optimizer["unlike"]]
    own = ", ".join(f"{key}={value}" for key, value, _ in rows)
    return own, ", ".join(f"{key}={usual}" for key, _, usual in rows)


def _shown(value: Any) -> str:  # noqa: ANN401
    return f"({', '.join(map(str, value))})" if isinstance(value, list) else str(value)
