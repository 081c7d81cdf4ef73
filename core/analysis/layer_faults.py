"""What is wrong with the layers of a network, judged by their norms and units."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isinf, isnan, nan
from typing import Literal

from mlpwatch.core.epochs import EpochRecord, LayerRecord

FaultKind = Literal[
    "not-finite", "uniform", "flat", "vanishing", "exploding", "large-update", "small-update"
]

RULE_OF_THUMB = 1e-3
"""‖ΔW‖ ÷ ‖W‖ of a step that learns well (Karpathy, CS231n, "Ratio of weights:updates")."""

MOST_FLAT = 0.3
"""Share of dead or saturated units. Sound networks on MNIST have 0 to 10 %."""

VANISHED, EXPLODED = 1e-3, 1e3
"""Gradient norm of a layer as a multiple of a later layer's. With Glorot's or He's initial weights
it is 0.1 to 10."""

MOST_GRADIENT = 1e3
"""Gradient norm. Softmax cross-entropy on pixels of 0 to 1 has 0.01 to 10."""

MOST_UPDATE = 1e-1
"""‖ΔW‖ ÷ ‖W‖. Adam's first steps reach 2e-2."""

LEAST_UPDATE = 1e-4
"""‖ΔW‖ ÷ ‖W‖ from the first epoch on. Later a schedule or a small loss explains small updates."""

LEARNED = 0.95
"""Training accuracy from which small updates are no fault: little is left to learn."""


@dataclass(frozen=True, slots=True)
class LayerFault:
    """One fault of one or more layers."""

    kind: FaultKind
    layer: int
    """The worst of them, counted from 0, input side first."""
    value: float
    """Its share, ratio, norm, or for `vanishing` and `exploding` its gradient as a multiple of the
    other layer's."""
    other: int | None = None
    """The layer that its gradient is compared with."""
    also: tuple[int, ...] = ()
    """The other layers with the same fault."""
    since: int = 0
    """Epoch from which on the worst layer has had it, counted from 1; 0 if it is new."""


def newest_layers(
    epochs: Sequence[EpochRecord], live: Sequence[LayerRecord] = ()
) -> tuple[LayerRecord, ...]:
    """Return the newest norms, and the units as they were after the newest epoch.

    Args:
        epochs: one engine's, in order.
        live: a step measured after the newest epoch; may be empty.
    """
    measured = measured_epochs(epochs)
    known = measured[-1].layers if measured else ()
    if not live:
        return known
    units = [(one.flat_share, one.is_uniform) for one in known]
    units += [(nan, False)] * (len(live) - len(units))
    return tuple(
        LayerRecord(one.gradient_norm, one.update_ratio, *of_layer)
        for one, of_layer in zip(live, units, strict=False)
    )


def faults_now(
    epochs: Sequence[EpochRecord], live: Sequence[LayerRecord] = ()
) -> tuple[LayerFault, ...]:
    """Return the faults of `newest_layers`, the gravest first, and since when they last."""
    measured = measured_epochs(epochs)
    layers = newest_layers(measured, live)
    found = find_faults(layers, has_learned(epochs[-1]) if epochs else False)
    dated = (_dated(fault, measured) for fault in found)
    first = measured[0].epoch if measured else 0
    return tuple(one for one in dated if one.kind != "small-update" or one.since == first > 0)


def measured_epochs(epochs: Sequence[EpochRecord]) -> list[EpochRecord]:
    """Return the epochs with layers; one that did not look at the units has those of the last."""
    found: list[EpochRecord] = []
    for epoch in epochs:
        before = found[-1].layers if found else ()
        if before and all(isnan(layer.flat_share) for layer in epoch.layers):
            layers = tuple(
                replace(one, flat_share=old.flat_share)
                for one, old in zip(epoch.layers, before, strict=False)
            )
            epoch = replace(epoch, layers=layers)  # noqa: PLW2901
        if epoch.layers:
            found.append(epoch)
    return found


def has_learned(epoch: EpochRecord) -> bool:
    """Return whether a network predicts its training images so well that little is left."""
    share = epoch.val_accuracy if isnan(epoch.train_accuracy) else epoch.train_accuracy
    return share >= LEARNED


