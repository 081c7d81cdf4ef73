"""A run on another machine, followed through the user's own ssh."""
