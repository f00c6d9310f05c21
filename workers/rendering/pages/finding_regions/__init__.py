"""Where charts may be on a page."""
