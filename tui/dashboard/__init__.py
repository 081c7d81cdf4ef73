"""The dashboard: both models side by side, as they train."""
