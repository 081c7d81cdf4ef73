"""Records of epochs compare with unknown numbers in them, on every Python."""

from dataclasses import replace
from math import nan

from mlpwatch.core.epochs import EpochRecord, LayerRecord
from mlpwatch.core.events import RunEnded


def test_records_with_the_same_unknown_numbers_are_equal() -> None:
    records = [
        EpochRecord("numpy", 1, 10, 1.0, 0.5, nan, 0.5, 100.0, layers=(LayerRecord(1.0, nan),))
        for _ in range(2)
    ]
    assert records[0] == records[1]
    assert hash(records[0]) == hash(records[1])
    assert replace(records[0], epoch=2) != records[0]
    assert replace(records[0], confusion=None) == records[0]
    ends = [RunEnded("numpy", "finished", "", 10, 1.0) for _ in range(2)]
    assert ends[0] == ends[1] != records[0]
