"""`python -m mlpwatch`."""

from mlpwatch.tui.__main__ import run

if __name__ == "__main__":
    run()
