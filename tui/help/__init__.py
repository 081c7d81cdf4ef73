"""The help, and the palette of all commands."""
