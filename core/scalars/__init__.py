"""Numbers by name over steps, as any training loop logs them."""
