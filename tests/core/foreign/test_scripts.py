"""PyTorch files as people have them: whole scripts, optimizers of their own, criteria."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpwatch.core.errors import InputError
from mlpwatch.core.foreign.reading import ReadNetwork, read_network
from tests.support.samples.engines import assert_close, build, small_images, train_steps
from tests.support.samples.user_networks import TORCH_FILE, torch_config

MODEL = TORCH_FILE.format(features=5).replace('    activation = "tanh"\n', "")
STEPS = [np.arange(4), np.arange(4, 9)] * 4

SCRIPT = (
    MODEL
    + """

dtype = torch.float32
hidden = 128
model = Model()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.02, betas=(0.8, 0.99))
for epoch in range(2):
    optimizer.zero_grad()
    output = model(torch.rand(6, 5))
    loss = criterion(output, torch.arange(6) % 3)
    loss.backward()
    optimizer.step()
"""
)
AS_FUNCTION = (
    MODEL
    + """

def optimizer(parameters):
    return torch.optim.Adam(parameters, lr=0.02, betas=(0.8, 0.99))
"""
)
OWN_OPTIMIZER = (
    MODEL
    + """

class Momentum:
    def __init__(self, parameters, lr):
        self.parameters, self.lr = list(parameters), lr
        self.v = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self):
        for p, v in zip(self.parameters, self.v):
            v.mul_(0.9).add_(p.grad)
            p -= self.lr * v


def optimizer(parameters):
    return Momentum(parameters, lr=0.07)
"""
)


def read(source: str, folder: Path) -> ReadNetwork:
    (folder / "model.py").write_text(source)
    return read_network(folder / "model.py", None)


def trained(source: str, folder: Path, **settings: Any) -> tuple[list[float], Any]:  # noqa: ANN401
    engine = build("torch", torch_config(folder, source, **settings), small_images())
    return train_steps(engine, STEPS), engine.weights()


def test_a_scripts_optimizer_and_criterion_train_as_those_of_functions(tmp_path: Path) -> None:
    """Its variables `loss`, `output`, `hidden` and `dtype` say nothing of the network."""
    found = read(SCRIPT, tmp_path)
    assert found.file.spec.hidden == (4,)
    assert found.facts["optimizer"] == read(AS_FUNCTION, tmp_path).facts["optimizer"]
    assert found.facts["optimizer"]["betas"] == [0.8, 0.99]
    settings = {"optimizer": "adam", "learning_rate": 0.02}
    losses, weights = trained(SCRIPT, tmp_path, **settings)
    expected, others = trained(AS_FUNCTION, tmp_path, **settings)
    assert losses == expected
    assert_close(weights, others, 1e-15)


def test_an_optimizer_that_is_none_of_pytorchs_trains_at_the_runs_rate(tmp_path: Path) -> None:
    found = read(OWN_OPTIMIZER, tmp_path)
    assert found.facts["optimizer"]["name"] == "Momentum"
    assert found.facts["optimizer"]["lr"] == 0.07
    assert not found.file.is_exact, "its memory is in no checkpoint"
    settings = {"optimizer": "momentum", "learning_rate": 0.03}
    losses, weights = trained(OWN_OPTIMIZER, tmp_path, **settings)
    expected, others = trained(MODEL, tmp_path, **settings)
    np.testing.assert_allclose(losses, expected, 1e-12)
    assert_close(weights, others, 1e-12)


@pytest.mark.parametrize(("source", "words"), [
    (MODEL + "\n\ncriterion = nn.MSELoss()\n",
     "model.py: criterion = MSELoss() takes other targets than class numbers; expected a function"),
    (MODEL.replace("nn.Linear(5, 4)", "nn.Identity()").replace("nn.Linear(4, 3)", "nn.ReLU()")
     .replace("super().__init__()", "super().__init__(); self.W1 = nn.Parameter(torch.ones(5, 4))"),
     "model.py: Model has no linear layer, only W1; expected an nn.Linear, or a module of your"),
])  # fmt: skip
def test_what_can_not_be_used_is_said_with_what_to_write(
    source: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        read(source, tmp_path)
    assert words in str(caught.value)
