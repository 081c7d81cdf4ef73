"""What the palette offers: every key of the table by its label, then the commands without one."""

from collections.abc import Callable, Iterator
from functools import partial

from textual.app import App, SystemCommand
from textual.screen import Screen

from mlpwatch.tui.kit.keys import KEYS


def palette_commands(
    app: App[int], screen: Screen[object], new_run: Callable[[], None]
) -> Iterator[SystemCommand]:
    """Yield the commands of a screen.

    Args:
        app: runs the actions.
        screen: on which the palette was opened.
        new_run: asks for the options of a new run.
    """
    where = getattr(screen, "WHERE", "everywhere")
    for key in KEYS:
        if key.where in (where, "everywhere") and key.action != "command_palette":
            title = key.label or key.help
            title = title[0].upper() + title[1:]
            # From the palette `leave` ends the program on every screen.
            leaves = key.action == "leave"
            run = (
                partial(app.run_action, "quit")
                if leaves
                else partial(screen.run_action, key.action)
            )
            about = f"{key.help} ({key.shown})" if key.label else key.shown
            yield SystemCommand(title, about, run)
    for name, about in (("Light", "dark text on light ground"), ("Dark", "light text on dark")):
        theme = partial(setattr, app, "theme", f"textual-{name.lower()}")
        yield SystemCommand(f"{name} theme", about, theme)
    faster, slower = (partial(app.run_action, f"{one}_screen") for one in ("faster", "slower"))
    yield SystemCommand("Faster screen", "more frames per second", faster)
    yield SystemCommand("Slower screen", "fewer frames per second", slower)
    yield SystemCommand("New run", "change the options of a run (r, then N)", new_run)
