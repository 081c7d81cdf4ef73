"""What the runs screen asks of the app that it is shown in."""

from typing import Protocol

from mlpwatch.tui.state.watch import Followed, Watch


class RunsHost(Protocol):
    """Keeps the run that trains here, and shows other runs."""

    @property
    def main(self) -> Watch:
        """The run that ends when the app does."""
        ...

    def view(self, followed: Followed) -> None:
        """Show a run until the user goes back; the main run goes on meanwhile."""
        ...

    async def replace(self, followed: Followed) -> None:
        """Make another run the main one; the caller has ended the old one."""
        ...
