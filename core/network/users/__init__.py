"""Engines around networks that users wrote themselves."""
