"""Frames in pieces, after a greeting, damaged; and what is a run of another machine."""

import zlib
from pathlib import Path

import pytest

from mlpwatch.core.errors import InputError
from mlpwatch.core.relay.address import Address, parse_address
from mlpwatch.core.relay.frames import (
    MAGIC,
    MOST_GREETING,
    FrameError,
    FrameReader,
    FrameWriter,
    RelayFrame,
)


def stream(*payloads: bytes) -> bytes:
    sent = bytearray()
    writer = FrameWriter(sent.extend)
    for number, payload in enumerate(payloads):
        writer.send("part", payload, number=number, name="é")
    return bytes(sent)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_frames_arrive_whole_however_they_are_cut_and_whatever_precedes_them(size: int) -> None:
    payloads = (b"", b"one\n", bytes(range(256)) * 40)
    data = b"Welcome to box\nmlpwatch relay\n" + MAGIC + stream(*payloads)
    reader, found = FrameReader(greeted=True), list[RelayFrame]()
    for begin in range(0, len(data), size):
        found += reader.feed(data[begin : begin + size])
    assert [frame.payload for frame in found] == list(payloads)
    assert [(frame.kind, frame.number("number")) for frame in found] == [
        ("part", 0), ("part", 1), ("part", 2),
    ]  # fmt: skip
    assert found[0].text("name") == "é"
    assert (found[0].text("gone"), found[0].number("name")) == ("", 0)


def test_lines_alike_take_a_third_of_their_bytes() -> None:
    lines = [f'{{"kind":"steps","engine":"numpy","step":{n},"loss":0.5}}\n' for n in range(200)]
    data = stream(*(line.encode() for line in lines))
    assert len(data) < sum(map(len, lines)) / 1.5


def test_other_bytes_are_an_error() -> None:
    with pytest.raises(FrameError, match="damaged frames"):
        FrameReader(greeted=False).feed(b"\xff" * 50)
    with pytest.raises(FrameError, match="other text"):
        FrameReader(greeted=True).feed(b"x" * (MOST_GREETING + 1))
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    for bad, words in ((b"\xff" * 8, "a frame of"), (b"\0\0\0\2\0\0\0\0no", "a damaged header")):
        data = packer.compress(bad) + packer.flush(zlib.Z_FULL_FLUSH)
        with pytest.raises(FrameError, match=words):
            FrameReader(greeted=False).feed(data)


def test_what_exists_here_wins_over_another_machine(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    (saved / "a:b").mkdir(parents=True)
    (tmp_path / "c:d").mkdir()
    for text in (None, "demo", "a:b", str(tmp_path / "c:d"), "./x:y", "/x:y", ":demo"):
        assert parse_address(text, saved) is None, text


@pytest.mark.parametrize(
    ("text", "host", "run"),
    [
        ("box:", "box", ""),
        ("me@box:demo", "me@box", "demo"),
        ("box:/home/me/saved/a:b", "box", "/home/me/saved/a:b"),
        ("[fe80::1]:demo", "fe80::1", "demo"),
    ],
)
def test_a_run_of_another_machine(text: str, host: str, run: str, tmp_path: Path) -> None:
    assert parse_address(text, tmp_path) == Address(host, run)


def test_a_host_is_no_option_and_the_command_there_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("-oProxyCommand=x:demo", "a b:demo", "a\x1b:demo"):
        with pytest.raises(InputError, match="expected HOST:RUN"):
            parse_address(text, tmp_path)
    monkeypatch.setenv("MLPWATCH_SSH", "myssh -p 22")
    monkeypatch.setenv("MLPWATCH_REMOTE", "~/venv/bin/mlpwatch")
    far = parse_address("box:my run;x", tmp_path, saved_there="~/runs")
    assert far is not None
    command = far.command(asks=False)
    assert command[:3] == ["myssh", "-p", "22"]
    assert command[-5:-1] == ["-o", "BatchMode=yes", "--", "box"]
    assert command[-1] == "~/venv/bin/mlpwatch relay --saved '~/runs' -- 'my run;x'"
    assert "BatchMode=yes" not in far.command(asks=True)
    monkeypatch.setenv("MLPWATCH_SSH", "'")
    with pytest.raises(InputError, match="MLPWATCH_SSH"):
        far.command(asks=True)
