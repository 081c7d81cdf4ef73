"""Training loops that are not ours: what `mlpwatch.watch()` writes, and what reads it."""
