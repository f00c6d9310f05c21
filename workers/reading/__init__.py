"""Asking an engine about pages."""
