"""Reads the logs that other programs write while they train: one reader per format."""
