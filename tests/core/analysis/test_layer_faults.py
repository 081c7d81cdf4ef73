"""Faults of layers are found where they were built in, and nowhere else."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from mlpwatch.core.analysis.layer_faults import (
    FaultKind,
    LayerFault,
    faults_now,
    measured_epochs,
    newest_layers,
)
from mlpwatch.core.config import ENGINE_NAMES, RunConfig
from mlpwatch.core.epochs import EpochRecord, LayerRecord
from mlpwatch.core.training.launch import new_session

SOUND = (
    LayerRecord(0.5, 5e-3, 0.05),
    LayerRecord(0.3, 2e-3, 0.1),
    LayerRecord(0.4, 4e-3),
)


def epochs(*layers: Sequence[LayerRecord], accuracy: float = 0.8) -> list[EpochRecord]:
    """Return epochs with these layers, from epoch 1."""
    return [
        EpochRecord("numpy", n, n * 10, n, 0.5, 0.5, 0.8, 1e5, accuracy, layers=tuple(one))
        for n, one in enumerate(layers, start=1)
    ]


def changed(*at: int, **values: Any) -> tuple[LayerRecord, ...]:  # noqa: ANN401
    """Return sound layers with these values at some of them."""
    return tuple(replace(one, **values) if k in at else one for k, one in enumerate(SOUND))


def test_sound_layers_have_no_fault() -> None:
    assert faults_now(epochs(SOUND, SOUND)) == ()
    assert faults_now([]) == ()
    assert faults_now(epochs((), ())) == (), "an old run"


def test_dead_units_are_told_with_the_epoch_in_which_they_began() -> None:
    past = epochs(SOUND, changed(0, flat_share=0.4), SOUND, changed(0, flat_share=0.5))
    past += [replace(past[-1], epoch=5, layers=changed(0, flat_share=0.71))]
    assert faults_now(past) == (LayerFault("flat", 0, 0.71, since=4),)
    both = (*changed(0, flat_share=0.4)[:1], *changed(1, flat_share=0.9)[1:])
    assert faults_now(epochs(both)) == (LayerFault("flat", 1, 0.9, also=(0,), since=1),)


def test_epochs_that_measured_nothing_or_no_units_break_no_fault() -> None:
    unknown = tuple(replace(one, flat_share=nan) for one in SOUND)
    dead = changed(0, flat_share=0.4)
    past = epochs(SOUND, dead, (), unknown, (), dead, unknown, ())
    assert faults_now(past) == (LayerFault("flat", 0, 0.4, since=2),)
    assert newest_layers(past) == dead
    assert [one.epoch for one in measured_epochs(past)] == [1, 2, 4, 6, 7]
    small = changed(1, update_ratio=3e-5)
    (fault,) = faults_now(epochs(small, (), small, ()))
    assert (fault.kind, fault.since) == ("small-update", 1)
    broken = changed(0, gradient_norm=nan, update_ratio=nan, flat_share=nan)
    assert faults_now(epochs(SOUND, (), broken))[0].kind == "not-finite"


def test_a_gradient_that_vanishes_is_compared_with_the_largest_behind_it() -> None:
    (fault,) = faults_now(epochs(changed(0, gradient_norm=1e-4)))
    assert fault == LayerFault("vanishing", 0, pytest.approx(1e-4 / 0.4), other=2, since=1)  # type: ignore[arg-type]
    flat = replace(SOUND[0], gradient_norm=0.0, flat_share=1.0)
    (fault,) = faults_now(epochs((flat, *SOUND[1:])))
    assert fault.kind == "flat", "dead units are the cause"


def test_a_gradient_that_explodes_is_told_with_its_size() -> None:
    (fault,) = faults_now(epochs(changed(0, gradient_norm=900.0)))
    assert fault == LayerFault("exploding", 0, pytest.approx(2250), other=2, since=1)  # type: ignore[arg-type]
    past = epochs(changed(2, gradient_norm=2e3), SOUND, changed(2, gradient_norm=4e3))
    assert faults_now(past) == (LayerFault("exploding", 2, 4e3, since=3),)


def test_a_small_update_is_a_fault_only_if_it_always_was() -> None:
    small = changed(1, update_ratio=3e-5)
    assert faults_now(epochs(small, small)) == (LayerFault("small-update", 1, 3e-5, since=1),)
    assert faults_now(epochs(SOUND, small)) == (), "a schedule ends"
    assert faults_now(epochs(small, small, accuracy=0.96)) == (), "little is left to learn"
    assert faults_now([], small) == (), "the first steps of a warm-up"


def test_a_large_update_is_a_fault() -> None:
    assert faults_now(epochs(changed(2, update_ratio=0.4))) == (
        LayerFault("large-update", 2, 0.4, since=1),
    )


def test_what_is_not_finite_hides_all_else() -> None:
    broken = changed(1, 2, gradient_norm=nan, update_ratio=nan)
    (fault,) = faults_now(epochs(SOUND), broken)
    assert (fault.kind, fault.layer, fault.also, fault.since) == ("not-finite", 1, (2,), 0)
    (fault,) = faults_now(epochs(changed(0, gradient_norm=inf)))
    assert fault.kind == "not-finite"


def test_an_unknown_gradient_is_no_fault() -> None:
    assert faults_now(epochs(changed(0, 1, 2, gradient_norm=nan))) == ()


def test_live_norms_keep_what_is_known_of_the_units() -> None:
    live = [LayerRecord(0.6, 1e-3), LayerRecord(0.7, 1e-3), LayerRecord(0.8, 1e-3)]
    newest = newest_layers(epochs(changed(0, flat_share=0.9)), live)
    assert [one.gradient_norm for one in newest] == [0.6, 0.7, 0.8]
    assert newest[0].flat_share == 0.9
    assert newest_layers([], live)[0].gradient_norm == 0.6


CASES: dict[str, tuple[dict[str, Any], list[FaultKind]]] = {
    "sound": ({}, []),
    "sound adam": (
        {"hidden": (64,), "optimizer": "adam", "learning_rate": 1e-3, "schedule": "linear",
         "epochs": 8},
        [],
    ),
    "sound sigmoid": ({"activation": "sigmoid", "learning_rate": 1.0, "epochs": 6}, []),
    "no hidden layer": ({"hidden": ()}, []),
    "dead": ({"hidden": (64, 64), "learning_rate": 3.0}, ["flat"]),
    "saturated": (
        {"hidden": (32, 32), "activation": "tanh", "learning_rate": 20.0},
        ["flat", "large-update"],
    ),
    "vanishing": ({"hidden": (32,) * 10, "activation": "sigmoid"}, ["vanishing"]),
    "uniform": ({"initialization": "zeros"}, ["uniform"]),
    "slow": ({"learning_rate": 1e-5}, ["small-update"]),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "kinds"), CASES.values(), ids=CASES)
def test_real_runs_have_the_faults_that_were_built_into_them(
    settings: dict[str, Any], kinds: list[FaultKind], tmp_path: Path
) -> None:
    values: dict[str, Any] = {"data": "digits", "hidden": (32,), "epochs": 3, "threads": 1}
    session = new_session(RunConfig(**(values | settings)), tmp_path, "run", lambda _words: None)
    session.start()
    assert session.join(60)
    records = session.run.read_metrics()
    session.run.release()
    for name in ENGINE_NAMES:
        found = faults_now([one for one in records if one.engine == name])
        assert [fault.kind for fault in found] == kinds, found
        assert all(fault.since == 1 for fault in found)
