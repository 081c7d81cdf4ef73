"""A person's own drawings: ink, its normalisation, and the set that keeps it."""
