"""Files and functions stay small enough to be read, and the top level holds what belongs there."""

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60

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
