"""A user's own network: found in its file, and called."""
