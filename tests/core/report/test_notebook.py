"""The walk-through: it runs from top to bottom, passes a linter, and makes the run's own steps."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import InputError
from mlpwatch.core.network_file import NetworkFile
from mlpwatch.core.report.reading import RunReading, read_run, without_predictions
from mlpwatch.core.report.walkthrough.notebook import cells, run_script
from mlpwatch.tui.__main__ import main

pytestmark = pytest.mark.xdist_group("report")

RUFF = shutil.which("ruff", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

FEW: list[dict[str, Any]] = [
    {"optimizer": "adam", "activation": "gelu", "loss": "cross-entropy", "schedule": "cosine"},
    {"optimizer": "nesterov", "loss": "bce", "warmup": 5, "weight_decay": 1e-3},
    {"loss": "half-mse", "output_activation": "softmax", "activation": "leaky-relu", "hidden": ()},
]

ALL: list[dict[str, Any]] = [
    *({"optimizer": one} for one in ("sgd", "momentum", "nesterov", "rmsprop", "adam")),
    {"optimizer": "adamw", "weight_decay": 0.01, "hidden": (16, 16)},
    *({"activation": one} for one in ("relu", "leaky-relu", "gelu", "sigmoid", "tanh")),
    *(
        {"loss": loss, "output_activation": output}
        for loss in ("cross-entropy", "mse", "half-mse", "bce")
        for output in ("softmax", "sigmoid", "linear")
        if output != "linear" or loss not in ("cross-entropy", "bce")
    ),
    *({"schedule": one, "warmup": 5} for one in ("constant", "linear", "cosine", "step")),
    {"dtype": "float64"},
]


@pytest.fixture(scope="module")
def reading(saved: Path) -> RunReading:
    return without_predictions(read_run(saved / "seed"))


def with_settings(reading: RunReading, **settings: Any) -> RunReading:  # noqa: ANN401
    config = replace(reading.config, torch_loss_mean="batch", learning_rate=0.01, **settings)
    return replace(reading, manifest=replace(reading.manifest, config=config))


def histories(reading: RunReading) -> list[list[tuple[float, float]]]:
    """Run the walk-through up to its results, on one epoch; return both models' histories."""
    script = run_script(reading).partition("# %% [markdown]\n# ## Results")[0]
    script = re.sub(r"^EPOCHS = .*", "EPOCHS = 1", script, flags=re.MULTILINE)
    script = re.sub(
        r"^config = .*", "config = CONFIG", script.replace("plt.show()", ""), flags=re.MULTILINE
    )
    script = re.sub(r"(?ms)^figure, grid.*?^# %%", "# %%", script, count=1)
    names: dict[str, Any] = {"CONFIG": reading.config}
    exec(compile(script, "walkthrough", "exec"), names)
    assert names["largest_error"]() < 1e-4
    return [names["history_by_hand"], names["history_of_torch"]]


@pytest.mark.parametrize("settings", FEW, ids=str)
def test_both_models_take_the_same_steps(reading: RunReading, settings: dict[str, Any]) -> None:
    by_hand, of_torch = histories(with_settings(reading, train_size=200, **settings))
    assert by_hand[0][0] == pytest.approx(of_torch[0][0], rel=1e-4)


@pytest.mark.rare
@pytest.mark.parametrize("settings", ALL, ids=str)
def test_both_models_take_the_same_steps_in_every_setting(
    reading: RunReading, settings: dict[str, Any]
) -> None:
    by_hand, of_torch = histories(with_settings(reading, train_size=200, **settings))
    assert by_hand[0][0] == pytest.approx(of_torch[0][0], rel=1e-4)


def test_dropout_is_in_both(reading: RunReading) -> None:
    drops = with_settings(reading, dropout=0.5, input_dropout=0.2, train_size=200)
    script = run_script(drops)
    assert "masks = draw_masks(" in script
    assert "nn.Dropout(share)" in script
    kept = with_settings(reading, train_size=200)
    (dropped, _), (whole, _) = (histories(one)[0][0] for one in (drops, kept))
    assert dropped != whole


@pytest.mark.skipif(RUFF is None, reason="ruff is not installed")
def test_it_passes_a_linter_and_a_formatter(
    saved: Path, reading: RunReading, tmp_path: Path
) -> None:
    assert RUFF is not None
    for number, settings in enumerate([*FEW, *ALL, {"dropout": 0.5}]):
        (tmp_path / f"{number}.py").write_text(run_script(with_settings(reading, **settings)))
    for kind in ("py", "ipynb"):
        words = ["export", "seed", "--saved", str(saved), "--to", kind]
        assert main([*words, "-o", str(tmp_path / f"seed.{kind}")]) == 0
    rules = "E,F,W,I,B,UP,N,NPY,SIM,PERF,RET,C4"
    check = [RUFF, "check", "--isolated", "--select", rules, "--ignore", "E501", str(tmp_path)]
    for command in (check, [RUFF, "format", "--isolated", "--check", str(tmp_path)]):
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout


def test_the_script_makes_the_runs_numbers(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "seed.py"
    assert main(["export", "seed", "--saved", str(saved), "--to", "py", "-o", str(path)]) == 0
    found = subprocess.run(
        [sys.executable, str(path)], env=os.environ | {"MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    gaps = re.findall(r"(\w+): largest difference to the run's loss (\S+)", found.stdout)
    assert [name for name, _ in gaps] == ["NumPy", "PyTorch"]
    assert all(float(gap) < 1e-5 for _, gap in gaps)
    reading = read_run(saved / "seed")
    for name in reading.engines:
        title, share = reading.config.title(name), reading.test_accuracy(name)
        assert f"{title}: {share:.2%} of the test samples right after 4 epochs" in found.stdout


def test_notebook_and_script_have_the_same_cells(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "seed.ipynb"
    assert main(["export", "seed", "--saved", str(saved), "--to", "ipynb", "-o", str(path)]) == 0
    notebook = nbformat.read(path, as_version=4)
    found = [(cell.cell_type, cell.source) for cell in notebook.cells]
    assert found == list(cells(run_script(read_run(saved / "seed"))))
    assert found[0][1].startswith("# seed: NumPy and PyTorch\n")
    text = "\n".join(source for _, source in found)
    assert "@" not in text.replace("@ ", "").replace("@torch.no_grad", "")
    assert "loss-mean-over-classes" in text, "the conclusion is the run's"


@pytest.mark.rare
def test_the_notebook_runs_from_top_to_bottom(saved: Path, tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: extra test")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed: extra test")
    path = tmp_path / "seed.ipynb"
    assert main(["export", "seed", "--saved", str(saved), "--to", "ipynb", "-o", str(path)]) == 0
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", ())]
    assert not [one for one in outputs if one.output_type == "error"]
    pictures = [one for one in outputs if "image/png" in one.get("data", {})]
    assert len(pictures) == 4


def test_what_it_can_not_repeat_is_one_line(reading: RunReading) -> None:
    own = NetworkFile("net.py", "0" * 64)
    config: RunConfig = reading.config.with_network("numpy", own)
    with pytest.raises(InputError, match=r"it trains net\.py, which the walk-through"):
        run_script(replace(reading, manifest=replace(reading.manifest, config=config)))
