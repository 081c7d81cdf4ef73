"""One table of keys, used for dispatch, the footer and the help."""

from collections.abc import Collection
from typing import Literal, NamedTuple

from textual.binding import Binding, BindingType

from mlpwatch.core.spectating import looks_only
from mlpwatch.tui.kit.look import Look

Where = Literal[
    "everywhere", "dashboard", "mistakes", "explain", "draw", "weights", "layers", "runs",
    "compare", "question", "entry", "branch", "sweep", "metrics", "big",
]  # fmt: skip

_ARROWS = str.maketrans({"↑": "up", "↓": "down", "←": "left", "→": "right"})


class Key(NamedTuple):
    """A key and what it does."""

    keys: str
    """Textual's names, joined by commas."""
    shown: str
    """Name of the key for display."""
    action: str
    label: str
    """One or two words for the footer; empty to leave it out there."""
    help: str
    """One line for the help screen."""
    where: Where = "everywhere"
    priority: bool = False
    """Takes precedence over the focused widget."""

    def shown_in(self, look: Look) -> str:
        """Return the key's name; without arrows in words, since `>` is another key."""
        return self.shown.translate(_ARROWS) if look.ascii_only else self.shown

    @property
    def action_name(self) -> str:
        """The action without the object that has it, and without arguments."""
        return self.action.removeprefix("app.").partition("(")[0]

    @property
    def names(self) -> list[str]:
        """Textual's names, one by one."""
        return self.keys.split(",")


