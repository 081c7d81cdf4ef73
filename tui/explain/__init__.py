"""The explanation: two losses, and one training step taken apart."""
