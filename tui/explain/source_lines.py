"""The lines of source that compute a page of the tour, read from their files while it is shown.

By hand these are the methods of the very objects that train. PyTorch's are read without importing
torch, which takes a second. A network of the user's own is read from its file in the same way.
"""

import ast
import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import takewhile
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Literal

import mlpwatch.core

if TYPE_CHECKING:
    from mlpwatch.core.config import EngineName, RunConfig

PageName = Literal["losses", "forward", "loss", "backward", "unit", "update"]

MOST_LINES = 6
"""Lines of an excerpt where there is little room: what it computes is at its end."""

_ROOT = Path(mlpwatch.core.__file__).parent
_TORCH = _ROOT / "network" / "torch_mlp.py"
_TOOLS = re.compile(r"\s*# (?:type: ignore|noqa|fmt:).*$")
"""Comments for tools; they say nothing about the mathematics."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The body of one function, without its docstring."""

    file: str
    """`core/network/layers.py`"""
    name: str
    """`Linear.forward`"""
    first: int
    """Line number of the first line."""
    lines: tuple[str, ...]
    """Without the common indentation."""
    essence: str = ""
    """How the line begins that matters most; empty if the last lines do."""

    @property
    def short(self) -> tuple[str, ...]:
        """A few lines without comments: from the essential one on, or the last ones."""
        code = [line for line in self.lines if not is_comment(line)]
        start = max(0, len(code) - MOST_LINES)
        if self.essence:
            found = (n for n, line in enumerate(code) if line.lstrip().startswith(self.essence))
            start = next(found, start)
        block = code[start : start + MOST_LINES]
        depth = len(block[0]) - len(block[0].lstrip())
        inside = takewhile(lambda line: line[:depth].isspace() or not depth, block)
        return tuple(dedent("\n".join(inside if self.essence else block)).split("\n"))


def is_comment(line: str) -> bool:
    """Return whether a line of source holds no code."""
    return line.lstrip().startswith("#") or not line.strip()


def source_lines(page: PageName, engine: "EngineName", config: "RunConfig") -> list[Excerpt]:
    """Return the source of what one engine computes on a page, the most important first.

    Args:
        page: of the tour.
        engine: whose code.
        config: selects loss, activation and optimizer.
    """
    return _by_hand(page, config) if engine == "numpy" else _by_torch(page, config)


def own_lines(page: PageName, file: Path, network: str) -> list[Excerpt]:
    """Return the source of what a user's own network computes on a page.

    Args:
        page: of the tour.
        file: Python source.
        network: a class with methods; empty for plain functions.
    """
    names = {"forward": ["forward"], "backward": ["backward", "train"], "update": ["update"]}
    names |= {"unit": ["forward", "backward"], "loss": ["loss_value"], "losses": ["loss_value"]}
    qualified = [f"{network}.{name}" if network else name for name in names[page]]
    found = [function_source(file, name) for name in qualified]
    # Without an update or a loss of their own, the backward pass is what they wrote for it.
    rest = [function_source(file, f"{network}.backward" if network else "backward")]
    return [one for one in (found if any(found) else rest) if one is not None]


def _by_hand(page: PageName, config: "RunConfig") -> list[Excerpt]:
    # Import NumPy, which must not happen before the first frame.
    from mlpwatch.core.network.activations import ACTIVATIONS  # noqa: PLC0415
    from mlpwatch.core.network.layers import Linear  # noqa: PLC0415
    from mlpwatch.core.network.losses import loss_for  # noqa: PLC0415
    from mlpwatch.core.network.optimizers import OPTIMIZERS  # noqa: PLC0415

    loss, rule = type(loss_for(config, "numpy")), ACTIVATIONS[config.activation]
    optimizer = OPTIMIZERS[config.optimizer]
    functions: dict[PageName, list[object]] = {
        "losses": [loss.forward],
        "forward": [Linear.forward, rule.forward],
        "loss": [loss.forward, loss.backward],
        "backward": [Linear.backward, rule.backward],
        "unit": [Linear.forward, Linear.backward],
        "update": [getattr(optimizer, "_step", optimizer.update)],
    }
    # Without a hidden layer no activation is computed.
    chosen = functions[page][: None if config.hidden or page in ("loss", "unit") else 1]
    found = [function_source(*_place_of(function)) for function in chosen]
    return [one for one in found if one is not None]


def _by_torch(page: PageName, config: "RunConfig") -> list[Excerpt]:
    forward = "MLP.activations", "z = layer(x)"
    backward = "TorchMLP._forward_and_backward", "self._network.zero_grad()"
    loss = _in_table("LOSSES", config.loss), ""
    functions: dict[PageName, list[tuple[str, str]]] = {
        "losses": [loss],
        "forward": [forward],
        "loss": [loss, backward],
        "backward": [backward],
        "unit": [forward, backward],
        "update": [(_in_table("UPDATES", config.optimizer), "")],
    }
    found = [(function_source(_TORCH, name), essence) for name, essence in functions[page]]
    return [replace(one, essence=essence) for one, essence in found if one is not None]


def _place_of(function: object) -> tuple[Path, str]:
    name: str = getattr(function, "__qualname__", "")
    file = inspect.getsourcefile(inspect.unwrap(function)) if callable(function) else None
    return Path(file or ""), name


def _in_table(table: str, key: str) -> str:
    """Return the name of the function that a table of `torch_mlp.py` has for a setting."""
    for node in _tree(_TORCH)[1].body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == table:
            for entries in (n for n in ast.walk(node) if isinstance(n, ast.Dict)):
                for one, value in zip(entries.keys, entries.values, strict=True):
                    if isinstance(one, ast.Constant) and one.value == key:
                        return ast.unparse(value)
    return ""


@cache
def function_source(file: Path, name: str) -> Excerpt | None:
    """Return the body of a function; None if it, or its file, is not there.

    Args:
        file: Python source.
        name: of the function, with its class: `Linear.forward`.
    """
    try:
        lines, tree = _tree(file)
    except (OSError, SyntaxError, ValueError):
        return None
    found: Sequence[ast.stmt] = tree.body
    node: ast.stmt | None = None
    for part in name.split("."):
        node = next((n for n in found if getattr(n, "name", None) == part), None)
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            return None
        found = node.body
    has_docstring = ast.get_docstring(node) is not None if isinstance(node, ast.FunctionDef) else 0
    body = found[1:] if has_docstring else found
    if not body or node is None:
        return None
    first, last = body[0].lineno, node.end_lineno or body[-1].lineno
    # Comments before the first statement belong to it.
    while is_comment(lines[first - 2]) and lines[first - 2].strip():
        first -= 1
    shown = dedent("\n".join(_TOOLS.sub("", line) for line in lines[first - 1 : last]))
    return Excerpt(_shown_path(file), name, first, tuple(shown.split("\n")))


@cache
def _tree(file: Path) -> tuple[list[str], ast.Module]:
    text = file.read_text(encoding="utf-8")
    return text.split("\n"), ast.parse(text)


def _shown_path(file: Path) -> str:
    try:
        return f"core/{file.resolve().relative_to(_ROOT.resolve()).as_posix()}"
    except ValueError:
        return file.name
