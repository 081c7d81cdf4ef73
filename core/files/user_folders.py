"""The folders of the user's data and caches."""

import os
from collections.abc import Callable
from pathlib import Path

from mlpwatch.core.errors import DataError


def user_folder(variable: str, find: Callable[[], Path]) -> Path:
    """Return the folder that an environment variable names, or the user's default folder.

    Args:
        variable: its name, like `MLPWATCH_CACHE`.
        find: returns the default folder; a function of platformdirs.

    Raises:
        DataError: there is none, as for a user without a home and an entry in /etc/passwd.
    """
    if override := os.environ.get(variable):
        return Path(override).expanduser()
    try:
        folder = find()
    # Newer versions of platformdirs raise, older ones return `~/.cache`.
    except RuntimeError:
        folder = Path()
    if not folder.is_absolute():
        raise DataError(
            f"{variable}: not set, and this user has no home folder; set it to a folder to use"
        )
    return folder
