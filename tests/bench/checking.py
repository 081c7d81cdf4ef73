"""Counts what `mlpwatch check` finds: `python -m tests.bench.checking [--right 500] [--pairs 100]`.

Right files of every kind must pass, each mistake of the catalogue must be named first in both
layouts and at two depths, and two mistakes at once must at least fail at the right tensor.
"""

import argparse
import random
from collections.abc import Callable
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from mlpwatch.core.checking.findings import Report
from tests.support.checking import checked, first_code
from tests.support.network_files import NetworkFile
from tests.support.network_mistakes import (
    TORCH_MISTAKES,
    TORCH_RIGHT,
    numpy_mistakes,
    torch_source,
)

LOSSES = (
    ("cross-entropy", ""), ("bce", ""), ("mse", ""), ("half-mse", ""), ("mse", "linear"),
    ("mse", "softmax"),
)  # fmt: skip

FIRST = (
    ("loss-mean-over-classes", ("delta = (p - y) /", "delta = (p - y) / 10 /")),
    ("gradient-sign", ("delta = (p - y)", "delta = (y - p)")),
    ("loss-sum-over-batch", ("(p - y) / m", "(p - y)")),
    ("output-derivative-doubled", ("(p - y) / m", "(p - y) * p * (1 - p) / m")),
)
SECOND = (
    ("tanh-derivative-of-sum", ("return 1 - a ** 2", "return 1 - z ** 2")),
    ("activation-derivative-missing", (" * f_derivative(Z[k - 1], A[k])", "")),
    ("bias-gradient-averaged", ("db[k] = delta.sum", "db[k] = delta.mean")),
    ("biases-not-updated", ("self.biases[k] -=", "b = -")),
    ("learning-rate-twice", ("-= learning_rate * self", "-= learning_rate ** 2 * self")),
)


def random_right_file(rng: random.Random) -> NetworkFile:
    """Return a right file of a random kind."""
    loss, output_activation = rng.choice(LOSSES)
    layout = rng.choice(("rows", "columns"))
    style = rng.choice(("class", "functions", "update", "train"))
    is_probability = loss in {"cross-entropy", "bce"} or not output_activation
    return NetworkFile(
        hidden=tuple(rng.randint(2, 30) for _ in range(rng.randint(0, 4))),
        activation=rng.choice(("relu", "sigmoid", "tanh", "leaky-relu", "gelu")),
        loss=loss,
        layout=layout,
        output=rng.choice(("probabilities", "logits")) if is_probability else "probabilities",
        style=style,
        targets=rng.choice(("one-hot", "labels")),
        with_loss=style != "functions" and rng.random() < 0.5,
        output_activation=output_activation,
    )


def main() -> None:
    """Run all three counts and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--right", type=int, default=500, help="right files to try")
    parser.add_argument("--pairs", type=int, default=100, help="pairs of mistakes to try")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        place = Path(folder)
        rng = random.Random(15)
        files = [random_right_file(rng) for _ in range(options.right)]
        _count("right files pass", [f.source() for f in files], place, lambda r, _i: r.passed)
        _count(
            "unusual PyTorch files pass",
            [torch_source(changes) for changes in TORCH_RIGHT],
            place,
            lambda r, _i: r.passed,
        )
        wrong = [
            each
            for layout, hidden in product(("rows", "columns"), ((16,), (16, 12)))
            for each in numpy_mistakes(layout, hidden)
        ]
        _count(
            "mistakes are named first",
            [file.source() for _code, file in wrong],
            place,
            lambda r, i: first_code(r) == wrong[i][0],
        )
        _count(
            "PyTorch mistakes are named first",
            [torch_source(changes) for _code, changes in TORCH_MISTAKES],
            place,
            lambda r, i: first_code(r) == TORCH_MISTAKES[i][0],
        )
        _pairs(options.pairs, place, rng)


def _pairs(count: int, place: Path, rng: random.Random) -> None:
    sources, wanted = [], []
    for _ in range(count):
        first, second = rng.choice(FIRST), rng.choice(SECOND)
        file = NetworkFile(
            (16, 12), "tanh", layout=rng.choice(("rows", "columns")), style="update"
        ).wrong(first[1], second[1])
        sources.append(file.source())
        wanted.append({first[0], second[0]})

    def both(report: Report, i: int) -> bool:
        return wanted[i] <= {finding.code for finding in report.findings}

    def tensor(report: Report, _i: int) -> bool:
        return bool(report.findings) and "weight gradient 2" in report.findings[0].tensors

    reports = _count("pairs are both named", sources, place, both)
    right = sum(tensor(report, i) for i, report in enumerate(reports))
    print(f"pairs fail at the right tensor: {right} of {count}")  # noqa: T201


def _count(
    name: str, sources: list[str], place: Path, fits: Callable[[Report, int], bool]
) -> list[Report]:
    reports, right = [], 0
    for i, source in enumerate(sources):
        report = checked(source, place, 3.0 if "while True" in source else 60.0)
        reports.append(report)
        if fits(report, i):
            right += 1
        else:
            found = [(f.code, f.tensors) for f in report.findings]
            print(f"  not so: {name}, file {i}: {found}")  # noqa: T201
    print(f"{name}: {right} of {len(sources)}", flush=True)  # noqa: T201
    return reports


if __name__ == "__main__":
    main()
