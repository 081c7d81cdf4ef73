"""Events in, everything that a panel reads out. Knows no Textual."""