KEYS: list[Key] = [
    Key("space", "space", "toggle_pause", "pause", "pause or resume both models"),
    Key("full_stop", ".", "step", "step", "train on one more batch while paused"),
    Key("1", "1", "toggle_pause_engine('numpy')", "", "pause or resume NumPy alone"),
    Key("2", "2", "toggle_pause_engine('torch')", "", "pause or resume PyTorch alone"),
    Key("equals_sign", "=", "toggle_lockstep", "", "lockstep: the faster model waits each step"),
    Key("s", "s", "save", "save", "save both checkpoints now"),
    Key("m", "m", "app.mistakes", "mistakes", "browse what was read wrong", "dashboard"),
    Key("e", "e", "app.explain", "why", "why the two models differ, or do not", "dashboard"),
    Key("w", "w", "app.weights", "weights", "what the first layer's units look for, live",
        "dashboard"),
    Key("d", "d", "app.draw", "draw", "draw a digit and see what both models read in it",
        "dashboard"),
    Key("r", "r", "app.runs", "runs", "all saved runs: open, compare, resume", "dashboard"),
    Key("u", "u", "app.layers", "layers", "gradients, updates, dead units, layer by layer",
        "dashboard"),
    Key("n", "n", "app.above('metrics')", "", "numbers: charts of all that is logged",
        "dashboard"),
    Key("E", "E", "app.export_as", "", "export the run: report, figures, notebook, model",
        "dashboard"),
    Key("v", "v", "app.above('big')", "", "large numbers, for a lecture", "dashboard"),
    Key("escape,v", "escape", "back", "", "back to the dashboard", "big"),
    Key("tab", "tab", "next_panel", "panel", "go to the next panel", "dashboard", priority=True),
    Key("z", "z", "toggle_zoom", "zoom", "give the whole screen to one panel", "dashboard"),
    Key("o", "o", "toggle_overlay", "overlay",
        "both models in one chart, and the gap between them", "dashboard"),
    Key("a", "a", "next_gap", "gap",
        "the gap: one step apart, grown apart, or both", "dashboard"),
    Key(
        "shift+tab", "shift+tab", "previous_panel", "", "go to the panel before", "dashboard",
        priority=True,
    ),
    Key("up", "↑", "move(-1, 0)", "", "move up in the confusion matrix", "dashboard"),
    Key("down", "↓", "move(1, 0)", "", "move down in the confusion matrix", "dashboard"),
    Key("left", "←", "move(0, -1)", "", "left in the matrix; crosshair back in the charts",
        "dashboard"),
    Key("right", "→", "move(0, 1)", "", "right in the matrix; crosshair on in the charts",
        "dashboard"),
    Key("shift+left", "shift+←", "crosshair('point', -1)", "",
        "crosshair one point back; with f, one step", "dashboard"),
    Key("shift+right", "shift+→", "crosshair('point', 1)", "",
        "crosshair one point on; with f, one step", "dashboard"),
    Key("pageup,ctrl+left", "page up", "crosshair('epoch', -1)", "",
        "crosshair to the end of the epoch before", "dashboard"),
    Key("pagedown,ctrl+right", "page down", "crosshair('epoch', 1)", "",
        "crosshair to the end of the next epoch", "dashboard"),
    Key("enter", "enter", "open", "", "open the samples behind a confusion cell", "dashboard"),
    Key("l", "l", "toggle_log", "log y", "logarithmic y axis for the loss", "dashboard"),
    Key("f", "f", "toggle_recent", "", "fine: the loss of the last 1,000 steps in full",
        "dashboard"),
    Key("x", "x", "toggle_seconds", "", "x axis: epochs or seconds", "dashboard"),
    Key("right_square_bracket", "]", "faster", "faster", "raise the speed limit, then lift it"),
    Key("left_square_bracket", "[", "slower", "slower", "limit the steps per second"),
    Key("plus", "+", "scale_rate(2)", "", "learning rate x 2 from the next batch on"),
    Key("minus", "-", "scale_rate(0.5)", "", "half the learning rate, from the next batch on"),
    Key("less_than_sign", "<", "epoch('back')", "",
        "all screens an epoch back, while it trains"),
    Key("greater_than_sign", ">", "epoch('on')", "", "an epoch on; after the last comes now"),
    Key("home", "home", "epoch('first')", "", "the first epoch that is kept"),
    Key("end", "end", "epoch('now')", "", "back to now"),
    Key("Y", "Y", "copy", "", "copy this run's command; a crosshair's numbers"),
    Key("X", "X", "stop", "", "press twice: end the run's training, saved"),
    Key("c", "c", "next_matrix", "", "matrix: counts, row %, differences, scores",
        "dashboard"),
    Key("b", "b", "branch", "", "branch: a new run from the epoch shown",
        "dashboard"),
    Key("B", "B", "go_back", "", "a branch from before a loss spike, half the rate",
        "dashboard"),
    Key("escape", "escape", "back", "", "leave crosshair, zoom, overlay, a saved run",
        "dashboard"),
    Key("right,n,j", "→", "move(1)", "next", "next sample", "mistakes"),
    Key("left,p,k", "←", "move(-1)", "", "sample before", "mistakes"),
    Key("down", "↓", "move_row(1)", "", "a row down in the contact sheet; else next sample",
        "mistakes"),
    Key("up", "↑", "move_row(-1)", "", "a row up in the contact sheet; else sample before",
        "mistakes"),
    Key("pagedown", "page down", "move_page(1)", "", "a page of the sheet, or ten samples, on",
        "mistakes"),
    Key("pageup", "page up", "move_page(-1)", "", "a page of the sheet, or ten samples, back",
        "mistakes"),
    Key("home", "home", "first", "", "first sample; in the past the first epoch", "mistakes"),
    Key("end", "end", "last", "", "last sample; in the past back to now", "mistakes"),
    # A narrow footer leaves out the last: keys to open, leave, move on and explain come first.
    Key("enter", "enter", "open", "large", "one large sample, and what both make of it",
        "mistakes"),
    Key("escape,m", "escape", "back", "", "back to the sheet, then to the dashboard",
        "mistakes"),
    Key("tab", "tab", "next_list(1)", "list",
        "next list: wrong in NumPy, in both, differing, new", "mistakes",
        priority=True),
    Key("shift+tab", "shift+tab", "next_list(-1)", "", "list before", "mistakes",
        priority=True),
    Key("y", "y", "toggle_neighbours", "why", "the nearest training samples alone, or the bars",
        "mistakes"),
    Key("g", "g", "next_gradient", "gradient",
        "pixels that speak for the class read; the true one", "mistakes"),
    Key("a", "a", "other_model", "", "the other model's gradient and neighbours", "mistakes"),
    Key("t", "t", "filter_true", "true", "only one true label; again for the next", "mistakes"),
    Key("f", "f", "filter_predicted", "read as", "only one predicted label; again for the next",
        "mistakes"),
    Key("c", "c", "clear_filters", "clear", "show all labels again", "mistakes"),
    Key("o", "o", "next_order", "order",
        "order: by number, sureness, loss or true label", "mistakes"),
    Key("T", "T", "toggle_test", "test", "the test samples instead of those for validation",
        "mistakes"),
    Key("v", "v", "next_renderer", "view", "pixels as characters, half blocks or braille",
        "mistakes"),
    Key("right", "→", "turn(1)", "next page",
        "next page: forward, loss, backward, unit, update", "explain"),
    Key("left", "←", "turn(-1)", "", "page before", "explain"),
    Key("down", "↓", "unit(1)", "unit", "next unit of the layer", "explain"),
    Key("up", "↑", "unit(-1)", "", "unit before", "explain"),
    Key("shift+down,pagedown", "shift+↓", "layer(1)", "layer", "next layer", "explain"),
    Key("shift+up,pageup", "shift+↑", "layer(-1)", "", "layer before", "explain"),
    Key("n,shift+right", "n", "item(1)", "", "next sample; of an update the next weight",
        "explain"),
    Key("p,shift+left", "p", "item(-1)", "", "sample, or weight, before", "explain"),
    Key("c", "c", "toggle_code", "code", "the lines of source that compute this page",
        "explain"),
    Key("escape,e", "escape", "back", "", "back to where you came from", "explain"),
    Key("enter", "enter", "open", "open", "look at a run as the dashboard shows it", "runs"),
    Key("escape,r", "escape", "back", "", "drop the filter, then back to the dashboard",
        "runs"),
    Key("slash", "/", "filter", "filter", "type words to filter by; enter keeps them", "runs"),
    Key("m", "m", "mark", "mark", "mark up to four runs, to compare or to export", "runs"),
    Key("o", "o", "compare", "compare", "the marked runs' curves over each other", "runs"),
    Key("c", "c", "resume", "resume", "continue a run here; a finished one for longer", "runs"),
    Key("b", "b", "branch", "", "branch: a new run from one of its epochs", "runs"),
    Key("N", "N", "start_new", "", "a new run here: change the options of this one", "runs"),
    Key("n", "n", "rename", "rename", "give a run another name", "runs"),
    Key("d,delete", "d", "delete", "delete", "delete a run; asks first", "runs"),
    Key("e", "e", "export('csv')", "export", "write metrics to a CSV file in this folder",
        "runs"),
    Key("j", "j", "export('json')", "", "write metrics and settings to a JSON file", "runs"),
    Key("E", "E", "export_as", "", "write a report, figures, a notebook or a model", "runs"),
    Key("right", "→", "sort(1)", "sort", "sort by the next column", "runs"),
    Key("left", "←", "sort(-1)", "", "sort by the column before", "runs"),
    Key("v", "v", "reverse", "", "sort the other way round", "runs"),
    Key("down", "↓", "move(1)", "", "next run", "runs"),
    Key("up", "↑", "move(-1)", "", "run before", "runs"),
    Key("pagedown", "page down", "move_page(1)", "", "a page of runs on", "runs"),
    Key("pageup", "page up", "move_page(-1)", "", "a page of runs back", "runs"),
    Key("home", "home", "end(-1)", "", "first run of the list", "runs"),
    Key("end", "end", "end(1)", "", "last run of the list", "runs"),
    Key("escape,o", "escape", "back", "", "back to the runs", "compare"),
    Key("l", "l", "toggle_log", "log y", "logarithmic y axis for the loss", "compare"),
    Key("x", "x", "toggle_seconds", "seconds", "x axis: epochs or seconds", "compare"),
    Key("e", "e", "export('csv')", "export", "write the metrics of these runs to a CSV file",
        "compare"),
    Key("j", "j", "export('json')", "", "write metrics and settings to a JSON file", "compare"),
    Key("w", "w", "why", "why", "which setting makes the difference, by experiment",
        "compare"),
    Key("right", "→", "move(1)", "", "crosshair one epoch on", "compare"),
    Key("left", "←", "move(-1)", "crosshair", "crosshair one epoch back", "compare"),
    Key("y", "y", "answer(True)", "", "yes, do it", "question"),
    Key("n,escape", "n", "answer(False)", "", "no, leave it", "question"),
    Key("escape", "escape", "cancel", "", "leave it as it is", "entry"),
    Key("down", "↓", "move(1)", "", "next setting; what you type replaces its value",
        "branch"),
    Key("up", "↑", "move(-1)", "", "setting before; tab goes to the next group", "branch"),
    Key("right", "→", "turn(1)", "", "next value, kept epoch; learning rate x 2", "branch"),
    Key("left", "←", "turn(-1)", "", "value before; half the learning rate", "branch"),
    Key("enter", "enter", "start", "", "start the branch", "branch"),
    Key("escape", "escape", "cancel", "", "leave it as it is", "branch"),
    Key("right,pagedown", "→", "page(1)", "next", "next page of units",
        "weights"),
    Key("left,pageup", "←", "page(-1)", "previous", "page before",
        "weights"),
    Key("down", "↓", "row(1)", "", "one row of units on", "weights"),
    Key("up", "↑", "row(-1)", "", "one row back", "weights"),
    Key("enter", "enter", "open", "unit", "the chosen unit's part in one training step",
        "weights"),
    Key("shift+right,j", "shift+→", "move(1)", "", "choose the next unit", "weights"),
    Key("shift+left,k", "shift+←", "move(-1)", "", "choose the unit before", "weights"),
    Key("home", "home", "first", "", "first units; in the past the first epoch", "weights"),
    Key("end", "end", "last", "", "last units; in the past back to now", "weights"),
    Key("tab", "tab", "next_model", "model", "NumPy, PyTorch, or both where there is room",
        "weights", priority=True),
    Key("escape,w", "escape", "back", "", "back to the dashboard", "weights"),
    Key("z", "z", "toggle_zoom", "zoom", "larger tiles, pixel by pixel", "weights"),
    Key("n", "n", "next_dead", "next dead", "next unit that no validation sample wakes",
        "weights"),
    Key("down,pagedown", "↓", "page(1)", "next", "next layers of a deep network", "layers"),
    Key("up,pageup", "↑", "page(-1)", "", "layers before", "layers"),
    Key("tab", "tab", "next_chart", "chart", "next chart, where there is no room for all",
        "layers", priority=True),
    Key("escape,u", "escape", "back", "", "back to the dashboard", "layers"),
    Key("space", "space", "toggle_pen", "pen", "put the pen down or lift it; p pauses here",
        "draw"),
    Key("up", "↑", "move(0, -1)", "", "move the pen up", "draw"),
    Key("down", "↓", "move(0, 1)", "", "move the pen down", "draw"),
    Key("left", "←", "move(-1, 0)", "", "move the pen left", "draw"),
    Key("right", "→", "move(1, 0)", "", "move the pen right", "draw"),
    Key("x", "x", "toggle_eraser", "eraser", "eraser or pen; the right mouse button erases too",
        "draw"),
    Key("c", "c", "clear", "clear", "clear the paper", "draw"),
    Key("enter", "enter", "keep", "keep", "keep the drawing with the label that you press next",
        "draw"),
    Key("escape,d", "escape", "back", "", "back to the dashboard", "draw"),
    Key("backspace,delete", "backspace", "delete", "delete",
        "delete the chosen one of your set, or the newest", "draw"),
    Key("u", "u", "take_back", "undo", "take back what was deleted, since you came here", "draw"),
    Key("pagedown", "page down", "choose(1)", "", "choose one of your set, newest first", "draw"),
    Key("pageup", "page up", "choose(-1)", "", "choose a newer one of your set", "draw"),
    Key("n", "n", "toggle_centring", "centring", "let the networks see it centred, or as it stands",
        "draw"),
    Key("shift+up,K", "shift+↑", "shift(0, -1)", "", "shift the drawing up", "draw"),
    Key("shift+down,J", "shift+↓", "shift(0, 1)", "", "shift the drawing down", "draw"),
    Key("shift+left,H", "shift+←", "shift(-1, 0)", "", "shift the drawing left", "draw"),
    Key("shift+right,L", "shift+→", "shift(1, 0)", "", "shift the drawing right", "draw"),
    Key("p", "p", "app.toggle_pause", "pause", "pause or resume both models", "draw"),
    Key("enter", "enter", "open", "open", "list a setting's trials; open a trial's dashboard",
        "sweep"),
    Key("slash", "/", "filter", "filter", "settings with lr>=0.1 hidden=128, or words", "sweep"),
    Key("right", "→", "sort(1)", "sort", "sort by the next column", "sweep"),
    Key("left", "←", "sort(-1)", "", "sort by the column before", "sweep"),
    Key("v", "v", "reverse", "", "sort the other way round", "sweep"),
    Key("G", "G", "toggle_bands", "bands", "mean and deviation as a band; one line per seed",
        "sweep"),
    Key("l", "l", "toggle_log", "log y", "logarithmic y axis for the loss", "sweep"),
    Key("z", "z", "zoom", "zoom", "charts alone, the table alone, or both", "sweep"),
    Key("u", "u", "unfold_all", "unfold", "list the trials of all settings, or of none", "sweep"),
    Key("down", "↓", "move(1)", "", "next row", "sweep"),
    Key("up", "↑", "move(-1)", "", "row before", "sweep"),
    Key("pagedown", "page down", "move_page(1)", "", "a page of rows on", "sweep"),
    Key("pageup", "page up", "move_page(-1)", "", "a page of rows back", "sweep"),
    Key("home", "home", "end(-1)", "", "first row", "sweep"),
    Key("end", "end", "end(1)", "", "last row", "sweep"),
    Key("X", "X", "stop", "", "press twice: end the sweep, all trials saved", "sweep"),
    Key("escape", "escape", "back", "", "drop the filter, the zoom; fold all", "sweep"),
    Key("slash", "/", "filter", "filter", "charts of metrics whose names have these words",
        "metrics"),
    Key("pagedown,down", "page down", "page(1)", "page", "next page of charts", "metrics"),
    Key("pageup,up", "page up", "page(-1)", "", "page before", "metrics"),
    Key("left", "←", "crosshair(-1)", "crosshair", "crosshair through all charts, back",
        "metrics"),
    Key("right", "→", "crosshair(1)", "", "crosshair on", "metrics"),
    Key("shift+left,ctrl+left", "shift+←", "crosshair(-10)", "", "crosshair ten columns back",
        "metrics"),
    Key("shift+right,ctrl+right", "shift+→", "crosshair(10)", "", "crosshair ten columns on",
        "metrics"),
    Key("home", "home", "end(-1)", "", "crosshair to the first step", "metrics"),
    Key("end", "end", "end(1)", "", "no crosshair: the newest values", "metrics"),
    Key("ctrl+up", "ctrl+↑", "zoom_x(1)", "zoom x",
        "half the steps, at the crosshair or the end; or the wheel", "metrics"),
    Key("ctrl+down", "ctrl+↓", "zoom_x(-1)", "", "twice the steps", "metrics"),
    Key("l", "l", "toggle_log", "log y", "logarithmic y axes", "metrics"),
    Key("S", "S", "next_smoothing", "smooth", "smoothing of the curves: 0, 0.6, 0.9", "metrics"),
    Key("z", "z", "toggle_single", "single", "one chart at a time, or as many as fit",
        "metrics"),
    Key("o", "o", "toggle_overlay", "overlay", "two logs in the same charts", "metrics"),
    Key("escape,n", "escape", "back", "", "drop crosshair, zoom, single chart, filter",
        "metrics"),
    Key("question_mark", "?", "help", "help", "this help; any key closes it"),
    Key("ctrl+p", "ctrl+p", "command_palette", "", "all commands by name, themes too"),
    Key("ctrl+z", "ctrl+z", "suspend_process", "", "stop, back to the shell; its fg continues"),
    Key("q", "q", "leave", "quit", "go back; on the dashboard save and quit"),
    Key("ctrl+c", "ctrl+c", "interrupt", "", "save and quit; twice: leave at once",
        priority=True),
]  # fmt: skip

