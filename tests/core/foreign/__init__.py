"""Tests of `core.foreign`."""
