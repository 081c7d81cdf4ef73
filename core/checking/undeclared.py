"""What a file does not say of its network, found by trying which reference gives its numbers."""

from dataclasses import replace
from itertools import product

import numpy as np

from mlpwatch.core.checking.comparison import distance, fitted
from mlpwatch.core.checking.foreign.process import Answers
from mlpwatch.core.checking.job import Job
from mlpwatch.core.checking.mistakes.factors import factors_between
from mlpwatch.core.checking.reference import forward, output_delta
from mlpwatch.core.specification import Specification


def inferred(
    spec: Specification, declared: set[str], job: Job, answers: Answers, *, is_module: bool
) -> Specification:
    """Return the specification with what the file does not say found by trying it."""
    spec = _infer_forward(spec, declared, job, answers, is_module=is_module)
    return _infer_loss(spec, declared, job, answers, is_module=is_module)


def _infer_forward(
    spec: Specification, declared: set[str], job: Job, answers: Answers, *, is_module: bool
) -> Specification:
    activations = [spec.activation] if "activation" in declared else [
        spec.activation, "sigmoid", "relu", "tanh", "leaky-relu", "gelu"
    ]  # fmt: skip
    is_output_said = bool({"output_activation", "loss"} & declared)
    functions = [spec.output_function] if is_output_said else ["softmax", "sigmoid", "linear"]
    is_form_said = "output" in declared
    forms = [spec.output] if is_form_said and not is_module else ["probabilities", "logits"]
    for activation, function, form in product(activations, functions, forms):
        trial = replace(spec, activation=activation, output_activation=function, output=form)  # type: ignore[arg-type]
        if _outputs_fit(trial, job, answers, is_module=is_module):
            return trial
    return spec


def _outputs_fit(spec: Specification, job: Job, answers: Answers, *, is_module: bool) -> bool:
    seen = False
    for i, batch in enumerate(job.batches):
        given = answers.arrays.get(f"batch {i}", {}).get("outputs")
        if given is None or batch.is_huge:
            continue
        result = forward(spec, job.weights, job.biases, batch.images)
        shown = result.sums[-1] if spec.output == "logits" else result.outputs
        forms = [shown]
        if is_module and spec.output_function == "softmax":
            with np.errstate(all="ignore"):
                forms.append(np.log(result.outputs))
        precision = "float32" if given.dtype == "float32" else "float64"
        if not any(distance(given, f, 1e-12, precision).passed for f in forms):
            return False
        seen = True
    return seen


def _infer_loss(
    spec: Specification, declared: set[str], job: Job, answers: Answers, *, is_module: bool
) -> Specification:
    """Choose the loss whose gradient the output layer's weights have, up to a factor."""
    if "loss" in declared:
        return spec
    best: tuple[float, Specification] | None = None
    functions = [spec.output_function]
    if is_module and spec.output == "logits":
        functions = ["softmax", "sigmoid", "linear"]
    losses = ["cross-entropy", "bce", "mse"]
    for loss, function in product(losses, functions):
        if (loss == "cross-entropy") != (function == "softmax") and loss != "mse":
            continue
        trial = replace(spec, loss=loss, output_activation=function)  # type: ignore[arg-type]
        factor = _output_factor(trial, job, answers)
        if factor is None:
            continue
        apart = abs(np.log(abs(factor))) if factor else np.inf
        if best is None or apart < best[0]:
            best = (float(apart), trial)
    if best is not None:
        return best[1]
    default = {"softmax": "cross-entropy", "sigmoid": "mse", "linear": "mse"}
    if is_module and spec.output == "logits":
        return replace(spec, loss="cross-entropy", output_activation="softmax")
    return replace(spec, loss=default[spec.output_function])  # type: ignore[arg-type]


def _output_factor(spec: Specification, job: Job, answers: Answers) -> float | None:
    """Return the factor on the whole batch, if the output layer's gradient is one of this loss."""
    given, wanted = [], []
    last = len(job.weights) - 1
    for i, batch in enumerate(job.batches):
        value = answers.arrays.get(f"batch {i} gradients", {}).get(f"w{last}")
        if value is None or batch.is_huge:
            continue
        y = np.eye(job.classes)[batch.labels]
        with np.errstate(all="ignore"):
            result = forward(spec, job.weights, job.biases, batch.images)
            delta = output_delta(result.sums[-1], y, spec.loss, spec.output_function) / len(y)
            template = result.inputs[last].T @ delta
        own = fitted(value, template)
        if own is None:
            return None
        given.append(own)
        wanted.append(template)
    found = factors_between(given, wanted, "float64") if given else None
    return None if found is None else found.factors[min(2, len(found.factors) - 1)]
