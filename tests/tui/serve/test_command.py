"""`mlpwatch serve`: what can't be served is one line, and nothing listens."""

import argparse
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from mlpwatch.core.errors import InputError
from mlpwatch.tui.__main__ import main
from mlpwatch.tui.serve import command
from mlpwatch.tui.serve.command import serve_pages, viewer_command
from mlpwatch.tui.serve.viewer import viewer_environment


def options(**changes: object) -> argparse.Namespace:
    base = {"host": "127.0.0.1", "port": 0, "run": None, "saved": "saved", "control": False}
    return argparse.Namespace(**(base | changes))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve"], ["no run in it", "start one with mlpwatch"]),
        (["serve", "nowhere"], ["'nowhere'", "see mlpwatch runs"]),
        (["serve", "--port", "70000"], ["--port", "'70000'", "from 0 to 65535"]),
        (["serve", "--port", "many"], ["--port", "'many'"]),
        (["serve", "--spectate"], ["--spectate"]),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(word in line for word in words), line


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = f"127.0.0.1:{port}: address already in use; give another with --port"
        with pytest.raises(InputError, match=re.escape(words)):
            serve_pages(options(port=port), "")


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(InputError, match=r"serve: 203\.0\.113\.1:0: .*give this machine's address"):
        serve_pages(options(host="203.0.113.1"), "")


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"needs aiohttp.*pip install 'mlpwatch\[web\]'"):
        serve_pages(options(), "")


@pytest.mark.parametrize(
    ("host", "number", "is_warned"),
    [("127.0.0.1", signal.SIGTERM, False), ("0.0.0.0", signal.SIGHUP, True)],
)
def test_a_signal_ends_it_and_an_open_address_is_warned_of(
    host: str, number: signal.Signals, is_warned: bool, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    said = command._say

    def say(text: str) -> None:
        said(text)
        if "Ctrl-C ends it" in text:
            # All is set up; the loop takes it once it waits.
            os.kill(os.getpid(), number)

    monkeypatch.setattr(command, "_say", say)
    assert serve_pages(options(host=host), "a note") == 128 + number
    found = capsys.readouterr()
    assert ("unencrypted" in found.err) is is_warned
    assert "?token=" in found.out


def test_viewers_are_in_the_browser_s_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSH_CONNECTION", "TMUX", "TERM_PROGRAM", "NO_COLOR", "COLUMNS", "TEXTUAL_DRIVER"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("MLPWATCH_MNIST", "kept")
    found = viewer_environment()
    assert found["TERM"] == "xterm-256color"
    assert found["OMP_NUM_THREADS"] == "1"
    assert found["MLPWATCH_MNIST"] == "kept"
    assert not {"SSH_CONNECTION", "TMUX", "TERM_PROGRAM", "NO_COLOR", "COLUMNS"} & set(found)
    assert "TEXTUAL_DRIVER" not in found


def test_the_more_look_on_the_fewer_frames_each_gets() -> None:
    for others, frames in ((0, "2"), (3, "2"), (4, "1"), (11, "1"), (12, "0.5"), (31, "0.5")):
        words = viewer_command(options(run="my-run"), others)
        assert words[words.index("--fps") + 1] == frames
        assert words[-3:] == ["--spectate", "--", "my-run"]
