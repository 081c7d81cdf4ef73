"""Which logs a path leads to, and what is said if there is none."""

import os
from pathlib import Path

import pytest

from mlpwatch.core.errors import InputError
from mlpwatch.core.foreign_logs.finding import find_logs
from mlpwatch.core.foreign_logs.source import LogSource

LINE = '{"step": 1, "loss": 2}\n'


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("log.jsonl", LINE, "JSON lines"),
        ("out.log", '{"config": "x"}\n' + LINE, "JSON lines"),
        ("new.jsonl", "", "JSON lines"),
        ("metrics.csv", "step,loss\n1,2\n", "CSV"),
        ("training.log", "epoch,loss\n0,2\n", "CSV"),
        ("new.csv", "step,loss\n", "CSV"),
        ("trainer_state.json", "{}", "Trainer state"),
        ("renamed.json", '{\n "log_history": []\n}', "Trainer state"),
        ("events.out.tfevents.17.host", "", "TensorBoard"),
    ],
)
def test_a_file_s_format_is_found(tmp_path: Path, name: str, text: str, kind: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert [one.format for one in find_logs(path)] == [kind]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"\x89PNG\r\n\x1a\n\xff", "a binary file"),
        (b"Epoch 1, please wait\nmore\n", "a file that begins with 'Epoch 1, please wait'"),
        (b'{"name": "x"}\n', """a file that begins with '{"name": "x"}'"""),
        (b"\x1b[31mred\n", r"a file that begins with '\\x1b[31mred'"),
    ],
)
def test_an_unknown_file_is_one_line_with_what_was_found(
    tmp_path: Path, content: bytes, found: str
) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        find_logs(path)
    text = str(caught.value)
    assert f"{path}: {found}; mlpwatch reads TensorBoard event files" in text
    assert text.isprintable()


def test_folders_without_logs_fifos_and_loops_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        find_logs(tmp_path / "nothing")
    with pytest.raises(InputError, match="no file in it"):
        find_logs(tmp_path)
    (tmp_path / "a.png").touch()
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "up").symlink_to(tmp_path)
    with pytest.raises(InputError, match=r"only \.png files in it"):
        find_logs(tmp_path)
    with pytest.raises(InputError, match="neither a file nor a folder"):
        find_logs(tmp_path / "pipe.jsonl")
    with pytest.raises(InputError, match="no such file or folder"):
        find_logs(tmp_path / "loop")


def test_of_several_formats_in_a_folder_the_first_is_read(tmp_path: Path) -> None:
    (tmp_path / "version_0").mkdir()
    (tmp_path / "version_0" / "metrics.csv").write_text("step,loss\n1,2\n")
    (tmp_path / "version_0" / "hparams.yaml").write_text("lr: 1\n")
    (tmp_path / "extra.jsonl").write_text(LINE)
    logs = find_logs(tmp_path)
    assert [(one.format, one.prefix) for one in logs] == [("CSV", "version_0")]


def test_files_beside_each_other_are_known_by_their_names(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(LINE)
    assert {point.name for log in (LogSource(tmp_path),) for _ in "ab" for point in log.read()}
    assert [one.prefix for one in find_logs(tmp_path)] == ["a", "b"]


def test_checkpoints_of_one_training_are_one_log(tmp_path: Path) -> None:
    for step in (10, 20):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text('{\n "log_history": []\n}')
    (found,) = find_logs(tmp_path)
    assert (found.path, found.prefix) == (tmp_path, "")


def test_a_file_that_appears_later_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(LINE)
    source = LogSource(tmp_path)
    assert [point.name for point in source.read()] == ["loss"]
    (tmp_path / "b.jsonl").write_text(LINE)
    source._next_search = 0
    assert [point.name for point in source.read()] == ["b/loss"]
    assert source.files == 2
    assert source.title == tmp_path.name
