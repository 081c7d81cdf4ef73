"""ONNX and TensorBoard: other programs read what was written, and find the run's numbers."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlpwatch.core.analysis.inference import evaluate_images
from mlpwatch.core.config import RunConfig
from mlpwatch.core.network.build import initial_weights
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.report.onnx_model import mlp_model
from mlpwatch.core.report.reading import RunReading, read_run
from mlpwatch.tui.__main__ import main

pytestmark = pytest.mark.xdist_group("report")


@pytest.fixture(scope="module")
def reading(saved: Path) -> RunReading:
    return read_run(saved / "seed")


def export(saved: Path, kind: str, path: Path, *words: str) -> int:
    return main(["export", "seed", "--saved", str(saved), "--to", kind, "-o", str(path), *words])


def predicted(model: bytes, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    classes, outputs = session.run(["class", "outputs"], {"samples": samples})
    return classes, outputs


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_onnxruntime_predicts_the_same_class_of_every_test_image(
    saved: Path, tmp_path: Path, reading: RunReading, engine: str
) -> None:
    path = tmp_path / "seed.onnx"
    assert export(saved, "onnx", path, "--engine", engine) == 0
    found = reading.predictions
    assert found is not None
    assert found.split == "test"
    own = found.engines["torch" if engine == "torch" else "numpy"]
    classes, outputs = predicted(path.read_bytes(), found.images)
    np.testing.assert_array_equal(classes, own.predictions)
    np.testing.assert_allclose(outputs, own.probabilities, atol=1e-6)
    model = onnx.load(path)
    facts = {one.key: one.value for one in model.metadata_props}
    assert facts["engine"] == engine
    assert (facts["classes"], facts["image_shape"], facts["range"]) == (
        "0123456789",
        "8x8",
        "-1..1",
    )


@pytest.mark.parametrize(
    "config",
    [
        from_recipe("twin", hidden=(5,)),
        from_recipe("twin", hidden=()),
        from_recipe("twin", hidden=(5, 4), activation="leaky-relu", negative_slope=0.2),
        from_recipe("twin", hidden=(5,), activation="gelu", loss="mse", output_activation="linear"),
        from_recipe("twin", hidden=(5,), activation="tanh", loss="bce", dtype="float64"),
        from_recipe("twin", hidden=(5,), activation="sigmoid", loss="half-mse", seed=3),
    ],
    ids=lambda config: f"{config.activation} {config.loss} {config.hidden}",
)
def test_every_kind_of_network(config: RunConfig) -> None:
    random = np.random.default_rng(1)
    samples = random.normal(0, 2, (200, 6)).astype(np.float32)
    weights = initial_weights((6, *config.hidden, 3), config)
    for name, array in weights.items():
        weights[name] = array + random.normal(0, 0.5, array.shape).astype(array.dtype)
    own = evaluate_images(config, "numpy", weights, samples, np.zeros(200, np.int64), classes=3)
    classes, outputs = predicted(mlp_model(config, weights, {}).SerializeToString(), samples)
    np.testing.assert_array_equal(classes, own.predictions)
    np.testing.assert_allclose(np.clip(outputs, 0, 1), own.probabilities, atol=1e-5)
    one, _ = predicted(mlp_model(config, weights, {}).SerializeToString(), samples[:1])
    assert one.shape == (1,)


def test_tensorboard_reads_scalars_images_and_text(
    saved: Path, tmp_path: Path, reading: RunReading
) -> None:
    assert export(saved, "tensorboard", tmp_path / "log") == 0
    assert sorted(one.name for one in (tmp_path / "log").iterdir()) == ["gap", "numpy", "torch"]
    found = EventAccumulator(str(tmp_path / "log/torch"), size_guidance={"images": 0})
    found.Reload()
    assert [(one.step, one.value) for one in found.Scalars("loss/training")] == [
        (one.epoch, pytest.approx(one.train_loss)) for one in reading.epochs["torch"]
    ]
    (test,) = found.Scalars("accuracy/test")
    assert test.value == pytest.approx(reading.test_accuracy("torch"))
    norms = found.Scalars("gradient norm/layer 1")
    measured = [one.layers[1].gradient_norm for one in reading.epochs["torch"] if one.layers]
    assert [norm.value for norm in norms] == pytest.approx(measured)
    images = found.Images("confusion matrix: true class down")
    assert [one.step for one in images] == [1, 2, 3, 4]
    assert (images[0].width, images[0].height) == (240, 240)
    assert images[0].encoded_image_string[:8] == b"\x89PNG\r\n\x1a\n"
    text = found.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| learning_rate | `0.1` |" in text
    gap = EventAccumulator(str(tmp_path / "log/gap"))
    gap.Reload()
    assert len(gap.Scalars("gap/largest difference of a weight")) == len(reading.gaps)


def test_a_log_folder_is_new_and_whole(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["export", "seed", "--saved", str(saved), "--to", "tensorboard"]
    assert main(words) == main(words) == 0
    assert sorted(one.name for one in tmp_path.iterdir() if one.name.startswith("seed")) == [
        "seed-2.tensorboard", "seed.tensorboard",
    ]  # fmt: skip
    capsys.readouterr()
    assert main([*words, "-o", "-"]) == 2
    assert "--to tensorboard: it is a folder" in capsys.readouterr().err
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.parametrize("kind", ["onnx", "tensorboard"])
def test_without_its_package_one_line_names_the_extra(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, kind: str,
) -> None:  # fmt: skip
    for name in [one for one in sys.modules if one.startswith("mlpwatch.core.report.")]:
        if name.endswith((".onnx_model", ".event_files")):
            monkeypatch.delitem(sys.modules, name)
    for name in [one for one in sys.modules if one.split(".")[0] == kind]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, kind, None)
    assert export(saved, kind, tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert said == (
        f"mlpwatch: --to {kind}: needs {kind}, which is not installed; "
        f"pip install 'mlpwatch[{kind}]'\n"
    )


def test_what_has_no_model_is_one_line(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(saved, "csv", tmp_path / "out", "--engine", "numpy") == 2
    assert "--engine numpy: csv has both models" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_only_finite_numbers_are_written(reading: RunReading) -> None:
    from mlpwatch.core.report.event_files import event_files

    lost = {
        name: tuple(replace(one, train_loss=float("nan")) for one in records)
        for name, records in reading.epochs.items()
    }
    files = event_files(replace(reading, epochs=lost))
    assert all(b"loss/training" not in data for data in files.values())
    assert any(b"loss/validation" in data for data in files.values())
