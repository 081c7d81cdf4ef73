"""Everything between Textual and the wire. Knows nothing of networks."""
