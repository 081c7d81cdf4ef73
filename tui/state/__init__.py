"""Turns events into the state that panels show. Does not depend on Textual."""
