"""Checks a network that somebody else wrote against a float64 reference, and names its mistakes."""
