"""The names of runs, and of every file in a run's folder."""

import os
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from mlpwatch.core.config import ENGINE_NAMES, EngineName, RunConfig
from mlpwatch.core.errors import InputError
from mlpwatch.core.text import printable

MANIFEST_NAME = "config.json"
"""Settings, data and versions. Written once; a `flock` on it is the lock of the run."""

PLAN_NAME = "plan.json"
"""What a resume changes: epochs, place of the data. `config.json` is never replaced: the lock."""

METRICS_NAME = "metrics.jsonl"
"""One line per engine and epoch, with its confusion matrix."""

EVENTS_NAME = "events.jsonl"
"""Batch losses in groups, pauses, saves, ends."""

RATES_NAME = "rates.jsonl"
"""Changes of the learning rate while it trained, with their steps. Only added to."""

RESULT_NAME = "result.json"
"""How the run ended; absent while it trains or can be resumed."""

END_OUTPUT_NAME = "on-end.log"
"""What the command of `--on-end` wrote when the run ended last."""

OWNER_NAME = "owner.json"
"""The process that trains the run; absent after a regular end."""

SOCKET_NAME = "control.sock"
"""The socket for commands while the run trains."""

CONFUSION_NAME = "confusion.jsonl"
"""The confusion matrices of older runs, which are not in `metrics.jsonl`. Read, never written."""

HISTORY_NAME = "history"
"""The folder of past epochs: a checkpoint per engine and kept epoch."""

HISTORY_INDEX_NAME = "index.json"
"""In the history folder: the kept epochs, for other programs. The names of the files are the list
that mlpwatch reads, so that a kill between two writes leaves nothing to repair."""

GROUP_NAME = "group.json"
"""In the folder of a sweep, whose folders are its runs: settings and seeds. Replaced as a whole."""

GROUP_LOCK_NAME = "group.lock"
"""In the folder of a sweep: a `flock` on it is held while its trials are trained."""

STOP_NAME = "group.stop"
"""In the folder of a sweep: a file of this name stops the sweep, saved."""

FAILURES_NAME = "failures.jsonl"
"""In the folder of a sweep: trials that ended without a run folder, or with their process."""

WHY_NAME = "why.json"
"""In the folder of a sweep that `mlpwatch why` made: what it found last, as `why --json` prints it.
Replaced as a whole."""

MACHINE_NAME = "machine.jsonl"
"""CPU, memory and GPU figures while it trained, at most 512 lines: then every second is dropped."""

WATCH_NAME = "watch.json"
"""In the folder of a loop that `mlpwatch.watch()` follows: what it said of itself. Written once; a
`flock` on it is the lock, as on `config.json` of other runs."""

LOOP_LOG_NAME = "loop.jsonl"
"""In such a folder: its numbers, epochs, pauses, saves and end, one line each. Only added to."""

PREDICTIONS_NAME = "predictions.safetensors"
"""In such a folder: labels, predictions and probabilities of its newest epoch that gave any."""

IMAGES_NAME = "images.safetensors"
"""In such a folder: the images that they are of."""

MAX_STEPS, MAX_SECONDS = 10**13, 10**10
"""Limits of a run: 100,000 epochs of a hundred million images, 300 years. A file with more is
damaged."""

MAX_NAME_LENGTH = 100
"""Most characters of a run's name; more would not fit a line of the list."""

MAX_NAME_BYTES = 255
"""Most UTF-8 bytes of a folder's name on ext4, XFS, APFS and NTFS."""

TAIL_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Lower-case letters and digits without l, o, 0 and 1, which look alike."""


def name_there(name: str, host: str) -> str:
    """Return a run's name on the machine that has it.

    Args:
        name: as `mlpwatch attach` takes it here.
        host: the other machine; empty for a run of this one.
    """
    return name.removeprefix(f"{host}:") if host else name


def continuation(name: str, host: str) -> str:
    """Return how a run that has ended is continued, in words; arguments as in `name_there`."""
    where = f"on {host}, " if host else ""
    return f"{where}mlpwatch resume {name_there(name, host)} continues it"


def is_watched(folder: Path) -> bool:
    """Return whether this is the folder of a loop that `mlpwatch.watch()` follows."""
    # os.path: a list of 1,000 runs checks 1,000 folders.
    return os.path.isfile(f"{folder}/{WATCH_NAME}")  # noqa: PTH113


def checkpoint_name(engine: EngineName) -> str:
    """Return the file name of an engine's newest checkpoint."""
    return f"{engine}.safetensors"


