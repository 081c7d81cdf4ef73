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
from mlpwatch.core.runs.layout import network_name

if TYPE_CHECKING:
    from mlpwatch.core.config import EngineName, RunConfig
    from mlpwatch.core.network_file import NetworkFile

PageName = Literal["losses", "forward", "loss", "delta", "backward", "unit", "update"]
"""A page of the tour; or `delta`, the gradient of the output layer, which the loss begins."""

MOST_LINES = 6
"""Lines of an excerpt where there is little room: what it computes is at its end."""

_ROOT = Path(mlpwatch.core.__file__).parent
_TORCH = _ROOT / "network" / "torch_mlp.py"
_TORCH_LOSSES = _ROOT / "network" / "torch_losses.py"
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


def source_lines(
    page: PageName, engine: "EngineName", config: "RunConfig", folder: Path | None = None
) -> list[Excerpt]:
    """Return the source of what one engine computes on a page, the most important first.

    Args:
        page: of the tour, or a part of a step.
        engine: whose code; a user's own network in its place has its own.
        config: selects loss, activation and optimizer.
        folder: of the run, with a copy of the user's network file.
    """
    if file := config.network_file(engine):
        return _of_user(page, engine, file, folder)
    config, is_by_hand = config.of(engine), config.kind(engine) == "numpy"
    return _by_hand(page, config) if is_by_hand else _by_torch(page, config)


def _of_user(
    page: PageName, engine: "EngineName", file: "NetworkFile", folder: Path | None
) -> list[Excerpt]:
    """Return what the user's own file has for a page; empty if the file can't be read."""
    try:
        source = file.source or ((folder or Path()) / network_name(engine)).read_bytes()
        text = source.decode("utf-8")
    except (OSError, ValueError):
        return []
    own = f"{file.name}." if file.name else ""
    step = "train_step" if file.kind == "module" else f"{own}train"
    back = [step, "loss"] if file.kind == "module" else [f"{own}backward", step]
    loss = ["loss"] if file.kind == "module" else [f"{own}loss_value"]
    update = ["optimizer", step] if file.kind == "module" else [f"{own}update", step]
    names: dict[PageName, list[str]] = {
        "losses": loss,
        "forward": [f"{own}forward"],
        "loss": loss,
        "delta": back,
        "backward": back,
        "unit": [f"{own}forward", *back],
        "update": update,
    }
    # Without a loss or an update of their own, what they wrote instead is what says most.
    for candidates in (names[page], back, [f"{own}forward"]):
        found = [_excerpt_of(text, file.file, name) for name in candidates]
        if shown := [one for one in found if one is not None]:
            return shown
    return []


def _by_hand(page: PageName, config: "RunConfig") -> list[Excerpt]:
    # Import NumPy, which must not happen before the first frame.
    from mlpwatch.core.network.activations import ACTIVATIONS  # noqa: PLC0415
    from mlpwatch.core.network.layers import Linear, LinearWithoutBias  # noqa: PLC0415
    from mlpwatch.core.network.losses import loss_for  # noqa: PLC0415
    from mlpwatch.core.network.optimizers import OPTIMIZERS  # noqa: PLC0415

    loss, rule = type(loss_for(config, "numpy")), ACTIVATIONS[config.activation]
    optimizer = OPTIMIZERS[config.optimizer]
    forward = Linear.forward if config.bias else LinearWithoutBias.forward
    functions: dict[PageName, list[object]] = {
        "losses": [loss.forward],
        "forward": [forward, rule.forward],
        "loss": [loss.forward, loss.backward],
        "delta": [loss.backward, Linear.backward],
        "backward": [Linear.backward, rule.backward],
        "unit": [forward, Linear.backward],
        "update": [getattr(optimizer, "_step", optimizer.update)],
    }
    # Without a hidden layer no activation is computed.
    chosen = functions[page][: None if config.hidden or page in ("loss", "delta", "unit") else 1]
    found = [function_source(*_place_of(function)) for function in chosen]
    return [one for one in found if one is not None]


def _by_torch(page: PageName, config: "RunConfig") -> list[Excerpt]:
    forward = _TORCH, "MLP.activations", "z = layer(x)"
    backward = _TORCH, "TorchMLP._forward_and_backward", "self._network.zero_grad()"
    other = _in_table(_TORCH_LOSSES, "OTHER_LOSSES", f"{config.loss} of {config.output_function}")
    loss = _TORCH_LOSSES, other or _in_table(_TORCH_LOSSES, "LOSSES", config.loss), ""
    functions: dict[PageName, list[tuple[Path, str, str]]] = {
        "losses": [loss],
        "forward": [forward],
        "loss": [loss, backward],
        "delta": [loss, backward],
        "backward": [backward],
        "unit": [forward, backward],
        "update": [(_TORCH, _in_table(_TORCH, "UPDATES", config.optimizer), "")],
    }
    found = [(function_source(file, name), essence) for file, name, essence in functions[page]]
    return [replace(one, essence=essence) for one, essence in found if one is not None]


def _place_of(function: object) -> tuple[Path, str]:
    name: str = getattr(function, "__qualname__", "")
    file = inspect.getsourcefile(inspect.unwrap(function)) if callable(function) else None
    return Path(file or ""), name


def _in_table(file: Path, table: str, key: str) -> str:
    """Return the name of the function that a table in a file has for a setting."""
    for node in _tree(_text_of(file)).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == table:
            for entries in (n for n in ast.walk(node) if isinstance(n, ast.Dict)):
                for one, value in zip(entries.keys, entries.values, strict=True):
                    if isinstance(one, ast.Constant) and one.value == key:
                        return ast.unparse(value)
    return ""


def function_source(file: Path, name: str) -> Excerpt | None:
    """Return the body of a function; None if it, or its file, is not there.

    Args:
        file: Python source.
        name: of the function, with its class: `Linear.forward`.
    """
    try:
        return _excerpt_of(_text_of(file), _shown_path(file), name)
    except (OSError, ValueError):
        return None


@cache
def _excerpt_of(text: str, file: str, name: str) -> Excerpt | None:
    try:
        tree = _tree(text)
    except (SyntaxError, ValueError):
        return None
    lines = text.split("\n")
    found: Sequence[ast.stmt] = tree.body
    node: ast.stmt | None = None
    for part in name.split("."):
        node = next((n for n in found if getattr(n, "name", None) == part), None)
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            return None
        found = node.body
    if not isinstance(node, ast.FunctionDef):
        return None
    body = found[1:] if ast.get_docstring(node) is not None else found
    if not body:
        return None
    first, last = body[0].lineno, node.end_lineno or body[-1].lineno
    # Comments before the first statement belong to it.
    while lines[first - 2].lstrip().startswith("#"):
        first -= 1
    shown = dedent("\n".join(_TOOLS.sub("", line) for line in lines[first - 1 : last]))
    return Excerpt(file, name, first, tuple(shown.split("\n")))


@cache
def _text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@cache
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


def _shown_path(file: Path) -> str:
    try:
        return f"core/{file.resolve().relative_to(_ROOT.resolve()).as_posix()}"
    except ValueError:
        return file.name
