"""Another machine, played by a folder: a script in place of ssh runs its commands there."""

import stat
import sys
from pathlib import Path

import pytest

from mlpwatch.core.relay.address import Address
from tests.support.checkout import CHECKOUT

SSH = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
cd {folder}
if [ -e down ]; then echo "ssh: connect to host box port 22: Connection refused" >&2; exit 255; fi
exec sh -c "$3"
"""


def reach_as_box(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder the home of a machine `box`; a file `down` in it takes the machine down."""
    script = folder / "ssh"
    script.write_text(SSH.format(folder=folder))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("MLPWATCH_SSH", str(script))
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))


def address(run: str = "demo", remote: str = f"{sys.executable} -m mlpwatch") -> Address:
    """Return the address of a run on that machine."""
    return Address("box", run, "", remote)
