"""Files and functions stay small enough to be read, and the top level holds what belongs there."""

import ast
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60
MOST_MODULES_OF_A_FOLDER = 14
FEWEST_LINES_ALONE = 60
"""A module with fewer lines and one importer belongs into that importer's folder or file."""

TOP_LEVEL = {".gitignore", ".pre-commit-config.yaml", "LICENSE", "README.md", "pyproject.toml"}
TOP_LEVEL_FOLDERS = {".ci", ".github", ".src", "core", "saved", "tests", "tui"}


def sources() -> list[Path]:
    found = [path for room in ("core", "tui", "tests") for path in (CHECKOUT / room).rglob("*.py")]
    assert len(found) > 100
    return found


def long_functions(text: str) -> list[tuple[str, int]]:
    """Return name and length of each function that is too long."""
    functions = [
        (node.name, (node.end_lineno or 0) - node.lineno + 1)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return [(name, lines) for name, lines in functions if lines > MOST_LINES_OF_A_FUNCTION]


def test_no_file_is_long() -> None:
    lines = {path.relative_to(CHECKOUT): path.read_text().count("\n") for path in sources()}
    assert {str(path): n for path, n in lines.items() if n > MOST_LINES_OF_A_FILE} == {}


def test_no_function_is_long() -> None:
    found = {path.relative_to(CHECKOUT): long_functions(path.read_text()) for path in sources()}
    assert {str(path): functions for path, functions in found.items() if functions} == {}


def test_a_long_function_is_found_inside_another() -> None:
    inner = "    def inner():\n" + "        pass\n" * MOST_LINES_OF_A_FUNCTION
    assert long_functions(f"def outer():\n    pass\n{inner}") == [
        ("outer", MOST_LINES_OF_A_FUNCTION + 3),
        ("inner", MOST_LINES_OF_A_FUNCTION + 1),
    ]


def imports_of(path: Path) -> set[str]:
    """Return the full names of all that a file imports: modules, and what it takes from them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def misplaced(modules: dict[str, Path]) -> dict[str, str]:
    """Return each small module whose one importer lies in another folder, and that importer."""
    importers = {name: imports_of(path) for name, path in modules.items()}
    found = {}
    for name, path in modules.items():
        if path.name.startswith("__") or path.read_text().count("\n") >= FEWEST_LINES_ALONE:
            continue
        users = [user for user, imported in importers.items() if name in imported]
        if len(users) == 1 and modules[users[0]].parent != path.parent:
            found[name] = users[0]
    return found


def product() -> dict[str, Path]:
    """Return the path of each module of the product, by its name."""
    return {
        ".".join(("mlpwatch", *path.relative_to(CHECKOUT).with_suffix("").parts)): path
        for path in sources()
        if path.relative_to(CHECKOUT).parts[0] != "tests"
    }


def public_names(text: str) -> list[str]:
    """Return the public classes and functions at the top level of a file."""
    return [
        node.name
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
    ]


def test_no_public_name_is_defined_twice() -> None:
    places: dict[str, list[str]] = {}
    for module, path in product().items():
        for name in public_names(path.read_text()):
            places.setdefault(name, []).append(module)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_folder_holds_many_modules() -> None:
    modules = [path for path in product().values() if path.name != "__init__.py"]
    counts = Counter(str(path.parent.relative_to(CHECKOUT)) for path in modules)
    assert {folder: n for folder, n in counts.items() if n > MOST_MODULES_OF_A_FOLDER} == {}


def test_a_small_module_lives_with_its_only_importer() -> None:
    assert misplaced(product()) == {}


def test_a_small_module_in_another_folder_than_its_importer_is_found(tmp_path: Path) -> None:
    files = {
        "a.small": "X = 1\n",
        "b.user": "from a.small import X\n",
        "b.beside": "Y = 1\n",
        "b.other": "from b import beside\n",
    }
    modules = {name: tmp_path / f"{name.replace('.', '/')}.py" for name in files}
    for name, path in modules.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(files[name])
    assert misplaced(modules) == {"a.small": "b.user"}
    assert public_names("class A: pass\ndef b(): pass\ndef _c(): pass\n") == ["A", "b"]


def test_the_top_level_holds_what_belongs_there() -> None:
    git = shutil.which("git")
    if git is None or not (CHECKOUT / ".git").exists():
        pytest.skip("only git knows what belongs to a checkout")
    listed = subprocess.run(
        [git, "-c", f"safe.directory={CHECKOUT}", "ls-files"], cwd=CHECKOUT, capture_output=True,
        text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert {name for name in listed if "/" not in name} == TOP_LEVEL
    assert {name.partition("/")[0] for name in listed if "/" in name} <= TOP_LEVEL_FOLDERS
