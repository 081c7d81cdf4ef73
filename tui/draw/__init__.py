"""The draw screen, for the user's own digits."""
