"""The user's own network on a real terminal: its name, its errors, its endless loop."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from mlpwatch.core.runs.run import Run
from tests.support.faults.faulty_runs import LEAVE_LIMIT_SECONDS, seconds_to_leave
from tests.support.network_files import NetworkFile
from tests.support.terminal import Terminal, assert_restored, environment, mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS, in_time, three_tries

pytestmark = pytest.mark.xdist_group("user-network")

RIGHT = NetworkFile((16,), "relu", layout="columns")

BEFORE_FORWARD = "    def forward(self, x):\n"
INSIDE = """
import numpy as np


def ones(x):
    return np.c_[np.ones(len(x)), x]


class Network:
    hidden, activation, loss = (16,), "tanh", "bce"

    def __init__(self, weights, biases):
        self.W1, self.W2 = (np.vstack([b, w]) for w, b in zip(weights, biases))

    def forward(self, x):
        self.x, self.a = x, np.tanh(ones(x) @ self.W1)
        self.p = 1 / (1 + np.exp(-ones(self.a) @ self.W2))
        return self.p

    def backward(self, y):
        d = (self.p - y) / len(y)
        h = (d @ self.W2[1:].T) * (1 - self.a ** 2)
        g = ones(self.x).T @ h, ones(self.a).T @ d
        return [t[1:] for t in g], [t[0] for t in g]
"""

AFTER = """    calls = 0

    def forward(self, x):
        Network.calls += 1
        print("spoiling", Network.calls)
        if Network.calls > 60:
            {}
"""


def watched(folder: Path, source: str, *options: str) -> Terminal:
    (folder / "net.py").write_text(source)
    command = [*mlpwatch_command(), "--data", "digits", "--name", "demo", "--network", "net.py"]
    return Terminal([*command, *options], folder, env=environment())


def test_the_file_trains_under_its_name_and_resumes_from_its_copy(tmp_path: Path) -> None:
    with watched(tmp_path, RIGHT.source(), "--epochs", "4000") as terminal:
        terminal.wait_for(lambda text: "net.py" in text and "PyTorch" in text and "4000" in text)
        terminal.wait_for("training")
        terminal.send("s")
        terminal.wait_for("net.py at step")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
        accuracies, where = terminal.after_the_app()[-2:]
    assert "net.py test accuracy" in accuracies
    assert where == "run saved in saved/demo; mlpwatch resume demo continues it"
    (tmp_path / "net.py").write_text("raise SystemExit\n")
    latest = Run.open(tmp_path / "saved", "demo").read_latest("numpy")
    assert latest is not None
    done = subprocess.run(
        [*mlpwatch_command(), "runs"], cwd=tmp_path, capture_output=True, text=True, check=True,
        timeout=DEADLINE_SECONDS,
    )  # fmt: skip
    assert "val net.py" in done.stdout
    command = [*mlpwatch_command(), "resume", "demo"]
    with Terminal(command, tmp_path, env=environment()) as terminal:
        terminal.wait_for("net.py has changed since this run began")
        terminal.send("q")
        assert terminal.wait_for_end() == 0


@pytest.mark.rare
def test_another_loss_and_biases_inside_w_train_and_resume_on_the_dashboard(
    tmp_path: Path,
) -> None:
    with watched(tmp_path, INSIDE, "--epochs", "4000") as terminal:
        terminal.wait_for("training")
        terminal.send("s")
        terminal.wait_for("net.py at step")
        terminal.send("e")
        terminal.wait_for("−log(1−|a−y|)")
        terminal.send("q")
        terminal.wait_for("training")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
    with Terminal([*mlpwatch_command(), "resume", "demo"], tmp_path, env=environment()) as terminal:
        terminal.wait_for("training")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert not any("failed" in line for line in terminal.after_the_app())


def test_an_exception_is_shown_with_its_line_and_the_screen_continues(tmp_path: Path) -> None:
    source = RIGHT.wrong((BEFORE_FORWARD, AFTER)).source().format('raise ValueError("what now?")')
    with watched(tmp_path, source, "--epochs", "4000") as terminal:
        # In the hint line for a while, then in the model's own row, which folds it.
        terminal.wait_for(lambda text: "ValueError:" in text and "what now?" in text)
        terminal.wait_for(lambda text: "failed" in text and "training" in text)
        assert "spoiling 1\n" not in terminal.text()
        terminal.send("q")
        assert terminal.wait_for_end() == 1
        assert_restored(terminal)
        lines = terminal.after_the_app()
    assert any("net.py failed: net.py line" in line for line in lines)


@pytest.mark.parametrize(
    ("how", "status"),
    [("q", 1), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.rare)],
    ids=["q", "SIGTERM"],
)
@three_tries
def test_an_endless_loop_does_not_hold_up_leaving(
    tmp_path: Path, how: str | signal.Signals, status: int
) -> None:
    source = RIGHT.wrong((BEFORE_FORWARD, AFTER)).source().format("while True: pass")
    with watched(tmp_path, source, "--only", "numpy", "--epochs", "4000") as terminal:
        terminal.wait_for("spoiling 61")
        found, took = seconds_to_leave(terminal, how)
        assert_restored(terminal)
        lines = terminal.after_the_app()
    assert found == status
    in_time(took, LEAVE_LIMIT_SECONDS)
    assert any("net.py was busy: last good checkpoint at step 0" in line for line in lines)


def test_what_the_code_prints_does_not_spoil_json(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text(
        "import sys\n\n\ndef say():\n    sys.stdout.write('word')\n"
    )
    source = RIGHT.wrong(
        (BEFORE_FORWARD, BEFORE_FORWARD + "        print('aloud')\n        beside.say()\n"),
        ("import numpy as np\n", "import os\n\nimport beside\nimport numpy as np\n\nprint('hi')\n"
                                 "os.system('echo from a shell')\n"),
    ).source()  # fmt: skip
    (tmp_path / "net.py").write_text(source)
    options = ["--network", "net.py", "--only", "numpy", "--epochs", "1", "--data", "digits"]
    done = subprocess.run(
        [*mlpwatch_command(), "train", "--json", *options], cwd=tmp_path, capture_output=True,
        text=True, timeout=DEADLINE_SECONDS, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["engines"]["numpy"]["network"] == "net.py"
    assert all(text in done.stderr for text in ("hi", "aloud", "word", "from a shell"))
