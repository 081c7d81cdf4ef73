"""The lecture mode: few numbers, large enough for the last row."""
