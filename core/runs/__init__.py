"""Run folders: everything that a run leaves on disk."""
