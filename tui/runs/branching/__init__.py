"""Branches of runs on the screen: the form, its dialog, and what becomes of the run that trains."""
