"""What shows: the terminal front end of mlpwatch. Knows no mathematics."""
