"""The mistakes browser."""
