"""The first frame comes before the heavy imports, and the rooms keep apart."""

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import core

ROOT = Path(__file__).resolve().parents[2]

SAY_LOADED = (
    "import importlib, json, sys\n"
    "for name in sys.argv[1:]: importlib.import_module(name)\n"
    "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
)


def loaded_by(*modules: str) -> set[str]:
    """Return the top-level packages that a fresh Python has loaded after importing `modules`."""
    done = subprocess.run(
        [sys.executable, "-c", SAY_LOADED, *modules],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(json.loads(done.stdout))


def test_core_knows_no_screen_and_only_one_module_imports_torch() -> None:
    modules = [f"core.{module.name}" for module in pkgutil.iter_modules(core.__path__)]
    assert "core.torch_mlp" in modules
    assert "core.session" in modules
    modules.remove("core.torch_mlp")
    loaded = loaded_by(*modules)
    assert {"core", "numpy"} <= loaded
    assert loaded.isdisjoint({"tui", "textual", "rich", "plotext"})
    assert loaded.isdisjoint({"torch", "sklearn", "pandas"})


def test_the_command_line_loads_nothing_heavy() -> None:
    loaded = loaded_by("tui", "tui.__main__", "core.__main__")
    assert {"tui", "core"} <= loaded
    assert loaded.isdisjoint({"torch", "sklearn", "pandas", "numpy", "textual", "rich", "plotext"})


def test_the_contracts_between_the_rooms_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout
    assert done.stdout.count("KEPT") >= 3
