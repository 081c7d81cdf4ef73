"""A run as a notebook or a script: the walk-through, with the run's own settings in it."""

import json
import re
from collections.abc import Iterator
from textwrap import indent, wrap
from typing import Any

from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import InputError
from mlpwatch.core.network.optimizers import OPTIMIZERS
from mlpwatch.core.report.reading import RunReading
from mlpwatch.core.report.sentences import conclusion, heading, subheading
from mlpwatch.core.report.walkthrough.snippets import (
    ACTIVATIONS,
    FACTORS,
    LOSSES_BY_HAND,
    OUTPUTS_BY_HAND,
    TORCH_OUTPUTS,
    WHOLE_LOSSES,
)
from mlpwatch.core.report.walkthrough.text import WALKTHROUGH
from mlpwatch.core.specification import TORCH_OPTIMIZERS

SECONDS = 60.0
"""Training time of both networks together; as many epochs are repeated as fit."""

WIDTH = 86
"""Columns of a comment, behind its `# `."""

_MARK = "# %%"


def run_script(reading: RunReading) -> str:
    """Return the walk-through as a Python script; its cells begin with `# %%`.

    Args:
        reading: at least one engine has done an epoch.

    Raises:
        InputError: the run trains a file of the user's, which the walk-through does not have.
    """
    _check(reading)
    text = WALKTHROUGH
    for name, value in _values(reading).items():
        text = text.replace(f"@{name}@", value)
    return text


def run_notebook(reading: RunReading) -> str:
    """Return the walk-through as a notebook of format 4, without outputs; see `run_script`."""
    # An extra: it knows the format, and checks it.
    import nbformat  # noqa: PLC0415

    notebook: Any = nbformat.v4.new_notebook()
    make = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
    for number, (kind, source) in enumerate(cells(run_script(reading))):
        cell = make[kind](source)
        # A file of the same run is the same to the byte.
        cell["id"] = f"cell-{number}"
        notebook.cells.append(cell)
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3", "language": "python", "name": "python3",
    }  # fmt: skip
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)) + "\n"


def cells(script: str) -> Iterator[tuple[str, str]]:
    """Yield kind, `markdown` or `code`, and source of each cell of a script."""
    for part in re.split(rf"^{_MARK}", script, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        if "[markdown]" in head:
            yield "markdown", re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE)
        else:
            yield "code", body.strip()


def _check(reading: RunReading) -> None:
    config = reading.config
    files = [config.network_file(name) for name in config.engine_names]
    name = next((file.file for file in files if file is not None), "")
    if name or not config.bias or config.treatment:
        what = f"it trains {name}" if name else "its network has no biases"
        what = "it is a control and a treatment" if config.treatment else what
        raise InputError(
            f"{reading.name}: {what}, which the walk-through of mlpwatch's own network can't "
            "repeat; --to html reports it"
        )


def _values(reading: RunReading) -> dict[str, str]:
    """Return what stands in the places of the walk-through."""
    config = reading.config
    function, derivative, torch_activation = ACTIVATIONS[config.activation]
    special = "from scipy.special import erf\n" if config.activation == "gelu" else ""
    warmup = f" after {config.warmup} steps of warm-up" if config.warmup else ""
    said = [line for one in conclusion(reading) for line in _comment(f"- {one}", "  ")]
    rule = OPTIMIZERS[config.optimizer]
    return {
        "HEADING": heading(reading),
        "SUBHEADING": "\n# ".join(wrap(subheading(reading), WIDTH)),
        "IMPORTS": _IMPORTS.format(special=special),
        "RUN": json.dumps(str(reading.path.resolve()), ensure_ascii=False),
        "EPOCHS": str(_epochs(reading)),
        "PLANNED": str(config.epochs),
        "SHOW_DATA": _SHOW_POINTS if _are_points(reading) else _SHOW_IMAGES,
        "SHOW_MISTAKES": "" if _are_points(reading) else _SHOW_MISTAKES,
        "ACTIVATION_NAME": config.activation,
        "OUTPUT_NAME": config.output_function,
        "LOSS_NAME": config.loss,
        "OPTIMIZER": config.optimizer,
        "RATE": f"{config.learning_rate:g}",
        "BATCH": str(config.batch_size),
        "SCHEDULE": f"{config.schedule}{warmup}",
        "ACTIVATION": function,
        "DERIVATIVE": derivative,
        "OUTPUT": OUTPUTS_BY_HAND[config.output_function][0],
        "LOSS": _loss(config),
        "UPDATE": indent(_update(config), " " * 8).lstrip(),
        "DECAY": _DECAY if config.weight_decay and not rule.decouples else "",
        "TORCH_ACTIVATION": torch_activation,
        "TORCH_OPTIMIZER": _torch_optimizer(config),
        "TORCH_LOSS": indent(_torch_loss(config), "    "),
        "MEAN": "\n# ".join(wrap(_mean(config), WIDTH)),
        "CONCLUSION": "\n".join(said),
        **_dropout(config),
        **_pace(config),
    }


