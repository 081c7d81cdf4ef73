"""The source on the pages is in our files, and is what runs when a step is computed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, get_args

import numpy as np
import pytest

from mlpwatch.core.config import ENGINE_NAMES, EngineName, RunConfig
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.optimizers import OPTIMIZERS
from mlpwatch.core.network_file import NetworkFile
from mlpwatch.tui.explain.source_lines import (
    MOST_LINES,
    Excerpt,
    PageName,
    function_source,
    is_comment,
    source_lines,
)
from mlpwatch.tui.explain.source_text import SourceOf, source_column, source_rows
from mlpwatch.tui.kit.theme import Role
from tests.support.checkout import CHECKOUT

CONFIGS: dict[str, RunConfig] = {
    "seed": RunConfig(hidden=(4,), activation="sigmoid", loss="mse", torch_loss_mean="element"),
    **{name: RunConfig(hidden=(4, 3), optimizer=name) for name in OPTIMIZERS},
}
PAGES: tuple[PageName, ...] = get_args(PageName)


@contextmanager
def noting(executed: set[tuple[str, int]]) -> Iterator[None]:
    """Note file and number of every line of our networks that runs."""

    def note(frame: FrameType, event: str, _arg: object) -> Any:  # noqa: ANN401 - as `sys` has it
        if "/core/network/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            executed.add((Path(frame.f_code.co_filename).name, frame.f_lineno))
        return note

    before = sys.gettrace()
    sys.settrace(note)
    try:
        yield
    finally:
        sys.settrace(before)


def executed_by(name: EngineName, config: RunConfig) -> set[tuple[str, int]]:
    """Return the lines that run in the second step of an engine."""
    random = np.random.default_rng(0)
    images = random.random((20, 9)).astype(np.float32)
    engine = build_engine(name, config, images, np.arange(20) % 10, 10)
    engine.train_batch(np.arange(10))
    executed: set[tuple[str, int]] = set()
    with noting(executed):
        engine.train_batch(np.arange(10, 20))
    return executed


def numbered(one: Excerpt) -> dict[int, str]:
    """Return the lines of an excerpt's code by their number in the file."""
    return {
        number: line
        for number, line in enumerate(one.lines, start=one.first)
        if not is_comment(line)
    }


@pytest.mark.parametrize("name", ENGINE_NAMES)
@pytest.mark.parametrize("case", CONFIGS)
def test_the_lines_shown_are_in_the_source_and_run_in_a_step(case: str, name: EngineName) -> None:
    config = CONFIGS[case]
    executed = executed_by(name, config)
    for page in PAGES:
        found = source_lines(page, name, config)
        assert found, (page, name)
        for one in found:
            path = CHECKOUT / one.file
            source = path.read_text().split("\n")
            for number, line in zip(range(one.first, 9_999), one.lines, strict=False):
                assert source[number - 1].strip().startswith(line.strip())
            assert 1 <= len(one.short) <= MOST_LINES
            shown = {line.strip() for line in one.short}
            run = {n for file, n in executed if file == path.name}
            lines = numbered(one)
            ran = [line for number, line in lines.items() if number in run]
            assert shown & {line.strip() for line in ran}, (one.name, "did not run")
            assert lines.keys() & run, one.name


def test_the_page_of_the_forward_pass_shows_the_product_in_linear_forward() -> None:
    ours, *_ = source_lines("forward", "numpy", RunConfig())
    assert (ours.file, ours.name) == ("core/network/layers.py", "Linear.forward")
    assert "np.matmul(x, self.W, self._z)" in ours.short
    theirs, *_ = source_lines("forward", "torch", RunConfig())
    assert theirs.file == "core/network/torch_mlp.py"
    assert any("layer(x)" in line for line in theirs.short)
    [_, step] = source_lines("unit", "torch", RunConfig())
    assert "loss.backward()" in step.short, "without the comment for the type checker"


