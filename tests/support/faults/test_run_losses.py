"""What was lost is seen: a missing file, a cut log, an older checkpoint, a changed byte."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.events import StepGroup
from mlpwatch.core.runs.checkpoints import previous_path
from mlpwatch.core.runs.layout import EVENTS_NAME, METRICS_NAME
from mlpwatch.core.runs.manifest import DatasetInfo
from mlpwatch.core.runs.run import Run
from tests.support.faults.run_losses import left_alone, nothing_lost
from tests.support.samples.checkpoint_samples import SIZES, sample_checkpoint
from tests.support.samples.run_samples import line

CONFIG = RunConfig(hidden=(4,), optimizer="momentum", only="numpy")
CARD = DatasetInfo("six", "0" * 64, (2, 3), 3)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Saved at step 13 and 25, with lines of two epochs."""
    run = Run.create(tmp_path, "demo", CONFIG, CARD)
    for step in (13, 25):
        run.write_checkpoint(sample_checkpoint(step, SIZES))
    run.append_metrics(line("numpy", 1), line("numpy", 2))
    run.events.append([StepGroup("numpy", 20, 20, 1.0, 0.5, 0.5, 0.5)])
    return run


def cut(name: str) -> Callable[[Run], object]:
    return lambda run: (run.path / name).write_bytes(b"")


LOSSES: dict[str, tuple[Callable[[Run], object], str]] = {
    "the metrics are gone": (lambda run: (run.path / METRICS_NAME).unlink(), METRICS_NAME),
    "the metrics are empty": (cut(METRICS_NAME), METRICS_NAME),
    "the curves are empty": (cut(EVENTS_NAME), EVENTS_NAME),
    "the newest checkpoint is damaged": (cut("numpy.safetensors"), "steps=12"),
    "both checkpoints are damaged": (
        lambda run: [cut(f"numpy.safetensors{end}")(run) for end in ("", ".previous")],
        "steps=25",
    ),
    "the run is gone": (lambda run: run.path.rename(run.path.with_name("x")), "config.json"),
}


@pytest.mark.parametrize("how", LOSSES)
def test_a_loss_is_seen_and_noted(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    notes = tmp_path / "losses.jsonl"
    monkeypatch.setenv("MLPWATCH_LOSSES", str(notes))
    lose, named = LOSSES[how]
    with pytest.raises(AssertionError, match=named), nothing_lost(tmp_path):
        lose(run)
    (noted,) = map(json.loads, notes.read_text().splitlines())
    assert noted["files"] == 4
    assert noted["lost"] or noted["steps"]


def test_what_goes_on_loses_nothing(run: Run, tmp_path: Path) -> None:
    with nothing_lost(tmp_path):
        run.write_checkpoint(sample_checkpoint(38, SIZES))
        run.append_metrics(line("numpy", 3))
        # What a resume from step 25 tells anew.
        run.trim_metrics("numpy", 2)
        run.write_result({})
        previous_path(run.path / "numpy.safetensors").unlink()


def test_one_changed_byte_is_seen(run: Run) -> None:
    with left_alone(run.path):
        run.read_metrics()
    with pytest.raises(AssertionError, match=r"config\.json"), left_alone(run.path):
        (run.path / "config.json").write_bytes(b"{}")
