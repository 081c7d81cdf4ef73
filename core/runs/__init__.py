"""Run folders: everything that a run saves on disk."""
