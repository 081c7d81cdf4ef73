"""The help, and the command palette."""
