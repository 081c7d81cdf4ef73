"""The user's drawings: ink, its normalisation, and the set that stores them."""