def _comment(text: str, hang: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, WIDTH, subsequent_indent=hang)]


def _are_points(reading: RunReading) -> bool:
    return reading.manifest.dataset.image_shape == (1, 2)


def _epochs(reading: RunReading) -> int:
    """Return how many epochs take `SECONDS`, at the pace of the run."""
    last = [reading.last(name) for name in reading.engines]
    pace = sum(one.seconds / max(1, one.epoch) for one in last)
    return max(1, min(reading.config.epochs, int(SECONDS / max(pace, 1e-9))))


def _loss(config: RunConfig) -> str:
    key = f"{config.loss} of {config.output_function}"
    if key in WHOLE_LOSSES:
        value, delta = WHOLE_LOSSES[key]
        return indent(f"{value}\nreturn loss, {delta}", "    ")
    value, by_output = LOSSES_BY_HAND[config.loss]
    through = OUTPUTS_BY_HAND[config.output_function][1]
    return indent(f"{value}\nda = {by_output}\nreturn loss, {through}", "    ")


def _torch_loss(config: RunConfig) -> str:
    if config.loss == "cross-entropy":
        if config.output_function == "softmax":
            return "return functional.cross_entropy(z, labels)"
        return "return functional.nll_loss(functional.logsigmoid(z), labels)"
    divisor = "z.numel()" if config.torch_loss_mean == "element" else "len(z)"
    half = " / 2" if config.loss == "half-mse" else ""
    if config.loss != "bce":
        call = f'functional.mse_loss({TORCH_OUTPUTS[config.output_function]}, y, reduction="sum")'
    elif config.output_function == "sigmoid":
        call = 'functional.binary_cross_entropy_with_logits(z, y, reduction="sum")'
    else:
        p = TORCH_OUTPUTS[config.output_function]
        call = f'functional.binary_cross_entropy({p}, y, reduction="sum")'
    target = "y = functional.one_hot(labels, data.classes).to(z.dtype)"
    return f"{target}\nloss = {call}\nreturn loss / {divisor}{half}"


def _torch_optimizer(config: RunConfig) -> str:
    name, rule = TORCH_OPTIMIZERS[config.optimizer], OPTIMIZERS[config.optimizer]
    momentum = ['"momentum": config.momentum'] if rule.has_momentum() else []
    settings = momentum + [f'"{key}": {value}' for key, value in rule.torch_settings.items()]
    others = [", ".join(settings)] if settings else []
    if config.weight_decay or rule.decouples:
        others.append('"weight_decay": config.weight_decay')
    if not others:
        return f"    optimizer = torch.optim.{name}(model.parameters(), config.learning_rate)"
    lines = [
        '    settings = {"lr": config.learning_rate}',
        *(f"    settings |= {{{one}}}" for one in others),
        f"    optimizer = torch.optim.{name}(model.parameters(), **settings)",
    ]
    return "\n".join(lines)


def _update(config: RunConfig) -> str:
    """Return the lines that change θ."""
    rule = OPTIMIZERS[config.optimizer]
    decay = "theta *= 1 - rate * config.weight_decay\n" if rule.decouples else ""
    return decay + rule.by_hand


def _pace(config: RunConfig) -> dict[str, str]:
    """Return the places of the learning rate and of what the optimizer remembers."""
    update = _update(config)
    count = ("v[...]" in update) + ("m[...]" in update)
    takes = [", memory"] * (count > 0) + [", step"] * ("step" in update)
    is_constant = config.schedule == "constant" and not config.warmup
    function = _LEARNING_RATE.replace("@FACTOR@", FACTORS[config.schedule])
    function = _WARM_UP if config.schedule == "constant" else function
    return {
        # Two lines before a function, as formatters want them.
        "GAP": "\n" if is_constant else "",
        "LEARNING_RATE": "" if is_constant else function,
        "RATE_NOW": "config.learning_rate" if is_constant else "learning_rate(step)",
        "UPDATE_TAKES": "".join(takes),
        "REMEMBERED": ("", ", v", ", m, v")[count],
        "MEMORY": ", *memory" if count else "",
        "MAKE_MEMORY": _MAKE_MEMORY.format(count=count) if count else "",
    }


