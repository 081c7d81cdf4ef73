"""The mirror of a run folder: equal to the original, also after a lost link; thinned when fast."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlpwatch.core.errors import RunError
from mlpwatch.core.events import StepGroup
from mlpwatch.core.relay import sent_files
from mlpwatch.core.relay.frames import RelayFrame
from mlpwatch.core.relay.mirror import Mirror
from mlpwatch.core.relay.sent_files import SentFolder, Transfer, may_be_asked
from mlpwatch.core.relay.thinning import thinned_lines
from mlpwatch.core.runs.event_log import entry_text, parse_entry
from mlpwatch.core.runs.lock import is_locked

LOG = "events.jsonl"


def steps(first: int, last: int) -> str:
    """Return lines of the event log: a group of ten steps each."""
    groups = [StepGroup("numpy", 10 * n, 10, n / 100, 1 / n, 0.0, 2.0) for n in range(first, last)]
    return "".join(f"{entry_text(one)}\n" for one in groups)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder of another machine."""
    path = tmp_path / "demo"
    (path / "history").mkdir(parents=True)
    (path / "config.json").write_text("{}")
    (path / LOG).write_text(steps(1, 9))
    (path / "numpy.safetensors").write_bytes(b"weights" * 9_000)
    (path / "history/numpy.3.safetensors").write_bytes(b"three")
    return path


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    made = Mirror("demo", lambda _line: "refused", is_watched=False)
    yield made
    made.remove()
    assert not made.path.exists()


def bring(sent: SentFolder, mirror: Mirror) -> int:
    """Carry what is new to the mirror; return the number of frames."""
    frames = [
        RelayFrame("file", {"name": one.name, "mark": one.mark, "fresh": one.is_fresh}, one.data)
        for one in sent.pieces()
    ]
    frames += [RelayFrame(kind, fields) for kind, fields in sent.facts()]
    for frame in frames:
        mirror.apply(frame)
    return len(frames)


def linked_again(folder: Path, mirror: Mirror) -> SentFolder:
    """Return what a new relay knows: what the mirror says that it has."""
    return SentFolder(folder, json.loads(json.dumps(mirror.marks)))


def test_a_lost_link_continues_where_it_ended(folder: Path, mirror: Mirror) -> None:
    sent, log = SentFolder(folder, {}), folder / LOG
    assert bring(sent, mirror)
    assert bring(sent, mirror) == 0, "nothing is sent twice"
    with log.open("a") as file:
        file.write(steps(9, 10) + '{"half')
    bring(sent, mirror)
    with log.open("a") as file:
        file.write('a line"}\n' + steps(11, 12))
    (folder / "plan.json").write_text("{}")
    (folder / "result.json").write_text("{}")
    again = linked_again(folder, mirror)
    (piece,) = linked_again(folder, mirror)._logs[LOG].news()
    assert piece.data.startswith(b'{"halfa line"}\n'), "only what is missing"
    bring(again, mirror)
    (folder / "result.json").unlink()
    bring(linked_again(folder, mirror), mirror)
    for name in (LOG, "config.json", "plan.json"):
        assert (mirror.path / name).read_bytes() == (folder / name).read_bytes()
    assert not (mirror.path / "result.json").exists()


@pytest.mark.parametrize("how", ["cut", "replaced", "emptied", "rewritten"])
@pytest.mark.parametrize("is_linked", [True, False])
def test_a_log_that_a_resume_has_cut_is_sent_whole(
    folder: Path, mirror: Mirror, how: str, is_linked: bool
) -> None:
    sent = SentFolder(folder, {})
    bring(sent, mirror)
    before = (mirror.path / LOG).stat().st_ino
    longer = steps(1, 5) + steps(6, 40)
    text = {"cut": steps(1, 4), "emptied": ""}.get(how, longer)
    if how == "rewritten":
        (folder / LOG).write_text(text)
    else:
        (folder / "new").write_text(text)
        (folder / "new").replace(folder / LOG)
    sent = sent if is_linked else linked_again(folder, mirror)
    for more in ("", steps(4, 5), steps(5, 6)):
        with (folder / LOG).open("a") as file:
            file.write(more)
        bring(sent, mirror)
        assert (mirror.path / LOG).read_text() == (folder / LOG).read_text()
    assert (mirror.path / LOG).stat().st_ino != before, "a reader sees that it is another file"


