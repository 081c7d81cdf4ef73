"""Readers of data files: recognised by their first bytes, limited in size, never unpickled."""
