"""Why two runs differ: the networks between them are trained, and the gap is attributed."""
