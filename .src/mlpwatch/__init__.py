"""Watch one MLP learn twice, side by side, in a terminal: by hand in NumPy and in PyTorch."""

__version__ = "0.1.0"
