"""What the runs screen needs from the app."""

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

    async def replace(self, followed: Followed) -> None:
        """Make another run the main one; the caller has ended the old one."""
        ...
