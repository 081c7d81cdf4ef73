"""What libraries write to the terminal's descriptors is kept, and shown when the screen is gone."""

import os
import pty
from collections.abc import Iterator
from contextlib import contextmanager

from mlpwatch.tui.terminal.stray_output import MOST_BYTES, MOST_LINES, STDERR, STDOUT, StrayOutput


@contextmanager
def terminal_at(*descriptors: int) -> Iterator[int]:
    """Put a terminal at these descriptors; give its other side."""
    main, side = pty.openpty()
    saved = {descriptor: os.dup(descriptor) for descriptor in descriptors}
    for descriptor in descriptors:
        os.dup2(side, descriptor)
    try:
        yield main
    finally:
        for descriptor, own in saved.items():
            os.dup2(own, descriptor)
            os.close(own)
        os.close(main)
        os.close(side)


def test_only_the_screen_reaches_the_terminal_and_the_rest_is_kept() -> None:
    with terminal_at(STDOUT, STDERR) as main:
        stray = StrayOutput()
        stray.catch()
        stray.catch()
        os.write(STDERR, b"OMP: Warning: \x1b[2Jvalue\nsecond\n")
        os.write(STDOUT, b"dnnl_verbose,exec\n")
        os.write(stray.screen, b"frame\n")
        assert stray.new_line() == "dnnl_verbose,exec"
        assert stray.new_line() == ""
        os.write(STDERR, b"late\n")
        stray.release()
        os.write(STDOUT, b"farewell")
        received = b""
        while not received.endswith(b"farewell"):  # in one part or in two
            received += os.read(main, 1000)
        assert received == b"frame\r\nfarewell"
        assert stray.lines() == [
            r"OMP: Warning: \x1b[2Jvalue", "second", "dnnl_verbose,exec", "late",
        ]  # fmt: skip


def test_a_verbose_library_costs_no_more_than_a_page() -> None:
    with terminal_at(STDERR):
        stray = StrayOutput()
        stray.catch()
        for _ in range(3):
            for number in range(MOST_BYTES):
                os.write(STDERR, b"%d\n" % number)
            stray.new_line()
        stray.release()
    assert stray.lines()[-1] == f"{MOST_BYTES - 1}"
    assert len(stray.lines()) == MOST_LINES


def test_a_descriptor_that_is_no_terminal_is_left_alone() -> None:
    before = os.fstat(STDOUT)
    stray = StrayOutput()
    stray.catch()
    assert stray.screen == STDOUT
    assert os.fstat(STDOUT) == before
    stray.release()
    assert stray.lines() == []
