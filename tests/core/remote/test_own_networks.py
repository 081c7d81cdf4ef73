"""A run of a user's own network that is only shown: its file predicts, if it is still the same."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.epochs import Evaluation
from mlpwatch.core.events import CheckpointEvaluated, Event, Notice
from mlpwatch.core.remote.follower import RunFollower
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.launch import new_session
from tests.core.training.test_user_networks import RIGHT, config_of, ended, quiet
from tests.support.samples.training import SECONDS
from tests.support.waiting import wait_until

ODD = RIGHT.wrong((" + b[k]", " + np.roll(b[k] + 1, 3)"))
"""Its outputs are others than those of a network with its weights."""


def evaluated(saved: Path) -> tuple[Evaluation, list[str], np.ndarray]:
    """Return the first network's validation, the notices, and a prediction of the follower."""
    follower = RunFollower(Run.open(saved, "demo"))
    events: list[Event] = []

    def found() -> list[Evaluation]:
        events.extend(follower.mailbox.drain().events)
        both = [e for e in events if isinstance(e, CheckpointEvaluated)]
        return [e.validation for e in both if e.engine == "numpy"] if len(both) > 1 else []

    follower.start()
    try:
        wait_until(found)
        predicted = follower.predict("numpy", follower.dataset.validation_images[:9])
        probabilities = np.array(predicted.result(SECONDS).probabilities)
    finally:
        follower.leave()
        follower.join(SECONDS)
    return found()[0], [e.text for e in events if isinstance(e, Notice) and e.is_bad], probabilities


@pytest.mark.slow
def test_the_file_predicts_as_in_the_run_and_without_it_that_is_said(tmp_path: Path) -> None:
    config = config_of(tmp_path, ODD.source())
    session = ended(new_session(config, tmp_path / "saved", "demo", quiet))
    trained = session.results["numpy"].validation
    assert trained is not None
    shown, notices, probabilities = evaluated(tmp_path / "saved")
    np.testing.assert_allclose(shown.probabilities, trained.probabilities, atol=1e-6)
    np.testing.assert_allclose(probabilities, trained.probabilities[:9], atol=1e-6)
    assert notices == []
    # Somebody else's run: a copy in its folder alone is not run.
    (tmp_path / "net.py").unlink()
    ours, notices, other = evaluated(tmp_path / "saved")
    assert np.abs(ours.probabilities - trained.probabilities).max() > 0.01
    assert np.abs(other - probabilities).max() > 0.01
    assert notices == [
        "net.py has changed or is not here: mlpwatch's own layers predict with its weights"
    ]
    (tmp_path / "net.py").write_text(ODD.source())
    shutil.copy(tmp_path / "net.py", tmp_path / "saved" / "demo" / "network.py")
    (tmp_path / "net.py").write_text("raise SystemExit\n")
    assert evaluated(tmp_path / "saved")[1] == notices
