"""The first frame comes before the heavy imports, and the rooms keep apart."""

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import mlpwatch.core
from tests.support.checkout import CHECKOUT

DEADLINE_SECONDS = 300
"""Importing PyTorch takes a minute on a machine that others keep busy."""

SAY_LOADED = (
    "import importlib, json, sys\n"
    "for name in sys.argv[1:]: importlib.import_module(name)\n"
    "loaded = {name.partition('.')[0] for name in sys.modules}\n"
    "print(json.dumps(sorted(loaded | {'mlpwatch.tui'} & set(sys.modules))))"
)

# State and gradient too: whatever of the optimizer a run may touch.
TRAIN_EVERY_OPTIMIZER = """
import sys
from mlpwatch.core.network.optimizers import OPTIMIZERS
from tests.support.samples.engines import build, small_config, small_images
images = small_images()
for optimizer in OPTIMIZERS:
    engine = build("torch", small_config(optimizer=optimizer), images)
    engine.train_batch(images.labels[:4] * 0)
    engine.load_state(engine.state())
    engine.loss_and_gradient(images.labels[:4] * 0)
    engine.train_batch(images.labels[:4] * 0)
print(sorted({"torch._dynamo", "sympy"} & sys.modules.keys()))
"""


def loaded_by(*modules: str) -> set[str]:
    """Return the top-level packages that a fresh Python has loaded after importing `modules`."""
    done = subprocess.run(
        [sys.executable, "-c", SAY_LOADED, *modules],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=True,
    )
    return set(json.loads(done.stdout))


def test_core_knows_no_screen_and_only_one_module_imports_torch() -> None:
    modules = [
        module.name for module in pkgutil.walk_packages(mlpwatch.core.__path__, "mlpwatch.core.")
    ]
    assert "mlpwatch.core.network.torch_mlp" in modules
    assert "mlpwatch.core.training.session" in modules
    modules.remove("mlpwatch.core.network.torch_mlp")
    modules.remove("mlpwatch.core.network.torch_losses")
    modules.remove("mlpwatch.core.training.ranks.torch_processes")
    loaded = loaded_by(*modules)
    assert {"mlpwatch", "numpy"} <= loaded
    assert loaded.isdisjoint({"mlpwatch.tui", "textual", "rich", "plotext"})
    assert loaded.isdisjoint({"torch", "sklearn", "pandas"})


def test_the_package_itself_loads_nothing_heavy() -> None:
    heavy = {"torch", "sklearn", "pandas", "numpy", "textual", "rich", "plotext"}
    loaded = loaded_by("mlpwatch")
    assert "mlpwatch" in loaded
    assert loaded.isdisjoint(heavy | {"mlpwatch.tui"})


def test_the_command_line_loads_nothing_heavy() -> None:
    loaded = loaded_by("mlpwatch.tui.__main__", "mlpwatch.core.cli.train")
    assert {"mlpwatch", "mlpwatch.tui"} <= loaded
    assert loaded.isdisjoint({"torch", "sklearn", "pandas", "numpy", "textual", "rich", "plotext"})


def test_training_never_loads_pytorchs_compiler_or_symbolic_shapes() -> None:
    # 70 and 40 MB; 1.2 and 0.6 s in which others wait for the interpreter.
    command = [sys.executable, "-c", TRAIN_EVERY_OPTIMIZER]
    done = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=True
    )
    assert done.stdout == "[]\n"


def test_training_on_the_digits_loads_neither_scikit_learn_nor_scipy_nor_pandas(
    tmp_path: Path,
) -> None:
    # 1.1 s of processor at each start.
    arguments = ["train", "--data", "digits", "--epochs", "1", "--only", "numpy"]
    command = [sys.executable, "-X", "importtime", "-m", "mlpwatch", *arguments]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=True
    )
    assert "finished" in done.stdout
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "numpy" in loaded
    assert loaded.isdisjoint({"sklearn", "scipy", "pandas", "torch"})


def test_the_contracts_between_the_rooms_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout
    assert done.stdout.count("KEPT") >= 3
