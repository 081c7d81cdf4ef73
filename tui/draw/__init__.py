"""The draw screen: a person's own digit."""
