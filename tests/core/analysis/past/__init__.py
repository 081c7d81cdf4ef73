"""Tests of past epochs."""
