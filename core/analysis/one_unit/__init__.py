"""One unit in one step: its sum and what comes back to it, and the update of one of its weights."""
