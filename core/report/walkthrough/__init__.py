"""The notebook and the script that make a run again: their text, and what a run has in it."""
