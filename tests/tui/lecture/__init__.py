"""Tests of the lecture mode."""
