"""A run's two engines, held against each other step by step while they train."""
