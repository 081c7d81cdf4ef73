"""Data, both engines, the training loop, run folders. Does not depend on the screen."""
