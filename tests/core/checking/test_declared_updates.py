"""What a PyTorch optimizer says of itself, and what it then adds to the weights."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mlpwatch.core.checking.mistakes.update import Updates, find_update_mistake
from mlpwatch.core.checking.mistakes.update_checks import declared_steps
from mlpwatch.core.foreign.torch_optimizers import (
    described,
    how_unlike,
    keeps_whole_memory,
    our_name,
)

Make = Callable[[list[Any]], torch.optim.Optimizer]

DECLARED: dict[str, tuple[Make, str]] = {
    "AdamW": (lambda p: torch.optim.AdamW(p, lr=0.01), "adamw"),
    "Adam that decouples": (
        lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.1, decoupled_weight_decay=True),
        "adamw",
    ),
    "Adam": (
        lambda p: torch.optim.Adam(p, 0.01, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1),
        "adam",
    ),
    "RMSprop": (lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.9, weight_decay=0.1), "rmsprop"),
    "SGD": (lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.1), "sgd"),
    "momentum": (lambda p: torch.optim.SGD(p, 0.1, 0.8, weight_decay=0.1), "momentum"),
    "Nesterov": (lambda p: torch.optim.SGD(p, 0.1, 0.8, 0, 0.1, nesterov=True), "nesterov"),
}


@pytest.mark.parametrize("kind", DECLARED)
def test_two_updates_are_what_the_declared_settings_make(kind: str) -> None:
    make, name = DECLARED[kind]
    random = np.random.default_rng(0)
    p = [torch.from_numpy(random.normal(size=shape)).requires_grad_() for shape in ((4, 3), (4,))]
    optimizer = make(p)
    made = described(optimizer)
    assert our_name(made) == name
    assert keeps_whole_memory(made)
    weights, gradients, steps = [], [], []
    for _ in range(2):
        gradients.append([random.normal(size=tuple(one.shape)) for one in p])
        weights.append([one.detach().numpy().copy() for one in p])
        for one, g in zip(p, gradients[-1], strict=True):
            one.grad = torch.from_numpy(g)
        optimizer.step()
        steps.append([b.detach().numpy() - a for a, b in zip(weights[-1], p, strict=True)])
    declared = declared_steps(made, float(made["lr"]), weights, gradients)
    assert declared is not None
    for own, wanted in zip(declared, steps, strict=True):
        for a, b in zip(own, wanted, strict=True):
            np.testing.assert_allclose(a, b, 1e-9, 1e-12)
    updates = Updates(["w0", "b0"], gradients, steps, name, made["lr"], "float64")
    assert find_update_mistake(updates), "they are not those of the reference"
    assert not find_update_mistake(replace(updates, declared=declared))


def test_what_ours_have_otherwise_is_described_and_what_is_not_theirs() -> None:
    p = [torch.zeros(2, requires_grad=True)]
    adam = described(torch.optim.Adam(p, betas=(0.8, 0.99), amsgrad=True, foreach=False))
    assert how_unlike(adam) == (
        "betas=(0.8, 0.99), amsgrad=True", "betas=(0.9, 0.999), amsgrad=False"
    )  # fmt: skip
    assert not keeps_whole_memory(adam)
    assert described(torch.optim.Adam(p, lr=torch.tensor(0.5)))["lr"] == 0.5
    assert our_name(described(torch.optim.Adagrad(p))) == ""
    assert not keeps_whole_memory(described(torch.optim.Adagrad(p)))

    class Adam(torch.optim.SGD):
        """Somebody's own, of a name that we know."""

    assert our_name(described(Adam(p, lr=0.1))) == ""
    assert our_name(None) == "sgd"
    assert keeps_whole_memory(None)

    class Own:
        """Without groups."""

    assert described(Own()) == {"name": "Own", "is_usual": False, "unlike": []}
