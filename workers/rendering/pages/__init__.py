"""Runs in the sandbox only."""
