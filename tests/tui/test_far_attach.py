"""`attach HOST:RUN` before anything is drawn."""

import argparse
import os
import signal
from pathlib import Path

import pytest

from mlpwatch.core.relay import link as link_module
from mlpwatch.core.relay.address import parse_address
from mlpwatch.tui.far_attach import show_far


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_while_it_connects_deletes_the_copy(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = list[str]()

    class HungUp(link_module.Link):
        def connect(self) -> None:
            os.kill(os.getpid(), number)

        def close(self) -> None:
            done.append("closed")

    monkeypatch.setattr(link_module, "Link", HungUp)
    address = parse_address("host:run", tmp_path, None, "")
    assert address is not None
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as left:
        show_far(address, argparse.Namespace())
    assert left.value.code == 128 + number
    assert done == ["closed"]
    assert signal.getsignal(number) == before
