"""A run with the user's own network: its folder, its resume, and what its code may do wrong."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpwatch.core.analysis.inference import Prediction
from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import RunError
from mlpwatch.core.runs.changes import delete_run, measure_run
from mlpwatch.core.runs.listing import list_runs
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.launch import new_session, resumed_session
from mlpwatch.core.training.session import Session
from tests.support.network_files import NetworkFile
from tests.support.samples.engines import assert_close, assert_same_bits
from tests.support.samples.user_networks import TORCH_FILE, written

SECONDS = 60.0
RIGHT = NetworkFile((8,), "tanh", layout="columns")


def config_of(folder: Path, text: str, **settings: Any) -> RunConfig:  # noqa: ANN401
    config = RunConfig(
        data="digits", hidden=(8,), activation="tanh", epochs=2, threads=2, dtype="float64",
        network=written(text, folder),
    )  # fmt: skip
    return replace(config, **settings)


def ended(session: Session) -> Session:
    session.start()
    assert session.join(SECONDS)
    session.run.release()
    return session


def quiet(_text: str) -> None:
    pass


def test_a_run_keeps_a_copy_and_trains_as_ours(tmp_path: Path) -> None:
    config = config_of(tmp_path, RIGHT.source())
    session = ended(new_session(config, tmp_path / "saved", "demo", quiet))
    folder = tmp_path / "saved" / "demo"
    assert (folder / "network.py").read_text() == RIGHT.source()
    values = json.loads((folder / "config.json").read_text())
    assert values["network"]["file"] == "net.py"
    assert "network" not in values["config"]
    result = session.result()
    assert result["engines"]["numpy"]["network"] == "net.py"
    assert "network" not in result["engines"]["torch"]
    assert result["max_weight_difference"] < 1e-12
    assert [engine.network for engine in list_runs(tmp_path / "saved")[0].engines] == [
        "net.py",
        None,
    ]
    # The usual tensors: either engine of a run without the file opens them.
    latest = Run.open(tmp_path / "saved", "demo").read_latest("numpy")
    other = Run.open(tmp_path / "saved", "demo").read_latest("torch")
    assert latest is not None
    assert other is not None
    assert_close(latest.checkpoint.state.weights, other.checkpoint.state.weights, 1e-12)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert measure_run(tmp_path / "saved", "demo").files == len(files)
    delete_run(tmp_path / "saved", "demo")
    assert not folder.exists()


@pytest.mark.parametrize("file", ["numpy", "torch"])
def test_a_resumed_run_ends_with_the_same_bits_from_the_copy(tmp_path: Path, file: str) -> None:
    config = config_of(tmp_path, RIGHT.source(), optimizer="adam", learning_rate=0.01)
    if file == "torch":
        text = TORCH_FILE.format(features=64).replace("4", "8").replace("(8, 3)", "(8, 10)")
        text = text.replace("Linear(68", "Linear(64")
        module = written(text, tmp_path, "model.py")
        config = replace(config, network_torch=module)
    whole = ended(new_session(replace(config, epochs=4), tmp_path / "saved", "whole", quiet))
    ended(new_session(config, tmp_path / "saved", "demo", quiet))
    # The user goes on with the file: the run keeps its own.
    (tmp_path / "net.py").write_text("raise RuntimeError('another file')")
    said: list[str] = []
    run = Run.open(tmp_path / "saved", "demo")
    session = ended(resumed_session(run, replace(run.config, epochs=4), said.append))
    assert any("net.py has changed since this run began" in line for line in said)
    assert session.notes
    for name in ("numpy", "torch"):
        found, expected = session.results[name].weights, whole.results[name].weights
        assert found is not None
        assert expected is not None
        assert_same_bits(found, expected)


def test_an_update_of_its_own_is_said_not_to_resume_exactly(tmp_path: Path) -> None:
    file = NetworkFile((8,), "tanh", style="update")
    config = config_of(tmp_path, file.source(), only="numpy", optimizer="momentum")
    ended(new_session(config, tmp_path / "saved", "demo", quiet))
    said: list[str] = []
    run = Run.open(tmp_path / "saved", "demo")
    session = ended(resumed_session(run, replace(run.config, epochs=3), said.append))
    assert any("net.py makes its own update: what it remembers" in line for line in said)
    assert session.results["numpy"].reason == "finished"


def test_random_numbers_of_its_own_are_no_mistake_and_said_not_to_resume_exactly(
    tmp_path: Path,
) -> None:
    kept = "A.append(f(z) if k < len(W) - 1 else out(z))"
    dropped = "A.append(f(z) * (np.random.rand(*z.shape) < 0.8) if k < len(W) - 1 else out(z))"
    config = config_of(tmp_path, RIGHT.wrong((kept, dropped)).source())
    session = new_session(config, tmp_path / "saved", "demo", quiet)
    session.stop_at_difference(ends=True)
    ended(session)
    assert session.stopped_at is None
    assert session.results["numpy"].reason == "finished"
    said: list[str] = []
    run = Run.open(tmp_path / "saved", "demo")
    assert run.config.network is not None
    assert not run.config.network.is_exact
    ended(resumed_session(run, replace(run.config, epochs=3), said.append))
    assert any("net.py draws random numbers of its own, which begin again" in s for s in said)
    assert not any("makes its own update" in line for line in said)


def test_a_copy_that_was_changed_or_removed_is_refused(tmp_path: Path) -> None:
    config = config_of(tmp_path, RIGHT.source(), only="numpy")
    ended(new_session(config, tmp_path / "saved", "demo", quiet))
    copy = tmp_path / "saved" / "demo" / "network.py"
    copy.write_text(RIGHT.source() + "\n")
    run = Run.open(tmp_path / "saved", "demo")
    with pytest.raises(RunError, match=r"not the net\.py that this run began with"):
        resumed_session(run, replace(run.config, epochs=3), quiet)
    copy.unlink()
    with pytest.raises(RunError, match=r"no such file; .*this run trains it: restore it"):
        resumed_session(run, replace(run.config, epochs=3), quiet)


FAILS = RIGHT.wrong(("    def forward(self, x):\n", """    calls = 0

    def forward(self, x):
        Network.calls += 1
        print("call", Network.calls)
        if Network.calls > 30:
            {}
