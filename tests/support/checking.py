"""Checks network files of tests, on images made once."""

from functools import cache
from pathlib import Path

from mlpwatch.core.checking.findings import Report
from mlpwatch.core.checking.inspection import Images, inspect
from mlpwatch.core.checking.pairs import load_images

SECONDS = 60.0
"""For a file's code in tests: a machine that others keep busy makes nothing fail."""


@cache
def bundled_images() -> Images:
    """Return the bundled digits."""
    return load_images("digits")


def checked(source: str, folder: Path, seconds: float = SECONDS) -> Report:
    """Return the report on a file of this text."""
    path = folder / "net.py"
    path.write_text(source)
    return inspect(path, None, {}, bundled_images(), seconds).report


def first_code(report: Report) -> str:
    """Return the code of the likeliest cause; empty where there is none."""
    return report.findings[0].code if report.findings else ""
