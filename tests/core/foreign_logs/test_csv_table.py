"""Tables as Lightning, Keras and spreadsheets write them."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlpwatch.core.errors import InputError
from mlpwatch.core.foreign_logs.csv_table import CsvReader
from mlpwatch.core.foreign_logs.finding import find_logs
from mlpwatch.core.scalars.store import ScalarStore


def lightning(path: Path, rows: list[Mapping[str, float]]) -> None:
    """Write rows as `lightning.fabric.loggers.csv_logs` 2.x does.

    A new metric makes it read the table and write it again with a longer, sorted header.
    """
    before: list[dict[str, str]] = []
    if path.exists():
        with path.open(newline="") as file:
            before = list(csv.DictReader(file))
    keys = sorted({name for row in [*before, *rows] for name in row})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=keys)
        writer.writeheader()
        writer.writerows([*before, *rows])


def keras(path: Path, rows: list[Mapping[str, object]], *, append: bool = False) -> None:
    """Write rows as `keras.callbacks.CSVLogger` 3.x does: the epoch first, "NA" if unknown."""
    names = ["epoch", *sorted({name for row in rows for name in row} - {"epoch"})]
    with path.open("a" if append else "w", newline="\n") as file:
        writer = csv.DictWriter(file, fieldnames=names)
        if not append:
            writer.writeheader()
        for row in rows:
            writer.writerow({name: row.get(name, "NA") for name in names})
            file.flush()


def test_lightning_s_empty_cells_are_no_numbers_and_the_step_counts(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    lightning(
        path,
        [{"epoch": 0, "step": 49, "train_loss": 0.5}, {"epoch": 0, "step": 99, "val_loss": 0.25}],
    )
    points = CsvReader(path).read()
    assert [tuple(point[:3]) for point in points] == [
        ("train_loss", 49, 0.5),
        ("val_loss", 99, 0.25),
    ]


def test_a_new_metric_makes_lightning_write_its_table_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    store, reader = ScalarStore(), CsvReader(path)
    lightning(path, [{"epoch": 0, "step": k, "train_loss": float(k)} for k in range(5)])
    store.add(reader.read())
    lightning(path, [{"epoch": 0, "step": 5, "a_new_one": 7.0}])
    store.add(reader.read())
    assert store.series("train_loss").values.tolist() == [0, 1, 2, 3, 4]
    assert store.series("a_new_one").steps.tolist() == [5]


def test_keras_epochs_count_and_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "training.log"
    keras(path, [{"epoch": 0, "loss": 2.0, "lrs": '"[1, 2]"'}, {"epoch": 1, "loss": 1.0, "lrs": 3}])
    points = CsvReader(path).read()
    assert [tuple(one[:3]) for one in points] == [("loss", 0, 2), ("loss", 1, 1), ("lrs", 1, 3)]


def test_keras_appends_without_a_header_and_the_newer_epochs_win(tmp_path: Path) -> None:
    path = tmp_path / "training.log"
    store, reader = ScalarStore(), CsvReader(path)
    keras(path, [{"epoch": k, "loss": 1.0} for k in range(4)])
    store.add(reader.read())
    keras(path, [{"epoch": k, "loss": 2.0} for k in (2, 3)], append=True)
    store.add(reader.read())
    assert store.series("loss").values.tolist() == [1, 1, 2, 2]


def test_a_half_written_row_waits(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    reader = CsvReader(path)
    path.write_text("step,loss\r\n1,0.")
    assert reader.read() == []
    with path.open("a", newline="") as file:
        file.write("25\r\n")
    assert [point.value for point in reader.read()] == [0.25]


def test_other_delimiters_nan_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("\ufeffstep;loss\n1;nan\n2;2\n".encode())
    values = [point.value for point in CsvReader(path).read()]
    assert math.isnan(values[0])
    assert values[1] == 2


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_decimal_commas_are_read_as_pandas_writes_them(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "a.csv"
    # pandas.DataFrame.to_csv(sep=";", decimal=",", index=False) writes the first three rows so. It
    # does not read the fourth one with thousands either. The last one is half-written.
    text = "step;loss\n1;0,53\n2;-0,00125\n3;2,0\n4;1.234,5\n5;0.5\n6;0,"
    path.write_text(text.replace(";", delimiter))
    assert [one.format for one in find_logs(path)] == ["CSV"]
    points = [(point.step, point.value) for point in CsvReader(path).read()]
    assert points == [(1, 0.53), (2, -1.25e-3), (3, 2), (5, 0.5)]


def test_a_table_of_nothing_but_decimal_commas_is_one_and_needs_a_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("loss;accuracy\n0,53;0,1\n")
    assert [one.format for one in find_logs(path)] == ["CSV"]
    path.write_text("0,53;0,1\n0,53;0,1\n")
    with pytest.raises(InputError, match="begins with '0,53;0,1'"):
        find_logs(path)


def test_between_commas_a_comma_in_quotes_is_no_decimal_comma(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('step,loss,images\n1,0.5,"1,024"\n')
    assert [tuple(one[:3]) for one in CsvReader(path).read()] == [("loss", 1, 0.5)]


def test_rows_that_do_not_fit_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = b'1,2,3\n\xff\xfe\n2,1e999\n\n5,6\n"open\n' + b"9" * 200_000 + b",1\n3,4\n"
    path.write_bytes(b"step,loss\n" + rows)
    points = [(point.step, point.value) for point in CsvReader(path).read()]
    assert points == [(2, math.inf), (5, 6)]


def test_without_a_header_nothing_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,2\n3,4\n")
    reader = CsvReader(path)
    assert reader.read() == []
    assert reader.file.fault == "its first line is no header"
