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
        output: Output | None = None

        def write(self, data: str) -> None:
            """Write to the terminal; returns at once."""
            if self.output is None:
                self.output = Output(self._file)
            self.output.write(data)

        def close(self) -> None:
            """Write what is left, and stop."""
            super().close()
            if self.output is not None:
                self.output.close()
                self.output = None

    return PatientDriver


def output_of(driver: Driver | None) -> Output | None:
    """Return where a driver writes; None before its first word and where there is no terminal."""
    return getattr(driver, "output", None)
