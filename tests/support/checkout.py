"""Where this checkout is."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCE = CHECKOUT / ".src"
"""The folder that has the package `mlpwatch`."""
