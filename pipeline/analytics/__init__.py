"""Asking the tables."""
