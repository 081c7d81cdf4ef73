"""Whether a screen still stands, for whoever draws on it later than when it was asked for."""

from textual.widget import Widget


def can_draw(view: Widget) -> bool:
    """Return whether all parts of a screen, or of a part of one, are there.

    `is_attached` alone is true before they are made, and while a closed screen is taken apart: its
    timers and workers may end in between, and would find no child.
    """
    return view.is_attached and view.is_mounted and not view._pruning
