"""The cost of drawing the screen: frames and bytes per second, and its share of a core."""

from collections.abc import Callable
from time import monotonic, thread_time

READING_SECONDS = 2.0
"""Time between two readings: drawing the cost more often would itself add to it."""

IDLE_BYTES_PER_SECOND = 50.0
"""Below this only the cost itself is drawn, if anything: it is shown as 0 and stays so."""

SHARE_MARGIN = 0.015
"""Smaller changes of the share of a core are not shown."""

FPS_STEPS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Frames per second that "Faster screen" and "Slower screen" select."""


class CostMeter:
    """Measures the cost of drawing every few seconds; call it from the thread that draws.

    Args:
        fps: polls of the mailbox per second.
        bytes_taken: returns the number of bytes that the terminal has accepted.
        clock: returns seconds.
        cpu_clock: returns the CPU seconds of the drawing thread.
    """

    def __init__(
        self,
        fps: float,
        bytes_taken: Callable[[], int],
        clock: Callable[[], float] = monotonic,
        cpu_clock: Callable[[], float] = thread_time,
    ) -> None:
        self.fps = fps
        self._bytes_taken, self._clock, self._cpu_clock = bytes_taken, clock, cpu_clock
        self._last = self._reading()
        self._share = 0.0
        self.text = ""
        """Like `4 fps ·  1.8 kB/s · ui  2 %`; empty before the first reading."""

    def read(self) -> bool:
        """Take a reading if one is due; return whether the text has changed."""
        now, sent, computed = self._reading()
        before, sent_before, computed_before = self._last
        seconds = now - before
        if seconds < READING_SECONDS:
            return False
        self._last = (now, sent, computed)
        text = self._told((sent - sent_before) / seconds, (computed - computed_before) / seconds)
        changed, self.text = text != self.text, text
        return changed

    def slower(self) -> float:
        """Return the next lower number of frames per second, and use it from now on."""
        self.fps = max((fps for fps in FPS_STEPS if fps < self.fps), default=self.fps)
        return self.fps

    def faster(self) -> float:
        """Return the next higher number of frames per second, and use it from now on."""
        self.fps = min((fps for fps in FPS_STEPS if fps > self.fps), default=self.fps)
        return self.fps

    def _told(self, bytes_per_second: float, share: float) -> str:
        idle = bytes_per_second < IDLE_BYTES_PER_SECOND
        if idle and share < SHARE_MARGIN:
            self._share = 0.0
        elif abs(share - self._share) >= SHARE_MARGIN:
            self._share = share
        sent = "0" if idle else _kilobytes(bytes_per_second)
        return f"{self.fps:g} fps · {sent:>4} kB/s · ui {self._share * 100:2.0f} %"

    def _reading(self) -> tuple[float, int, float]:
        return self._clock(), self._bytes_taken(), self._cpu_clock()


def _kilobytes(count: float) -> str:
    """Return thousands of bytes in at most four columns up to 9,999."""
    thousands = count / 1000
    return f"{thousands:.1f}" if thousands < 99.95 else f"{thousands:.0f}"  # noqa: PLR2004
