"""Data sets: one registry of sources, their readers, and the pixels that a network gets."""
