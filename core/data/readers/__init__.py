"""Readers of data files: by their first bytes, bounded in size, nothing unpickled."""