def _mean(config: RunConfig) -> str:
    if not config.means_differ:
        return "Its loss is the same."
    return (
        "Its loss is divided by the number of classes, too, as the usual call of PyTorch does: by "
        "hand it is a sum over the classes, so PyTorch's gradient is smaller by that number."
    )


def _dropout(config: RunConfig) -> dict[str, str]:
    """Return the places of dropout, which are empty in a run without it."""
    names = ("MASKS_NONE", "MASKS", "MASK_INPUT", "MASK_DELTA", "DROPOUT", "DRAW", "TORCH_DROPOUT")
    if not (config.dropout or config.input_dropout):
        return {**dict.fromkeys((*names, "DROPPED"), ""), "LAYERS": _LAYERS}
    lines = (
        ", masks=None", ", masks", _MASK_INPUT, _MASK_DELTA, _DRAW_MASKS, _DRAW, _TORCH_DROPOUT,
    )  # fmt: skip
    said = (
        "\n# Which units a step drops is drawn here by NumPy and by PyTorch, each for itself, so "
        "the\n# numbers are near those of the run, and not the same."
    )
    numbered = {"DROPPED": said, "LAYERS": _LAYERS_NUMBERED}
    return {**dict(zip(names, lines, strict=True)), **numbered}


_IMPORTS = """\
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from mlpwatch.core.data.dataset import batch_order, dataset_for
from mlpwatch.core.network.build import initial_weights
from mlpwatch.core.runs.manifest import read_manifest
{special}from torch import nn
from torch.nn import functional"""

_SHOW_POINTS = """\
plt.scatter(*x_train.T, c=y_train, s=6, cmap="viridis")
plt.axis("equal")"""

_SHOW_IMAGES = """\
figure, grid = plt.subplots(1, 10, figsize=(10, 1.4))
for axes, image, label in zip(grid, x_train, y_train, strict=False):
    axes.imshow(image.reshape(data.image_shape), cmap="gray_r")
    axes.set_title(data.class_names[label])
    axes.axis("off")"""

_SHOW_MISTAKES = """
# %%
wrong = np.flatnonzero(predictions["NumPy"] != y_test)[:10]
figure, grid = plt.subplots(1, 10, figsize=(10, 1.8))
for axes in grid:
    axes.axis("off")
for axes, row in zip(grid, wrong, strict=False):
    axes.imshow(x_test[row].reshape(data.image_shape), cmap="gray_r")
    names = [data.class_names[one[row]] for one in (y_test, *predictions.values())]
    axes.set_title("true {}\\nNumPy {}\\nPyTorch {}".format(*names), fontsize=8)
plt.show()
"""

_LAYERS = "w, b in zip(weights, biases, strict=True)"

_LAYERS_NUMBERED = "k, (w, b) in enumerate(zip(weights, biases, strict=True))"

_MAKE_MEMORY = """\
    memory = [[np.zeros_like(p) for p in parameters] for _ in range({count})]
"""

_LEARNING_RATE = '''\
STEPS = config.epochs * -(-len(x_train) // config.batch_size)


def learning_rate(step):
    """Return the learning rate of the update after so many."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / (config.warmup + 1)
    done = (step - config.warmup) / max(1, STEPS - config.warmup)
    return config.learning_rate * @FACTOR@


'''

_WARM_UP = '''\
WARMUP = config.warmup


def learning_rate(step):
    """Return the learning rate of the update after so many."""
    return config.learning_rate * min(1, (step + 1) / (WARMUP + 1))


'''

_DECAY = "        g = g + config.weight_decay * theta\n"

_MASK_INPUT = """\
        if masks is not None:
            a = a * masks[k]
"""

_MASK_DELTA = """\
            if masks is not None:
                delta = delta * masks[k]
"""

_DRAW_MASKS = '''\
def draw_masks(random, batch):
    """Return a factor for each layer's inputs: 0 where dropped, larger where kept."""
    masks = []
    for k, width in enumerate(SIZES[:-1]):
        share = config.dropout if k else config.input_dropout
        kept = random.random((batch, width)) >= share
        masks.append((kept / (1 - share)).astype(config.dtype))
    return masks


'''

_DRAW = "            masks = draw_masks(np.random.default_rng([step, 9]), len(x))\n"

_TORCH_DROPOUT = """\
        share = config.dropout if k else config.input_dropout
        layers.append(nn.Dropout(share))
"""
