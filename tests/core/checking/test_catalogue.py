"""Every mistake of the catalogue is named first; right files pass."""

from pathlib import Path

import pytest

from tests.support.checking import checked, first_code
from tests.support.network_files import NetworkFile, right_files
from tests.support.network_mistakes import (
    TORCH_MISTAKES,
    TORCH_RIGHT,
    numpy_mistakes,
    torch_source,
)

pytestmark = pytest.mark.slow

MISTAKES = [
    (code, file)
    for i, pair in enumerate(
        zip(numpy_mistakes("rows", (16,)), numpy_mistakes("columns", (16, 12)), strict=True)
    )
    for code, file in pair[i % 2 : i % 2 + 1]
]
"""Each once, in rows with one hidden layer or in columns with two; all of them in the benchmark."""

RIGHT = [
    *right_files()[::12],
    *(
        NetworkFile(
            (16, 12), activation, loss, layout, style=style, targets=targets, with_loss=True
        )
        for activation, loss, layout, style, targets in (
            ("gelu", "bce", "columns", "update", "labels"),
            ("leaky-relu", "half-mse", "rows", "train", "one-hot"),
            ("relu", "cross-entropy", "columns", "train", "labels"),
            ("tanh", "mse", "rows", "update", "labels"),
        )
    ),
    NetworkFile(loss="mse", output_activation="softmax", with_loss=True),
    NetworkFile(loss="mse", output_activation="linear"),
    NetworkFile(bias_shape="row", style="update"),
]


@pytest.mark.parametrize(("code", "file"), MISTAKES, ids=[c for c, _f in MISTAKES])
def test_a_mistake_is_named_first(code: str, file: NetworkFile, tmp_path: Path) -> None:
    report = checked(file.source(), tmp_path, 2.0 if code == "timeout" else 60.0)
    assert first_code(report) == code, report.findings
    assert not report.passed


@pytest.mark.parametrize(
    "file", RIGHT, ids=lambda f: f"{f.activation}-{f.loss}-{f.layout}-{f.style}"
)
def test_a_right_file_passes(file: NetworkFile, tmp_path: Path) -> None:
    report = checked(file.source(), tmp_path)
    assert report.passed, report.findings
    names = {check.name for check in report.checks}
    assert {"outputs", "weight gradient 0", "update 2", "50 steps of training"} <= names


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        pytest.param(*one, id=one[0], marks=pytest.mark.rare if number % 8 else ())
        for number, one in enumerate(TORCH_MISTAKES)
    ],
)
def test_a_mistake_in_pytorch_is_named_first(
    code: str, changes: tuple[tuple[str, str], ...], tmp_path: Path
) -> None:
    report = checked(torch_source(changes), tmp_path)
    assert first_code(report) == code, report.findings


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(one, marks=pytest.mark.rare if number else ())
        for number, one in enumerate(TORCH_RIGHT)
    ],
)
def test_a_right_pytorch_file_passes(changes: tuple[tuple[str, str], ...], tmp_path: Path) -> None:
    report = checked(torch_source(changes), tmp_path)
    assert report.passed, report.findings


def test_two_mistakes_are_both_named(tmp_path: Path) -> None:
    file = NetworkFile((16, 12), "tanh", "mse", style="update").wrong(
        ("delta = 2 * (p - y)", "delta = 2 / 10 * (p - y)"),
        ("return 1 - a ** 2", "return 1 - z ** 2"),
    )
    report = checked(file.source(), tmp_path)
    assert [f.code for f in report.findings] == ["loss-mean-over-classes", "tanh-derivative-of-sum"]
    assert report.findings[0].factor == pytest.approx(0.1)
    assert report.findings[1].tensors == ("weight gradient 1",)


def test_a_mistake_outside_the_catalogue_is_found_at_its_tensor(tmp_path: Path) -> None:
    file = NetworkFile((16, 12)).wrong(
        ("        self.dW, self.db = dW, db\n", "        dW[1][3] *= 1.5\n        self.dW = dW\n")
    )
    report = checked(file.source(), tmp_path)
    assert [(f.code, f.tensors) for f in report.findings] == [("unknown", ("weight gradient 1",))]
    assert "rows (fan_in) 3" in report.findings[0].text


def test_a_relu_whose_derivative_is_1_at_0_is_no_mistake(tmp_path: Path) -> None:
    file = NetworkFile(activation="relu").wrong(("return (z > 0)", "return (z >= 0)"))
    assert checked(file.source(), tmp_path).passed


def test_float32_that_the_file_declares_is_no_mistake(tmp_path: Path) -> None:
    cast = ("A = [x]", "A = [x.astype(np.float32)]")
    stored = "        self.weights = weights\n        self.biases = biases\n"
    own = stored.replace("= weights", "= [w.astype(np.float32) for w in weights]").replace(
        "= biases", "= [b.astype(np.float32) for b in biases]"
    )
    declared = ("    hidden =", '    dtype = "float32"\n    hidden =')
    file = NetworkFile(activation="tanh").wrong(cast, (stored, own), declared)
    report = checked(file.source(), tmp_path)
    assert report.passed, report.findings
    assert any("low-precision" in note for note in report.notes)
