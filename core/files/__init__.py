"""Files that are complete after any crash, and strict readers of their content."""
