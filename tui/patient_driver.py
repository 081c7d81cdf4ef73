"""A driver whose output never makes the app wait.

Textual 8.2 queues 30 writes and then blocks its event loop, and its writing thread dies at the
first error: after a hangup nobody would save, and a stalled link would make the app deaf to
signals.
"""

from textual.driver import Driver

from tui.output import Output


def patient(driver: type[Driver]) -> type[Driver]:
    """Return a driver like the given one that writes through an `Output`."""

    class PatientDriver(driver):  # type: ignore[valid-type, misc] # a base known at run time only
        _output: Output | None = None

        def write(self, data: str) -> None:
            """Write to the terminal; returns at once."""
            if self._output is None:
                self._output = Output(self._file)
            self._output.write(data)

        def close(self) -> None:
            """Write what is left, and stop."""
            super().close()
            if self._output is not None:
                self._output.close()
                self._output = None

    return PatientDriver
