"""`mlpwatch check` and `mlpwatch new` as a person or a grader's script runs them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlpwatch.tui.__main__ import main
from tests.support.network_files import NetworkFile

pytestmark = pytest.mark.slow

RIDDLE_NUMPY = NetworkFile((50,), "sigmoid", "mse").wrong(
    ("    hidden =", '    pixels = "-1..1"\n    hidden =')
)

RIDDLE_TORCH = """import torch
from torch import nn

pixels = "-1..1"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, 50), nn.Sigmoid(), nn.Linear(50, 10), nn.Sigmoid()
        )

    def forward(self, x):
        return self.layers(x)


def loss(outputs, labels):
    return nn.MSELoss()(outputs, nn.functional.one_hot(labels, 10).to(outputs.dtype))
"""


def written(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def result_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = main(["check", *arguments, "--json", "--timeout", "60"])
    return status, json.loads(capsys.readouterr().out)


def test_the_riddle_is_solved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = written(tmp_path, "mine.py", RIDDLE_NUMPY.source())
    theirs = written(tmp_path, "theirs.py", RIDDLE_TORCH)
    status, result = result_of(capsys, mine, theirs)
    assert status == 1
    own, other = result["networks"]
    assert own["passed"]
    assert other["findings"][0]["code"] == "loss-mean-over-classes"
    assert other["findings"][0]["factor"] == pytest.approx(0.1)
    assert any("1/10" in line for line in result["comparison"])


def test_a_right_network_ends_with_0_and_its_print_does_not_spoil_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noisy = NetworkFile().source().replace("A = [x]", "print('hello'); A = [x]")
    status, result = result_of(capsys, written(tmp_path, "net.py", noisy))
    assert status == 0
    assert result["passed"]
    assert result["networks"][0]["name"] == "Network"


def test_an_exception_is_shown_with_its_line_and_without_our_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = NetworkFile().wrong(("m = p.shape", "m = unknown.shape")).source()
    line = text.splitlines().index("        m = unknown.shape[0]") + 1
    assert main(["check", written(tmp_path, "net.py", text)]) == 1
    out = capsys.readouterr().out
    assert f"line {line}, in backward: m = unknown.shape[0]" in " ".join(out.split())
    assert "Traceback" not in out
    assert "worker.py" not in out


def test_an_endless_loop_ends_at_the_timeout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = NetworkFile().wrong(("A = [x]", "A = [x]\n        while True: pass")).source()
    assert main(["check", written(tmp_path, "net.py", text), "--timeout", "1", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["networks"][0]["findings"]
    assert found[0]["code"] == "timeout"
    assert "forward on 1 image" in found[0]["text"]


@pytest.mark.parametrize("ending", ["import os\nos._exit(3)\n", "raise SystemExit\n", "x = (\n"])
def test_a_file_that_cannot_be_imported_is_a_finding(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, result = result_of(capsys, written(tmp_path, "net.py", ending))
    assert status == 1
    assert result["networks"][0]["findings"][0]["code"] == "exception"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "no network found; expected a class"),
        ("class Network:\n    hidden = 'many'\n    def __init__(self, w, b): pass\n"
         "    def forward(self, x): pass\n    def backward(self, y): pass\n", "hidden = 'many'"),
        ("class Network:\n    loss = 'hinge'\n    def __init__(self, w, b): pass\n"
         "    def forward(self, x): pass\n    def backward(self, y): pass\n",
         "expected one of cross-entropy, mse"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_understood_is_bad_input(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", written(tmp_path, "net.py", text)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_missing_file_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "none.py"]) == 2
    assert "no such file" in capsys.readouterr().err


def test_one_of_several_classes_is_chosen_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = NetworkFile().source()
    both = text.replace("class Network:", "class First:") + text[text.index("class Network:") :]
    both = both.replace("class Network:", "class Second:")
    path = written(tmp_path, "net.py", both)
    assert main(["check", path]) == 2
    assert "several network classes (First, Second)" in capsys.readouterr().err
    status, result = result_of(capsys, f"{path}:Second")
    assert (status, result["networks"][0]["name"]) == (0, "Second")


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_the_starter_runs_and_lacks_its_gradients(
    layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "mine.py")
    assert main(["new", path, "--layout", layout]) == 0
    capsys.readouterr()
    status, result = result_of(capsys, path)
    assert status == 1
    network = result["networks"][0]
    assert {c["name"]: c["passed"] for c in network["checks"]}["outputs"]
    assert {f["code"] for f in network["findings"]} == {"gradient-missing"}
    assert main(["new", path]) == 2
    assert "there is a file already" in capsys.readouterr().err


@pytest.mark.rare
def test_the_torch_starter_lacks_its_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "theirs.py")
    assert main(["new", path, "--torch"]) == 0
    capsys.readouterr()
    status, result = result_of(capsys, path)
    assert status == 1
    assert result["networks"][0]["findings"][0]["code"] == "nothing-updated"


def test_a_numpy_file_is_checked_without_torch_or_textual(tmp_path: Path) -> None:
    path = written(tmp_path, "net.py", NetworkFile().source())
    code = (
        "import sys; from mlpwatch.tui.__main__ import main; "
        f"status = main(['check', {path!r}, '--json']); "
        "print(status, sorted({'torch', 'textual'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stderr.strip() == "0 []"
