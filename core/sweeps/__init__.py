"""Many runs: a grid of settings times seeds, its trials, and what they prove."""
