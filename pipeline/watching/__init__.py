"""Runs that events start."""
