"""Whatever state the terminal is left in, all of a frame reaches it."""

import os
import pty
import termios
import tty
from threading import Thread

from mlpwatch.tui.terminal.output import Output


def test_a_terminal_that_is_left_non_blocking_gets_every_row() -> None:
    main, side = pty.openpty()
    tty.setraw(side, termios.TCSANOW)
    os.set_blocking(side, False)
    output = Output(side)
    frames = "".join(f"row {number:06}\n" for number in range(20_000))
    output.write(frames)
    received = bytearray()

    def drain() -> None:
        while len(received) < len(frames):
            received.extend(os.read(main, 65_536))

    draining = Thread(target=drain, daemon=True)
    draining.start()
    draining.join(30.0)
    output.close()
    assert received.decode() == frames
    assert (output.waiting, output.bytes_taken) == (0, len(frames))
    os.close(main)
    os.close(side)
