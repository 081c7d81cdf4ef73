"""The sweep's screen: a table of settings, their curves, and every trial to open."""