def network_name(engine: EngineName) -> str:
    """Return the file name of the copy of the user's network in an engine's place."""
    return "network.py" if engine == "numpy" else "network_torch.py"


def past_name(engine: EngineName, epoch: int) -> str:
    """Return the file name of an engine's checkpoint of a past epoch, in the history folder."""
    return f"{engine}.{epoch}.safetensors"


_PAST = re.compile(rf"({'|'.join(ENGINE_NAMES)})\.(0|[1-9]\d{{0,5}})\.safetensors")


def parse_past_name(name: str) -> tuple[EngineName, int] | None:
    """Return engine and epoch of a file in the history folder; None for another file."""
    found = _PAST.fullmatch(name)
    if found is None:
        return None
    engine: EngineName = "numpy" if found[1] == "numpy" else "torch"
    return engine, int(found[2])


def is_history_file(name: str) -> bool:
    """Return whether mlpwatch writes a file of this name into the history folder, also halfway."""
    inner = re.sub(r"^\.(.+)\.\w{8}\.tmp$", r"\1", name)
    return inner == HISTORY_INDEX_NAME or parse_past_name(inner) is not None


def best_name(engine: EngineName) -> str:
    """Return the file name of the checkpoint with the lowest validation loss of an engine."""
    return f"{engine}.best.safetensors"


def previous_name(name: str) -> str:
    """Return the file name of the checkpoint before the one with this name."""
    return f"{name}.previous"


def unfinished_names() -> tuple[str, ...]:
    """Return the names of the files that are replaced as a whole; a kill may leave partial ones."""
    checkpoints = (checkpoint_name(engine) for engine in ENGINE_NAMES)
    return (
        MANIFEST_NAME,
        PLAN_NAME,
        METRICS_NAME,
        EVENTS_NAME,
        RESULT_NAME,
        OWNER_NAME,
        *checkpoints,
        *map(best_name, ENGINE_NAMES),
    )


def new_run_name(config: RunConfig, now: datetime) -> str:
    """Return a name such as `2026-11-23-seed-k3f9`: date in UTC, recipe, random tail.

    Args:
        config: its recipe is used.
        now: the current time, with a time zone.
    """
    tail = "".join(secrets.choice(TAIL_ALPHABET) for _ in range(4))
    return f"{now.astimezone(UTC):%Y-%m-%d}-{config.recipe}-{tail}"


def free_run_name(saved: Path, config: RunConfig, now: datetime) -> str:
    """Return a `new_run_name` that no folder in `saved` has."""
    name = new_run_name(config, now)
    while (saved / name).exists():
        name = new_run_name(config, now)
    return name


def check_run_name(name: str) -> None:
    """Check that `name` can be a folder under `saved/` and be shown in a terminal.

    Raises:
        InputError: the message names the first fault found.
    """
    if fault := _name_fault(name):
        shown = printable(name) if len(name) <= MAX_NAME_LENGTH else printable(name[:20]) + "…"
        raise InputError(f"run name '{shown}': {fault}; choose one like mnist-twin-2")


def _name_fault(name: str) -> str | None:
    if not name.strip():
        return "it is empty"
    if name != name.strip():
        return "it begins or ends with a space"
    if name[0] in ".-":
        return f"it begins with '{name[0]}'"
    if "/" in name or "\\" in name:
        return "it contains a path separator; give the folder with --saved"
    # False for control (Cc), bidi and zero-width (Cf), surrogate (Cs) and unassigned characters.
    if not name.isprintable():
        return "it contains characters that can't be shown"
    if len(name) > MAX_NAME_LENGTH:
        return f"it has {len(name)} characters, at most {MAX_NAME_LENGTH} fit"
    if (size := len(name.encode())) > MAX_NAME_BYTES:
        return f"it takes {size} bytes, at most {MAX_NAME_BYTES} fit"
    return None
