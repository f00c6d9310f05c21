"""A page's text."""
