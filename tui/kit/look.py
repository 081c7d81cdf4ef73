"""What the terminal can show: characters beyond ASCII, colours, shades of a colour."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from textual.dom import DOMNode


@dataclass(frozen=True, slots=True)
class Look:
    """What may be drawn. The app has the look of its terminal.

    Screens and views read it with `look_of`; pure drawing functions take it as an argument.
    """

    ascii_only: bool = False
    """No character above U+007E."""
    colours: str | None = "truecolor"
    """Rich's name of the colour system; None for no colours."""

    has_pictures: bool = False
    """Whether the terminal shows pixels in front of its cells."""

    @property
    def has_shades(self) -> bool:
        """Whether hues and grey have several shades; of 16 colours only three are grey."""
        return self.colours in ("truecolor", "256")

    @property
    def has_greys(self) -> bool:
        """Whether half blocks in grey can show two pixels in each cell."""
        return self.has_shades and not self.ascii_only


SHOWS_ALL = Look()


@runtime_checkable
class HasLook(Protocol):
    """An app that knows its terminal's look."""

    @property
    def look(self) -> Look:
        """What the terminal can show."""
        ...


def look_of(view: DOMNode) -> Look:
    """Return the look of a view's app; without such an app, that of a full-featured terminal."""
    try:
        app = view.app
    except RuntimeError:  # Textual raises it if there is no app
        return SHOWS_ALL
    return app.look if isinstance(app, HasLook) else SHOWS_ALL
