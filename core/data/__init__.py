"""Data sets: one registry of sources, their readers, and the pixels for a network."""
