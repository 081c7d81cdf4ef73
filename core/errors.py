"""Errors that a user can cause, each with the exit status of the command.

Every message is one line: the value, what was expected, what to do.
"""

from typing import ClassVar


class MlpwatchError(Exception):
    """Base of all errors that end a command with one line instead of a traceback."""

    exit_status: ClassVar[int] = 1
    """Process exit status when this error ends the command."""


class InputError(MlpwatchError):
    """Bad input: an option, a data file or a run folder that can't be used."""

    exit_status = 2


class ConfigError(InputError):
    """A setting that is out of range or contradicts another."""


class DataError(InputError):
    """A data file or data set that can't be trained on."""


class RunError(InputError):
    """A run folder that is missing, damaged or in use."""


class DownloadError(MlpwatchError):
    """A download that failed; running the command again resumes it."""


class DivergedError(Exception):
    """The loss or a weight is no longer finite; ends one engine's training."""


def error_text(error: Exception) -> str:
    """Return an error in one line, with its type unless the message is meant for users."""
    text = " ".join(str(error).split())
    return text if isinstance(error, MlpwatchError) else f"{type(error).__name__}: {text}"
