"""The terminal front end of mlpwatch. Contains no mathematics."""
