"""Tests of what keys and a talk do to a run."""