CHANGING = frozenset((
    "toggle_pause", "toggle_pause_engine", "toggle_lockstep", "step", "save", "faster", "slower",
    "scale_rate", "stop", "branch", "go_back", "start", "resume", "start_new", "rename", "delete",
    "export", "export_as", "why", "screenshot", "keep", "take_back",
))  # fmt: skip
"""Names of the actions that change a training, a run, a file or the own drawings, on any screen."""


def bindings(where: Where) -> list[BindingType]:
    """Return Textual's bindings for the app (`everywhere`) or for one screen."""
    return [
        Binding(key.keys, key.action, key.label or key.help, show=False, priority=key.priority)
        for key in KEYS
        if key.where == where
    ]


def footer_keys(
    where: Where,
    *,
    attached: bool = False,
    is_view: bool = False,
    without: Collection[str] = (),
) -> list[Key]:
    """Return the keys in a screen's footer, the most useful first; help and `q` are last.

    Args:
        where: the screen.
        attached: the run is in another process, and quitting does not affect it.
        is_view: it lies above another screen.
        without: actions that have no effect now.
    """
    taken = {name for key in KEYS if key.where == where for name in key.names}
    live = [key for key in KEYS if key.label and key.action.removeprefix("app.") not in without]
    if looks_only():
        live = [key for key in live if key.action_name not in CHANGING]
    own = [key for key in live if key.where == where]
    common = [key for key in live if key.where == "everywhere" and not taken & set(key.names)]
    is_below = is_view or where not in ("dashboard", "sweep", "metrics")
    q_does = "back" if is_below else "leave it" if attached else "quit"
    common = [key._replace(label=q_does) if key.action == "leave" else key for key in common]
    # On the dashboard pausing comes first; on other screens their own keys do.
    first = 1 if where == "dashboard" and not looks_only() else 0
    return [*common[:first], *own, *common[first:]]
