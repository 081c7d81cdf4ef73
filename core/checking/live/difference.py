"""A step that rounding does not explain: whose it is, which tensor left first, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np

from mlpwatch.core.arrays import Floats
from mlpwatch.core.checking.live.cause import cause_of
from mlpwatch.core.checking.live.rounding import Bounded, BoundedStep, bounded_step, guard_of
from mlpwatch.core.checking.live.step_comparison import TakenStep, with_memory
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.events import DifferenceFound, TensorPair
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.network.losses import loss_for


@dataclass(frozen=True, slots=True)
class _Entry:
    """One tensor of a step in the reference and in both engines."""

    name: str
    exact: Bounded
    given: Mapping[EngineName, Floats]

    def shares(self, engine: EngineName) -> Floats:
        """Return by entry the engine's distance from the reference ÷ what rounding can make."""
        with np.errstate(all="ignore"):
            apart = np.abs(self.given[engine] - self.exact.values)
            shares: Floats = np.where(apart == 0, 0.0, apart / (self.exact.error + 1e-300))
        return np.where(np.isfinite(shares), shares, np.inf)

    def passes(self, engine: EngineName) -> bool:
        return bool(self.shares(engine).max(initial=0.0) <= 1)

    def pair(self, engine: EngineName) -> TensorPair:
        """Return the entry where an engine is farthest from the reference."""
        at = int(self.shares(engine).argmax()) if self.exact.values.ndim else 0
        place = tuple(int(i) for i in np.unravel_index(at, self.exact.values.shape))
        return TensorPair(
            self.name,
            place,
            numpy=float(self.given["numpy"][place]),
            torch=float(self.given["torch"][place]),
            rounding=float(2 * self.exact.error[place]),
            passed=self.passes(engine),
        )


def find_difference(config: RunConfig, dataset: Dataset, taken: TakenStep) -> DifferenceFound:
    """Return which engine's step differs from the reference's, where first, and why.

    Takes some tenths of a second; both engines are built again for one batch.

    Args:
        config: of the run, which trains both engines.
        dataset: of the run.
        taken: a step that the other engine could not repeat.
    """
    entries = _entries(config, dataset, taken)
    engine = _who_differs(entries, taken.engine)
    failed = [entry.name for entry in entries if not entry.passes(engine)]
    finding = cause_of(engine, config, dataset)
    return DifferenceFound(
        taken.engine,
        taken.step,
        taken.seconds,
        differs=engine,
        tensor=failed[0] if failed else "update",
        code=finding.code,
        factor=nan if finding.factor is None else finding.factor,
        text=finding.text,
        tensors=tuple(entry.pair(engine) for entry in entries),
    )


def _who_differs(entries: list[_Entry], default: EngineName) -> EngineName:
    """Return the engine that is outside of the reference's rounding, where one is."""
    for entry in entries:
        outside: list[EngineName] = [n for n in ("numpy", "torch") if not entry.passes(n)]
        if outside:
            return default if default in outside else outside[0]
    return default


def _entries(config: RunConfig, dataset: Dataset, taken: TakenStep) -> list[_Entry]:
    """Return the step's tensors on the way back: outputs, loss, gradients; updates last."""
    step = taken.input_from(dataset)
    exact = bounded_step(config, step, guard=guard_of(config))
    rows = np.arange(len(taken.rows))
    numbers: dict[EngineName, dict[str, Floats]] = {}
    for name in config.engine_names:
        engine = build_engine(name, config, step.images, step.labels, dataset.classes)
        if name == "torch":
            # The trainers use the cores. NumPy's thread count belongs to the process: unchanged.
            engine.use_threads(1)
        engine.load_state(with_memory(taken.before, engine))
        outputs = _outputs(name, engine, config, step.images)
        loss, gradient = engine.loss_and_gradient(rows)
        engine.set_learning_rate(taken.learning_rate)
        engine.train_batch(rows)
        updated = engine.weights()
        numbers[name] = {"outputs": outputs, "loss": np.asarray(loss)}
        numbers[name] |= {_gradient_name(key): array for key, array in gradient.items()}
        numbers[name] |= {_update_name(key): array for key, array in updated.items()}
    return [
        _Entry(name, one, {engine: given[name] for engine, given in numbers.items()})
        for name, one in _named(exact).items()
    ]


def _outputs(name: EngineName, engine: Engine, config: RunConfig, images: Floats) -> Floats:
    """Return the probabilities (batch, classes); with dropout those of the step's masks."""
    if config.dropout or config.input_dropout:
        logits = engine.forward_pass(np.arange(len(images)))[-1]
    else:
        logits = engine.logits(images)
    return loss_for(config, name).outputs(logits)


def _named(exact: BoundedStep) -> dict[str, Bounded]:
    backwards = _output_side_first(list(exact.gradients))
    return {
        "outputs": exact.outputs,
        "loss": exact.loss,
        **{_gradient_name(key): exact.gradients[key] for key in backwards},
        **{_update_name(key): exact.weights[key] for key in backwards},
    }


def _output_side_first(names: list[str]) -> list[str]:
    """Return `layers.K.weight`, `layers.K.bias` from the last layer to the first."""
    layers = sorted({int(name.split(".")[1]) for name in names}, reverse=True)
    return [f"layers.{k}.{kind}" for k in layers for kind in ("weight", "bias")]


def _gradient_name(tensor: str) -> str:
    _, k, kind = tensor.split(".")
    return f"{kind} gradient {k}"


def _update_name(tensor: str) -> str:
    _, k, kind = tensor.split(".")
    return f"update of {kind} {k}"
