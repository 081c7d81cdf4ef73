"""Watch one MLP learn twice, side by side, in a terminal: by hand in NumPy and in PyTorch."""
