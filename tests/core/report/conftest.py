"""One small run of both models, which the tests of all formats share."""

from pathlib import Path

import pytest

from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.training.launch import new_session
from tests.support.samples.training import SECONDS


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the run `seed`: the gap of the notebook on the bundled digits."""
    folder = tmp_path_factory.mktemp("report") / "saved"
    config = from_recipe("seed", data="digits", epochs=4, batch_size=10, threads=1)
    session = new_session(config, folder, "seed", lambda _text: None)
    session.start()
    session.join(SECONDS)
    assert session.ended
    return folder
