"""Foreign code: found in its file and called in a process of its own."""
