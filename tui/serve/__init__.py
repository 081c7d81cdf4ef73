"""The dashboard in a browser: a server, a page, and a process in a terminal for each viewer."""
