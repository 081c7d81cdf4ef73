"""Commands about several runs: beside each other, and why two of them differ."""