def test_kept_epochs_are_listed_and_large_files_come_on_request(
    folder: Path, mirror: Mirror
) -> None:
    sent = SentFolder(folder, {})
    bring(sent, mirror)
    assert (mirror.path / "history/numpy.3.safetensors").read_bytes() == b""
    assert not (mirror.path / "numpy.safetensors").exists()
    assert mirror.is_new("numpy.safetensors")
    for name in ("numpy.safetensors", "history/numpy.3.safetensors"):
        transfer = Transfer(folder, name)
        while True:
            data = transfer.next()
            fields = {"name": name, "mark": transfer.mark, "last": not data}
            mirror.apply(RelayFrame("part", fields, data))
            if not data:
                break
        transfer.close()
        assert mirror.wait_for(name, 0.0)
        assert (mirror.path / name).read_bytes() == (folder / name).read_bytes()
    assert not mirror.is_new("numpy.safetensors")
    (folder / "history/numpy.3.safetensors").rename(folder / "history/numpy.4.safetensors")
    bring(sent, mirror)
    assert [one.name for one in (mirror.path / "history").iterdir()] == ["numpy.4.safetensors"]
    mirror.apply(RelayFrame("absent", {"name": "history/numpy.4.safetensors"}))
    assert not mirror.wait_for("history/numpy.4.safetensors", 0.0)


def test_only_files_of_a_run_go_over_the_link(mirror: Mirror) -> None:
    for name in ("../x", "/etc/passwd", "history/../x", "history/index.json", "config.json", ""):
        assert not may_be_asked(name), name
    before = sorted(mirror.path.rglob("*"))
    for name in ("../x", "control.sock", "on-end.log", ""):
        mirror.apply(RelayFrame("file", {"name": name, "mark": "1", "fresh": True}, b"x"))
        mirror.apply(RelayFrame("part", {"name": name, "mark": "1", "last": True}, b"x"))
    mirror.apply(RelayFrame("kept", {"numbers": {"numpy": ["../x", -1, True]}}))
    assert [one for one in mirror.path.rglob("*") if one.is_file()] == []
    assert set(before) <= set(mirror.path.rglob("*"))


def test_the_lock_here_says_whether_the_run_trains_there(folder: Path, mirror: Mirror) -> None:
    bring(SentFolder(folder, {}), mirror)
    for live in (True, True, False):
        mirror.apply(RelayFrame("live", {"live": live}))
        assert is_locked(mirror.path) is live
    (folder / "config.json").write_text('{"another": 1}')
    with pytest.raises(RunError, match="another run has its name now"):
        bring(linked_again(folder, mirror), mirror)


def test_a_fast_log_is_thinned_without_losing_a_step(
    folder: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = SentFolder(folder, {})
    bring(sent, mirror)
    monkeypatch.setattr(sent_files, "monotonic", lambda: 0.0)
    sent._logs[LOG]._read_at = -1.0
    with (folder / LOG).open("a") as file:
        file.write(steps(9, 500) + '{"kind":"paused","engine":"numpy","step":4990}\n')
    bring(sent, mirror)
    raw = (mirror.path / LOG).read_bytes().splitlines()
    entries = [parse_entry(line) for line in raw]
    groups = [one for one in entries if isinstance(one, StepGroup)]
    assert len(groups) <= 8 + sent_files.GROUPS_PER_SECOND
    assert sum(one.count for one in groups) == groups[-1].step == 4990
    assert raw[-1] == b'{"kind":"paused","engine":"numpy","step":4990}'


def test_figures_of_the_machine_come_seldom(folder: Path, mirror: Mirror) -> None:
    machine = folder / "machine.jsonl"
    machine.write_text("{}\n")
    sent = SentFolder(folder, {})
    bring(sent, mirror)
    machine.write_text("{}\n{}\n")
    assert bring(sent, mirror) == 0
    sent._logs["machine.jsonl"]._read_at -= sent_files.MACHINE_SECONDS
    bring(sent, mirror)
    assert (mirror.path / "machine.jsonl").read_text() == "{}\n{}\n"


def test_thinned_epochs_are_those_that_charts_keep() -> None:
    lines = [
        b'{"engine":"%s","epoch":%d}' % (engine, epoch)
        for epoch in range(1, 100)
        for engine in (b"numpy", b"torch")
    ]
    found = [json.loads(line) for line in thinned_lines("metrics.jsonl", lines, 1, 20)]
    for engine in ("numpy", "torch"):
        epochs = [one["epoch"] for one in found if one["engine"] == engine]
        assert epochs == [*range(8, 99, 8), 99]
    assert thinned_lines("metrics.jsonl", lines[:20], 1, 20) == lines[:20]
    assert thinned_lines("metrics.jsonl", [b"{", *lines], 1, 1)[0] == b"{", (
        "damage is sent as it is"
    )
    assert thinned_lines("rates.jsonl", lines, 1, 1) == lines
