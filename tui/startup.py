"""Before the first frame and in the background: the screen's options, imports, libraries."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from mlpwatch.core.cli.ending import RunEndings
from mlpwatch.tui.terminal.traits import is_remote

_TORCH_LIBRARIES = ("libtorch_global_deps.so", "libc10.so", "libtorch_cpu.so")
"""Libraries of torch's Python part, in the order of their dependencies."""

_LATER = (
    *(
        f"mlpwatch.tui.{name}.screen"
        for name in ("help", "mistakes", "explain", "weights", "draw", "runs")
    ),
    "mlpwatch.tui.kit.dialogs",
    "mlpwatch.core.cli.export",
    "mlpwatch.core.analysis.explanation",
)
"""Modules of screens that open with keys of the dashboard."""


DEFAULT_FPS = 4.0
SSH_FPS = 2.0
"""Half the default over SSH, where bytes and latency matter more."""


class ScreenOptions(NamedTuple):
    """The screen's options from the command line."""

    fps: float | None = None
    """Polls of the mailbox per second; None for the default of this kind of terminal."""
    mouse: bool = True
    ascii_only: bool = False
    saved: Path = Path("saved")
    """The folder of all runs."""
    goes_on_after_hangup: bool = False
    """Whether a lost terminal ends only the screen, not the training."""
    notifies: bool = False
    """Whether the terminal says a word when a run ends, fails or diverges."""
    is_big: bool = False
    """Whether to begin with the large numbers."""
    endings: RunEndings | None = None
    """What follows the end of the runs that train here."""

    @property
    def frames_per_second(self) -> float:
        """The given value, or the default of this kind of terminal."""
        return self.fps or (SSH_FPS if is_remote() else DEFAULT_FPS)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep garbage collection out of the screen's way while the block imports and loads.

    With torch and scikit-learn imported there are 260,000 objects. A full garbage collection visits
    all of them and holds the interpreter meanwhile: 0.1 to 0.2 s in which no key is answered
    and no step trained. They live as long as the process, so it never frees anything: none runs
    in the block, and later ones ignore the objects that the block made.
    """
    gc.disable()
    try:
        # In parallel: loading the libraries does not hold the interpreter.
        importing = Thread(target=import_screens, name="screens", daemon=True)
        importing.start()
        load_torch_libraries()
        importing.join()
        yield
    finally:
        gc.freeze()
        gc.enable()


def import_screens() -> int:
    """Import what the first frame does not need, if there is a screen; return how many modules.

    Otherwise a key would wait for it: while both engines train, 60 ms of importing take 170 ms.
    """
    if "mlpwatch.tui.app" not in sys.modules:
        return 0
    for name in _LATER:
        import_module(name)
    return len(_LATER)


def collect_from_now_on() -> None:
    """Enable garbage collection, if it is disabled; it ignores all objects that exist by then.

    It is disabled until the first frame: it would visit the 100,000 objects that importing Textual
    makes, which takes a twelfth of the time to the first frame, and free nothing.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def load_torch_libraries() -> int:
    """Load torch's shared libraries (Linux) before its import does; return how many were loaded.

    An import holds the interpreter while the dynamic linker relocates 0.4 GB of libtorch, 0.2 s
    from a warm disk and seconds from a cold one. A C function called through ctypes does not, and
    finds the same files. Missing libraries and failures are left to the import, which reports them.
    """
    spec = find_spec("torch") if sys.platform == "linux" else None
    if spec is None or spec.origin is None:
        return 0
    # Not at the top: the first frame does not need ctypes, which takes 5 ms.
    import ctypes  # noqa: PLC0415

    dlopen = ctypes.CDLL(None).dlopen
    dlopen.restype, dlopen.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    folder = Path(spec.origin).parent / "lib"
    flags = os.RTLD_NOW | os.RTLD_LOCAL
    paths = [folder / name for name in _TORCH_LIBRARIES if (folder / name).is_file()]
    return sum(dlopen(os.fsencode(path), flags) is not None for path in paths)
