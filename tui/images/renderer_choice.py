"""Which way of drawing pixels is in use, of those that the terminal can show."""

from mlpwatch.tui.images.renderers import Renderer, renderers
from mlpwatch.tui.kit.look import Look

_SMALL_BY_WORTH: tuple[Renderer, ...] = ("half blocks", "braille", "ramp")
"""In 14 by 7 cells: 196 grey pixels, 784 black or white ones, 98 of ten characters."""


class RendererChoice:
    """A large image begins as characters, small ones as what shows most of them.

    Args:
        look: what the terminal can show.
    """

    def __init__(self, look: Look) -> None:
        self._able = renderers(look)
        self._small: Renderer | None = None
        self.large: Renderer = "ramp"

    @property
    def small(self) -> Renderer:
        """The one for small images."""
        if self._small is not None:
            return self._small
        return next(one for one in _SMALL_BY_WORTH if one in self._able)

    def next(self, *, small: bool, under_gradient: bool = False) -> str:
        """Go to the next one that the terminal can show; return why it can't be seen, if so.

        Args:
            small: of small images, not of a large one.
            under_gradient: the large image is hidden by its gradient.
        """
        able = self._able
        if len(able) == 1:
            return "plain ASCII draws pixels as characters only"
        current = self.small if small else self.large
        following = able[(able.index(current) + 1) % len(able)]
        if small:
            self._small = following
        else:
            self.large = following
        if not under_gradient:
            return ""
        shown = "characters" if following == "ramp" else following
        return f"the gradient needs characters; without it (g) the digit shows as {shown}"
