"""Network files of users in the tests: written, read, and built as engines."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from mlpwatch.core.config import RunConfig
from mlpwatch.core.foreign.reading import read_network
from mlpwatch.core.network_file import NetworkFile as UsersFile
from tests.support.network_files import NetworkFile
from tests.support.samples.engines import small_config

TORCH_FILE = """
import torch
from torch import nn


class Model(nn.Module):
    activation = "tanh"

    def __init__(self):
        super().__init__()
        self.first = nn.Linear({features}, 4)
        self.second = nn.Linear(4, 3)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))
"""


def written(source: str, folder: Path, file: str = "net.py") -> UsersFile:
    """Write a network file and read it as the command line does."""
    (folder / file).write_text(source)
    return read_network(folder / file, None).file


def config_for(numpy: NetworkFile, folder: Path, **settings: Any) -> RunConfig:  # noqa: ANN401
    """Return small settings of a run in which this file trains in NumPy's place."""
    file = written(numpy.source(), folder)
    said: dict[str, Any] = {
        "hidden": numpy.hidden, "activation": numpy.activation, "loss": numpy.loss,
        "output_activation": numpy.output_activation or None,
    }  # fmt: skip
    return replace(small_config(**{**said, **settings}), network=file)


def torch_config(folder: Path, source: str = "", **settings: Any) -> RunConfig:  # noqa: ANN401
    """Return small settings of a run in which a PyTorch file trains in PyTorch's place."""
    file = written(source or TORCH_FILE.format(features=5), folder, "model.py")
    return replace(small_config(**{"activation": "tanh", **settings}), network_torch=file)
