"""A run as TensorBoard's event files: scalars, matrices as images, the settings as text."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from math import isfinite
from typing import Any

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.summary.writer.record_writer import RecordWriter

from mlpwatch.core.config import EngineName
from mlpwatch.core.epochs import EpochRecord, Matrix
from mlpwatch.core.report.pages.mistake_cards import grey_png
from mlpwatch.core.report.reading import RunReading
from mlpwatch.core.report.sentences import conclusion

CELL = 24
"""Pixels of a matrix cell's side."""

MOST_IMAGES = 50
"""Matrices of an engine: TensorBoard shows a slider over them."""

FIELDS = {
    "loss/training": "train_loss",
    "loss/validation": "val_loss",
    "accuracy/training": "train_accuracy",
    "accuracy/validation": "val_accuracy",
    "speed/samples per second": "samples_per_second",
}
"""Fields of an epoch, by their tags; both engines have the same, so that charts have both."""

LAYER_FIELDS = ("gradient_norm", "update_ratio", "flat_share")


def event_files(reading: RunReading) -> dict[str, bytes]:
    """Return a run's event files by their paths in the log folder: a folder for each engine.

    Steps are epochs. A number that is not finite is left out.

    Args:
        reading: of the run.
    """
    start = reading.created.timestamp()
    name = f"events.out.tfevents.{int(start)}.mlpwatch"
    files = {f"{engine}/{name}": _of_engine(reading, engine, start) for engine in reading.engines}
    if reading.gaps:
        gaps = ((one.epoch, one.weight_difference) for one in reading.gaps)
        values = [
            (step, start, _scalar("gap/largest difference of a weight", value))
            for step, value in gaps
            if isfinite(value)
        ]
        files[f"gap/{name}"] = _records(start, values)
    return files


def _of_engine(reading: RunReading, engine: EngineName, start: float) -> bytes:
    records = reading.epochs[engine]
    values = [(0, start, _text("settings", _settings_table(reading)))]
    said = "\n".join(f"- {one}" for one in conclusion(reading))
    values.append((0, start, _text("conclusion", said)))
    pictured = set(_spread(records))
    for number, record in enumerate(records):
        at = start + record.seconds
        values += [(record.epoch, at, one) for one in _scalars(record)]
        if number in pictured and record.confusion is not None:
            image = _image("confusion matrix: true class down", record.confusion)
            values.append((record.epoch, at, image))
    if (test := reading.test_accuracy(engine)) is not None:
        last = records[-1]
        values.append((last.epoch, start + last.seconds, _scalar("accuracy/test", test)))
    return _records(start, values)


def _scalars(record: EpochRecord) -> Iterator[Any]:
    for tag, field in FIELDS.items():
        if isfinite(value := getattr(record, field)):
            yield _scalar(tag, value)
    for k, layer in enumerate(record.layers):
        for field in LAYER_FIELDS:
            if isfinite(value := getattr(layer, field)):
                yield _scalar(f"{field.replace('_', ' ')}/layer {k}", value)


def _spread(records: Sequence[EpochRecord]) -> list[int]:
    """Return at most `MOST_IMAGES` places, evenly spread, with the first and the last."""
    count = min(MOST_IMAGES, len(records))
    return [round(one) for one in np.linspace(0, len(records) - 1, count)] if count else []


def _settings_table(reading: RunReading) -> str:
    rows = [f"| {name} | `{value}` |" for name, value in reading.config.to_dict().items()]
    versions = [f"| {name} | `{value}` |" for name, value in reading.manifest.versions.items()]
    return "\n".join(["| setting | value |", "|---|---|", *rows, *versions])


def _scalar(tag: str, value: float) -> Any:  # noqa: ANN401 - protobuf has no types
    return Summary.Value(tag=tag, simple_value=value)


def _image(tag: str, counts: Matrix) -> Any:  # noqa: ANN401
    """Return a matrix as an image: the darker, the larger the root of a share of its row."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    pixels = np.rint(255 * (1 - np.sqrt(shares))).astype(np.uint8)
    large = np.kron(pixels, np.ones((CELL, CELL), np.uint8))
    side = len(large)
    image = Summary.Image(
        height=side, width=side, colorspace=1, encoded_image_string=grey_png(large)
    )
    return Summary.Value(tag=tag, image=image)


def _text(tag: str, text: str) -> Any:  # noqa: ANN401
    plugin = SummaryMetadata.PluginData(plugin_name="text")
    tensor = TensorProto(
        dtype=DT_STRING,
        tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]),
        string_val=[text.encode()],
    )
    metadata = SummaryMetadata(plugin_data=plugin)
    return Summary.Value(tag=f"{tag}/text_summary", metadata=metadata, tensor=tensor)


def _records(start: float, values: Sequence[tuple[int, float, Any]]) -> bytes:
    """Return the records of one file: its version, then an event per step."""
    file = BytesIO()
    writer = RecordWriter(file)
    writer.write(Event(wall_time=start, file_version="brain.Event:2").SerializeToString())
    events: dict[tuple[int, float], Any] = {}
    for step, at, value in values:
        event = events.setdefault((step, at), Event(wall_time=at, step=step))
        event.summary.value.append(value)
    for event in events.values():
        writer.write(event.SerializeToString())
    return file.getvalue()
