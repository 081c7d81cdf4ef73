"""Everything between Textual and the terminal. Does not depend on networks."""
