"""The explanation: two losses, and one training step in detail."""
