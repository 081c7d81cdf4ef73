"""What a network knows and gets wrong: predictions, gradients, neighbours, scores."""
