"""Past epochs of a run: their weights, and what their networks predict."""
