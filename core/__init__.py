"""What trains: data, both engines, the training loop, run folders. Knows no screen."""
