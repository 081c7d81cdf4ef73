"""Files that are whole after any crash, and strict readers of what they hold."""
