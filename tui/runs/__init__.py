"""The runs screen: saved runs, to open, compare, resume, rename, delete, export."""
