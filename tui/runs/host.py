"""What the runs screen needs from the app."""

from pathlib import Path
from typing import Protocol

from mlpwatch.tui.state.watch import Followed, Watch


class RunsHost(Protocol):
    """Keeps the run that trains here, and shows other runs."""

    @property
    def main(self) -> Watch:
        """The run whose end is the app's end."""
        ...

    def view(self, followed: Followed) -> None:
        """Show a run until the user goes back; the main run continues meanwhile."""
        ...

    def view_sweep(self, path: Path) -> None:
        """Show a sweep until the user goes back.

        Raises:
            RunError: its folder can't be read.
        """
        ...

    async def replace(self, followed: Followed, *, keeps_main: bool = False) -> None:
        """Make another run the main one.

        Args:
            followed: takes the place.
            keeps_main: the old one trains on without a dashboard; else the caller has ended it.
        """
        ...

    def trains_beside(self, path: Path) -> bool:
        """Return whether this process trains a run that has no dashboard."""
        ...