"""))  # fmt: skip


def test_an_exception_ends_one_engine_with_its_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = FAILS.source().format('raise ValueError("what now?")')
    config = config_of(tmp_path, text)
    session = ended(new_session(config, tmp_path / "saved", "demo", quiet))
    result = session.results["numpy"]
    assert result.reason == "failed"
    line = text.splitlines().index('            raise ValueError("what now?")') + 1
    assert result.detail == (
        f'net.py line {line} in forward: ValueError: what now? (raise ValueError("what now?"))'
    )
    assert session.results["torch"].reason == "finished"
    out, err = capfd.readouterr()
    assert "call 7" in err
    assert out == ""


def test_predictions_are_the_users_own(tmp_path: Path) -> None:
    # A wrong forward pass: the classes come in reverse.
    text = RIGHT.wrong(("return A[-1]", "return A[-1][::-1]")).source()
    config = config_of(tmp_path, text, only="numpy", epochs=1)
    session = new_session(config, tmp_path / "saved", "demo", quiet)
    session.pause()
    session.start()
    images = session.dataset.test_images[:20]
    found: Prediction = session.predict("numpy", images).result(SECONDS)
    right = new_session(replace(config, network=None), tmp_path / "saved", "right", quiet)
    right.pause()
    right.start()
    expected: Prediction = right.predict("numpy", images).result(SECONDS)
    np.testing.assert_allclose(found.probabilities, expected.probabilities[:, ::-1], 1e-6)
    for one in (session, right):
        one.stop()
        assert one.join(SECONDS)
        one.run.release()


def test_the_tour_shows_the_users_step(tmp_path: Path) -> None:
    config = config_of(tmp_path, RIGHT.source())
    session = ended(new_session(config, tmp_path / "saved", "demo", quiet))
    trace = session.trace_step()
    assert max(trace.differences) < 1e-12
    assert trace.engines["numpy"].before.loss == pytest.approx(
        trace.engines["torch"].before.loss, rel=1e-9
    )
    comparison = session.compare_gradients()
    assert comparison.largest_difference < 1e-12
    assert session.evaluate_test().keys() == {"numpy", "torch"}