@lru_cache(4_096)
def find_faults(layers: tuple[LayerRecord, ...], learned: bool) -> tuple[LayerFault, ...]:
    """Return the faults of the layers at one time, the gravest first.

    Args:
        layers: input side first, the output layer last.
        learned: whether little is left to learn.
    """
    if broken := _not_finite(layers):
        return (broken,)
    faults = [_uniform(layers), _flat(layers)]
    caused = {k for fault in faults if fault for k in (fault.layer, *fault.also)}
    if not any(isnan(layer.gradient_norm) for layer in layers):
        faults.append(_exploding(layers) or _vanishing(layers, caused))
    faults.append(_large_update(layers))
    if not learned and not any(faults):
        faults.append(_small_update(layers))
    return tuple(fault for fault in faults if fault)


def _not_finite(layers: Sequence[LayerRecord]) -> LayerFault | None:
    broken = [k for k, layer in enumerate(layers) if is_broken(layer)]
    return LayerFault("not-finite", broken[0], nan, also=tuple(broken[1:])) if broken else None


def is_broken(layer: LayerRecord) -> bool:
    """Return whether a layer has diverged; a gradient that is merely unknown has a sound update."""
    return isinf(layer.gradient_norm) or (isnan(layer.gradient_norm) and isnan(layer.update_ratio))


def _uniform(layers: Sequence[LayerRecord]) -> LayerFault | None:
    equal = [k for k, layer in enumerate(layers) if layer.is_uniform]
    return LayerFault("uniform", equal[0], 1.0, also=tuple(equal[1:])) if equal else None


def _flat(layers: Sequence[LayerRecord]) -> LayerFault | None:
    # Equal units are all dead or all alive; that they are equal is the cause.
    shares = {
        k: layer.flat_share
        for k, layer in enumerate(layers)
        if layer.flat_share >= MOST_FLAT and not layer.is_uniform
    }
    return _worst("flat", shares, max(shares, key=lambda k: shares[k])) if shares else None


def _vanishing(layers: Sequence[LayerRecord], caused: set[int]) -> LayerFault | None:
    """Compare each layer's gradient with the largest one nearer to the loss.

    A layer whose gradient is small for another cause is left out.
    """
    found: dict[int, tuple[float, int]] = {}
    for k, layer in enumerate(layers[:-1]):
        later = range(k + 1, len(layers))
        largest = max(later, key=lambda j: layers[j].gradient_norm)
        gradient = layers[largest].gradient_norm
        if k not in caused and gradient and layer.gradient_norm < VANISHED * gradient:
            found[k] = layer.gradient_norm / gradient, largest
    if not found:
        return None
    k = min(found, key=lambda k: found[k][0])
    also = tuple(j for j in found if j != k)
    return LayerFault("vanishing", k, found[k][0], other=found[k][1], also=also)


def _exploding(layers: Sequence[LayerRecord]) -> LayerFault | None:
    """Compare the largest gradient with the last layer's, and with what any network has."""
    if not layers:
        return None
    k = max(range(len(layers)), key=lambda k: layers[k].gradient_norm)
    largest, last = layers[k].gradient_norm, layers[-1].gradient_norm
    if k < len(layers) - 1 and last and largest > EXPLODED * last:
        return LayerFault("exploding", k, largest / last, other=len(layers) - 1)
    return LayerFault("exploding", k, largest) if largest > MOST_GRADIENT else None


def _large_update(layers: Sequence[LayerRecord]) -> LayerFault | None:
    ratios = {k: one.update_ratio for k, one in enumerate(layers) if one.update_ratio > MOST_UPDATE}
    return _worst("large-update", ratios, max(ratios, key=lambda k: ratios[k])) if ratios else None


def _small_update(layers: Sequence[LayerRecord]) -> LayerFault | None:
    ratios = {
        k: one.update_ratio for k, one in enumerate(layers) if one.update_ratio < LEAST_UPDATE
    }
    return _worst("small-update", ratios, min(ratios, key=lambda k: ratios[k])) if ratios else None


def _worst(kind: FaultKind, values: dict[int, float], worst: int) -> LayerFault:
    return LayerFault(kind, worst, values[worst], also=tuple(k for k in values if k != worst))


def _dated(fault: LayerFault, epochs: Sequence[EpochRecord]) -> LayerFault:
    """Return a fault with the first epoch of those without a break in which its layer has it."""
    since = 0
    for epoch in reversed(epochs):
        found = find_faults(epoch.layers, has_learned(epoch))
        if not any(
            one.kind == fault.kind and fault.layer in (one.layer, *one.also) for one in found
        ):
            break
        since = epoch.epoch
    return LayerFault(fault.kind, fault.layer, fault.value, fault.other, fault.also, since)
