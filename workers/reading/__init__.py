"""Asks an engine about pages and makes rows of its answers."""
