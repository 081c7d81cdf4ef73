"""The network: layers, losses and optimizers by hand, and the same in PyTorch."""