def test_it_follows_the_settings() -> None:
    seed, adam = CONFIGS["seed"], CONFIGS["adam"]
    assert "sigmoid" in "".join(source_lines("forward", "numpy", seed)[1].lines)
    assert "mse_loss" in "".join(source_lines("losses", "torch", seed)[0].lines)
    assert source_lines("update", "torch", adam)[0].name == "_adam"
    assert source_lines("update", "numpy", adam)[0].name.startswith("Adam.")
    assert len(source_lines("forward", "numpy", RunConfig(hidden=()))) == 1, "no activation"


def test_torch_is_not_imported_for_it() -> None:
    says = (
        "import sys; from mlpwatch.core.config import RunConfig;"
        "from mlpwatch.tui.explain.source_lines import source_lines;"
        "assert source_lines('update', 'torch', RunConfig());"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", says], check=True, cwd=CHECKOUT)


def test_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    assert function_source(tmp_path / "none.py", "f") is None
    file = tmp_path / "own.py"
    file.write_text("def broken(:\n")
    assert function_source(file, "broken") is None
    assert function_source(CHECKOUT / "core/network/layers.py", "Linear.sideways") is None


OWN = """class Network:
    def forward(self, x):
        \"\"\"Say what it does.\"\"\"
        # z = x W
        return x @ self.w

    def backward(self, y):
        return self.x.T @ y, []
"""

OWN_TORCH = """from torch import nn

class Net(nn.Module):
    def forward(self, x):
        return self.layer(x)

def loss(outputs, labels):
    return nn.functional.cross_entropy(outputs, labels)
"""


def test_a_network_of_ones_own_shows_its_own_lines(tmp_path: Path) -> None:
    file = NetworkFile("net.py", "0" * 64, name="Network", source=OWN.encode())
    config = RunConfig(network=file)
    [forward] = source_lines("forward", "numpy", config)
    assert forward == Excerpt("net.py", "Network.forward", 4, ("# z = x W", "return x @ self.w"))
    assert forward.short == ("return x @ self.w",)
    [update] = source_lines("update", "numpy", config)
    assert update.name == "Network.backward", "it has no update of its own"
    names = [one.name for one in source_lines("unit", "numpy", config)]
    assert names == ["Network.forward", "Network.backward"]
    assert source_lines("forward", "torch", config)[0].name == "MLP.activations", "still ours"
    # A run that is only shown has the copy in its folder, which is read and not run.
    shown = RunConfig(network=replace(file, source=b""))
    assert source_lines("forward", "numpy", shown, tmp_path) == []
    (tmp_path / "network.py").write_text(OWN)
    assert source_lines("forward", "numpy", shown, tmp_path) == [forward]


def test_a_module_of_ones_own_shows_its_own_lines() -> None:
    file = NetworkFile("net.py", "0" * 64, "Net", "module", source=OWN_TORCH.encode())
    config = RunConfig(network_torch=file)
    assert source_lines("forward", "torch", config)[0].short == ("return self.layer(x)",)
    for page in ("losses", "loss", "backward", "update"):
        assert [one.name for one in source_lines(page, "torch", config)] == ["loss"]
    functions = NetworkFile("f.py", "0" * 64, "", "functions", source=b"def forward(w, b, x):\n  1")
    [only] = source_lines("forward", "numpy", RunConfig(network=functions))
    assert only.short == ("1",)
    damaged = replace(functions, source=b"\xff\xfe(")
    assert source_lines("forward", "numpy", RunConfig(network=damaged)) == []


def test_both_stand_beside_each_other_where_they_fit_and_comments_are_dim() -> None:
    beside = source_rows(SourceOf("forward", RunConfig()), 200, "whole")
    assert any("np.matmul" in row[0][0] and row[-1][0].strip() for row in beside if len(row) > 1)
    below = source_rows(SourceOf("forward", RunConfig()), 60, "whole")
    assert len(below) > len(beside)
    assert len(source_column(SourceOf("forward", RunConfig()), "whole")) == len(below) + 1, (
        "a blank row"
    )
    for row in below:
        if row[0][0].lstrip().startswith("#"):
            assert row[0][1] == Role.DIM
    first = source_rows(SourceOf("forward", RunConfig()), 60, "first")
    assert len(first) < len(source_rows(SourceOf("forward", RunConfig()), 60, "short")) < len(below)
