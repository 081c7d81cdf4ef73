"""Tests of what a run leaves for others."""
