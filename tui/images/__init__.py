"""Images as cells of a terminal."""
